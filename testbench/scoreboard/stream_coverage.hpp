#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "mmu_model/walk/translate.hpp"
#include "mmu_model/walker/configuration.hpp"
#include "testbench/scoreboard/coverage_table.hpp"
#include "testbench/scoreboard/flag_updates.hpp"
#include "testbench/scoreboard/remembrance.hpp"
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
    kTold,           ///< rule that refused for what a hit held, by the cache
    kInvalidations,  ///< by the state of each slot
    kBusySlots,      ///< when a request comes
    kContention,
    kQueues,  ///< by the number of the place taken
    kScopes,  ///< of mappings that may be held, by what narrows them
    kFlagUpdates,
    kPages,  ///< guest page by EPT page, of walks that a hit helped
    kTables
  };
  const CoverageTable& table(Table table) const { return tables_[table]; }
  std::span<const CoverageTable> tables() const { return tables_; }

  // What happens in a stream, in the cycle `now`.
  /// `counted`: whether this stream's bins count.
  void begin(bool counted);
  void request_held_up();
  void request_taken(unsigned walk, mmu::Cycle now);
  void memory_taken(unsigned walk, mmu::Cycle now);
  void flags_updated(const FlagUpdate& update);
  /// `active`: a slot was ready.
  void answered(unsigned walk, bool active, mmu::Cycle now);
  void looked_up(unsigned walk, const mmu::CacheLookup& lookup, mmu::Cycle now);
  /// `expected`: the uncached walk, if it is known to be what memory says.
  void responded(unsigned walk, const mmu::WalkResponse& response, const mmu::Recording* expected,
                 mmu::Cycle now);
  /// `held`: what may be held then.
  void invalidated(InvalidationKind kind, const mmu::InvalidationScope& scope, Mappings held,
                   mmu::Cycle now);

 private:
  enum State : std::uint8_t { kIdle, kReady, kIssue, kWait, kRespond };
  struct Walk {
    unsigned number = 0;
    mmu::Cycle taken_at = 0;
    mmu::Cycle issued_at = 0;  ///< the first cycle in the memory queue, if it is there
    bool waiting = false;
    std::uint16_t hits = 0;  ///< bit n: row n of kHits
    unsigned combined_level = 0;
    mmu::CacheLookup last = {};  ///< of a guest-physical address
    /// Invalidations in cycles of which it is not yet known what state this slot was in.
    std::vector<std::pair<InvalidationKind, mmu::Cycle>> met = {};
  };

  Walk& walk_of(unsigned number);
  void count(Table table, std::size_t row, std::size_t column) {
    tables_[table].count(row, column, counted_);
  }
  void count_told(const Walk& walk, const mmu::Outcome& outcome, const mmu::Recording& expected);
  void settle(Walk& walk, State before, State after, mmu::Cycle since);
  void leave_queue(std::deque<mmu::Cycle>& queue, std::size_t row, mmu::Cycle entered,
                   mmu::Cycle now);
  void declare_hits(const mmu::WalkerConfiguration& configuration);
  void declare_restarts(const mmu::WalkerConfiguration& configuration);
  void declare_told(const mmu::WalkerConfiguration& configuration);
  void declare_scopes(const mmu::WalkerConfiguration& configuration);
  void declare_slots();
  void declare_pages(const mmu::WalkerConfiguration& configuration);

  unsigned slots_;
  bool combined_;         ///< there are such caches
  bool guest_physical_;   ///< the same
  unsigned counted_ = 0;  ///< 1 in a stream that counts
  std::array<CoverageTable, kTables> tables_;
  std::vector<Walk> walks_;  ///< in flight
  std::deque<mmu::Cycle> memory_left_;
  std::deque<mmu::Cycle> responses_left_;
  unsigned last_lookup_ = 0;
  mmu::Cycle last_lookup_at_ = mmu::kNever;
};

}  // namespace eptsim::tb
