#pragma once

#include <cstdint>
#include <string>

/// The modelled hardware's parameters as plain values. Names, ranges, defaults and help of the
/// settings a user sees are declared in sim/settings; nothing here checks them again.
namespace eptsim::mmu {

struct TlbGeometry {
  unsigned entries = 0;  ///< 0 turns the array off
  unsigned ways = 0;     ///< entries / ways is a power of two
};

enum class Replacement : std::uint8_t { kLru, kTreePlru, kFifo, kRandom };

/// One TLB level. Split by page size if `split`, else `unified` holds every size.
struct TlbSettings {
  bool split = false;
  TlbGeometry unified = {};
  TlbGeometry k4 = {};      ///< 4 KiB
  TlbGeometry m2 = {};      ///< 2 MiB
  TlbGeometry g1 = {};      ///< 1 GiB
  unsigned hit_cycles = 0;  ///< added to an access that hits here
  Replacement replacement = Replacement::kLru;
};

struct MachineSettings {
  TlbSettings l1i;
  TlbSettings l1d;
  TlbSettings l2;
  unsigned dram_cycles = 100;             ///< from a request taken to its answer; at least 1
  std::uint64_t dram_bytes = 1ull << 40;  ///< size of host-physical memory
  unsigned maxphyaddr = 46;
  std::uint64_t seed = 1;  ///< of random replacement
  bool lockstep = false;   ///< nothing computes ahead of the kernel; no result depends on it
};

}  // namespace eptsim::mmu
