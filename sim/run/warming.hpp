#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/caches/structure_caches.hpp"
#include "mmu_model/counters.hpp"
#include "mmu_model/memory/memory_hierarchy.hpp"
#include "mmu_model/modules/walker_module.hpp"
#include "mmu_model/tlb/tlb_hierarchy.hpp"
#include "sim/run/running_program.hpp"
#include "sim/run/touched_pages.hpp"
#include "sim/trace/record.hpp"

namespace eptsim::sim {

/// What warming keeps warm: one core's units. All outlive it.
struct WarmUnits {
  mmu::TlbHierarchy& tlbs;
  mmu::WalkerModule& walker;         ///< whose invalidations under way it carries out
  mmu::StructureCaches& structures;  ///< the walker's
  mmu::Walk::Lookups lookups = mmu::Walk::Lookups::kAsked;  ///< how walks ask them
  mmu::MemoryHierarchy& memory;
  arch::PhysicalMemory& bytes;
  bool data_in_caches = true;  ///< data go through the caches, not walks alone
};

/// What walks counted that took no time.
struct WarmWalks {
  static constexpr std::size_t kMostReferences = 128;

  std::uint64_t walks = 0;
  std::uint64_t flag_updates = 0;
  std::array<std::uint64_t, kMostReferences> by_references{};  ///< walks; the last: or more
  /// References by place and by what served them; cycles stay 0.
  std::array<std::array<mmu::PlaceCounters, 6>, 6> matrix{};
};

/// Functional warming, between the windows of a sampled run: the program goes on and no time
/// passes. TLBs are looked up and filled, walks are made at once through the walker's own caches
/// and set their flags in memory, their references and the data go through the memory hierarchy,
/// software serves faults, events happen. So what the machine remembers, and every count that
/// depends on no time, is what a core would have left that does one access after the other.
///
/// Far from a window accesses only touch memory: faults are served, flags set and events happen as
/// ever, so that what is in memory is the same. Of what the machine remembers the second and the
/// last cache take note, since they remember for longest; what invalidations remove goes.
class Warming {
 public:
  Warming(RunningProgram& program, const WarmUnits& units);

  /// Does accesses until the program is no longer to be warmed. `cycle`: the core's own, in which
  /// all that happens. No walk may be under way. Whether the run goes on.
  bool run(mmu::Cycle cycle);

  /// Does what is left of an access across pages when a checkpoint came between them.
  bool finish_record();

  const WarmWalks& walks() const { return walks_; }
  void reset_counters();

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cycle_, rest_, recent_lines_, recent_pages_, walks_);
  }

 private:
  /// Of an access across pages: what is yet to come.
  struct Rest {
    mmu::Request request;
    std::uint64_t bytes = 0;
  };

  bool run_record(const Record& record);
  bool access(const Record& record);
  bool access_page(const mmu::Request& request, std::uint64_t bytes);
  bool touch_page(const mmu::Request& request, std::uint64_t bytes);
  const TouchedPages::Page& touch(const mmu::Request& request);
  void touch_lines(std::uint64_t hpa, std::uint64_t bytes, bool write);
  void look_ahead() const;
  bool count_access();
  std::uint64_t translate(const mmu::Request& request);
  mmu::Outcome walk(const mmu::Request& request);
  std::uint64_t serve(const mmu::Step& step);
  void forget(const mmu::InvalidationScopes& scopes);
  void invalidate_structures();
  void forget_fetch() { fetched_page_ = kNoPage; }

  RunningProgram& program_;
  WarmUnits units_;
  mmu::Cycle cycle_ = 0;
  Rest rest_;
  /// The page of the last fetch, while the first level's entry of it is sure to be there: most
  /// fetches are from the page of the one before.
  static constexpr std::uint64_t kNoPage = ~0ull;
  std::uint64_t fetched_page_ = kNoPage;
  const mmu::TlbEntry* fetched_entry_ = nullptr;
  TouchedPages touched_pages_;
  /// Lines that have been touched lately, and whether as written: a bit below the number. The first
  /// cache would have answered for them.
  static constexpr std::size_t kRecentLines = 1024;
  std::array<std::uint64_t, kRecentLines> recent_lines_{};
  /// Pages that TLBs would have answered for.
  static constexpr std::size_t kRecentPages = 2048;
  std::array<std::uint64_t, kRecentPages> recent_pages_{};
  mmu::Recording touching_walk_;
  WarmWalks walks_;
};

}  // namespace eptsim::sim
