#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "mmu_model/memory/memory_level.hpp"
#include "mmu_model/walker/configuration.hpp"

/// The modelled hardware's parameters as plain values. Names, ranges, defaults and help of the
/// settings a user sees are declared in sim/settings; nothing here checks them again.
namespace eptsim::mmu {

struct TlbGeometry {
  unsigned entries = 0;  ///< 0 turns the array off
  unsigned ways = 0;     ///< entries / ways is a power of two
};

enum class Replacement : std::uint8_t { kLru, kTreePlru, kFifo, kRandom, kSrrip };

/// One TLB level. Split by page size if `split`, else `unified` holds every size. Of one that is
/// split, `k4_m2` holds 4 KiB and 2 MiB pages if `shares_4k_2m`, else `k4` and `m2` do.
struct TlbSettings {
  bool split = false;
  bool shares_4k_2m = false;
  TlbGeometry unified = {};
  TlbGeometry k4 = {};  ///< 4 KiB
  TlbGeometry m2 = {};  ///< 2 MiB
  TlbGeometry k4_m2 = {};
  TlbGeometry g1 = {};      ///< 1 GiB
  unsigned coalesce = 1;    ///< 4 KiB pages that an entry may hold: 1, 2, 4 or 8
  unsigned hit_cycles = 0;  ///< added to an access that hits here
  /// Of an access that misses here, with no further level to ask, until its walk is asked for.
  /// 0: hit_cycles.
  unsigned miss_cycles = 0;
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
  StructureKind kind = StructureKind::kCombined;   ///< what `combined` leads to
  std::array<StructureCacheSettings, 6> ept = {};  ///< the same of the EPT dimension
  StructureCacheSettings nested_tlb = {};
  /// Every invalidation, a fault's too, removes everything: the SDM lets a processor do that
  /// (31.4.3.1).
  bool over_invalidate = false;
};

/// One level of the memory hierarchy: a cache of 64-byte lines.
struct MemoryCacheSettings {
  std::uint64_t bytes = 0;  ///< 0 turns the level off; bytes / (64 * ways) is a power of two
  unsigned ways = 0;
  unsigned hit_cycles = 1;  ///< of an access served here, from its beginning; at least 1
  unsigned mshrs = 16;      ///< lines that can be on their way to it; at least 1
  Replacement replacement = Replacement::kLru;
};

enum class DramModel : std::uint8_t {
  kPlain,   ///< a latency, and any number of accesses at a time
  kBanked,  ///< channels, banks and open rows
};

/// Memory behind the caches. Cycles are the core's. Its latency comes on top of what it took to
/// miss the caches.
struct DramSettings {
  DramModel model = DramModel::kPlain;
  unsigned cycles = 100;  ///< of the plain model; at least 1
  // The banked model. Channels, banks and row bytes are powers of two.
  unsigned controller_cycles = 0;  ///< on the way there and back, in every access
  unsigned channels = 1;
  unsigned banks = 1;  ///< of a channel
  std::uint64_t row_bytes = 8192;
  unsigned tcas = 1;          ///< from a column's read or write to its data
  unsigned trcd = 1;          ///< from opening a row to a column's read or write
  unsigned trp = 1;           ///< from closing a row to opening another
  unsigned burst_cycles = 1;  ///< of the channel's bus for a line; at least 1
};

/// L1 and L2 are a core's own, L3 and DRAM are shared. Hit cycles don't fall from a level that is
/// on to the next.
struct MemorySettings {
  MemoryCacheSettings l1d = {};
  MemoryCacheSettings l2 = {};
  MemoryCacheSettings l3 = {};
  DramSettings dram = {};
  MemoryLevel walks_enter_at = MemoryLevel::kL1d;  ///< one of the caches; if off, the next
};

struct MachineSettings {
  TlbSettings l1i;
  TlbSettings l1d;
  TlbSettings l2;
  WalkerConfiguration walker = {};
  MemorySettings memory = {};
  std::uint64_t dram_bytes = 1ull << 40;  ///< size of host-physical memory
  unsigned maxphyaddr = 46;
  std::uint64_t seed = 1;  ///< of random replacement
  bool lockstep = false;   ///< nothing computes ahead of the kernel; no result depends on it
  bool reversed = false;   ///< the last core is made first; no result depends on it
};

}  // namespace eptsim::mmu
