#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "mmu_model/walker/configuration.hpp"
#include "testbench/scoreboard/coverage_table.hpp"
#include "testbench/stimulus/stream.hpp"

namespace eptsim::tb {

/// What streams have met of slots, queues, caches and invalidations. It sees what is on the ports,
/// and works out from docs/microarchitecture.md what state a slot was in.
class StreamCoverage {
 public:
  explicit StreamCoverage(const mmu::WalkerConfiguration& configuration);

  enum Table : std::uint8_t {
    kHits,           ///< what hit, by how the walk ended
    kRestarts,       ///< rule that refused on a hit, by what had hit
    kInvalidations,  ///< by the state of each slot
    kBusySlots,      ///< when a request comes
    kContention,
    kQueues,  ///< by the number of the place taken
    kFailedSwaps,
    kPages,  ///< guest page by EPT page, of walks that a hit helped
    kTables
  };
  const CoverageTable& table(Table table) const { return tables_[table]; }
  std::span<const CoverageTable> tables() const { return tables_; }

  // What happens in a stream, in the cycle `now`.
  void begin();
  void request_held_up();
  void request_taken(unsigned walk, mmu::Cycle now);
  void memory_taken(unsigned walk, mmu::Cycle now);
  void swap_failed(mmu::Place place);
  /// `active`: a slot was ready.
  void answered(unsigned walk, bool active, mmu::Cycle now);
  void looked_up(unsigned walk, const mmu::CacheLookup& lookup, mmu::Cycle now);
  void responded(unsigned walk, const mmu::WalkResponse& response, mmu::Cycle now);
  void invalidated(InvalidationKind kind, mmu::Cycle now);

 private:
  enum State : std::uint8_t { kIdle, kReady, kIssue, kWait, kRespond };
  struct Walk {
    unsigned number = 0;
    mmu::Cycle taken_at = 0;
    mmu::Cycle issued_at = 0;  ///< the first cycle in the memory queue, if it is there
    bool waiting = false;
    std::uint16_t hits = 0;  ///< bit n: row n of kHits
    /// Invalidations in cycles of which it is not yet known what state this slot was in.
    std::vector<std::pair<InvalidationKind, mmu::Cycle>> met = {};
  };

  Walk& walk_of(unsigned number);
  void settle(Walk& walk, State before, State after, mmu::Cycle since);
  void leave_queue(std::deque<mmu::Cycle>& queue, std::size_t row, mmu::Cycle entered,
                   mmu::Cycle now);
  void declare_hits(const mmu::WalkerConfiguration& configuration);
  void declare_restarts(const mmu::WalkerConfiguration& configuration);
  void declare_slots();
  void declare_pages(const mmu::WalkerConfiguration& configuration);

  unsigned slots_;
  std::array<CoverageTable, kTables> tables_;
  std::vector<Walk> walks_;  ///< in flight
  std::deque<mmu::Cycle> memory_left_;
  std::deque<mmu::Cycle> responses_left_;
  unsigned last_lookup_ = 0;
  mmu::Cycle last_lookup_at_ = mmu::kNever;
};

}  // namespace eptsim::tb
