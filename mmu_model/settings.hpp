#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "mmu_model/walker/configuration.hpp"

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

/// One array of a structure cache or the nested TLB. 0 entries turn it off.
struct StructureCacheSettings {
  unsigned entries = 0;
  unsigned ways = 0;  ///< entries / ways is a power of two
  Replacement replacement = Replacement::kLru;
};

/// Everything that one logical processor remembers of translations.
struct CacheSettings {
  TlbSettings l1i;
  TlbSettings l1d;
  TlbSettings l2;
  /// By level of the last entry that a hit skips: 2 (PDE), 3 (PDPTE), 4 (PML4E), 5 (PML5E).
  std::array<StructureCacheSettings, 6> combined = {};
  std::array<StructureCacheSettings, 6> ept = {};  ///< the same of the EPT dimension
  StructureCacheSettings nested_tlb = {};
  /// Every invalidation, a fault's too, removes everything: the SDM lets a processor do that
  /// (31.4.3.1).
  bool over_invalidate = false;
};

struct MachineSettings {
  TlbSettings l1i;
  TlbSettings l1d;
  TlbSettings l2;
  WalkerConfiguration walker = {};
  unsigned dram_cycles = 100;             ///< from a request taken to its answer; at least 1
  std::uint64_t dram_bytes = 1ull << 40;  ///< size of host-physical memory
  unsigned maxphyaddr = 46;
  std::uint64_t seed = 1;  ///< of random replacement
  bool lockstep = false;   ///< nothing computes ahead of the kernel; no result depends on it
};

}  // namespace eptsim::mmu
