#include "testbench/scoreboard/stream_coverage.hpp"

#include <algorithm>
#include <iterator>

#include "testbench/scoreboard/coverage.hpp"
#include "testbench/scoreboard/difference.hpp"

namespace eptsim::tb {

namespace {

using mmu::Cycle;
using mmu::OutcomeKind;
using mmu::Reason;

constexpr std::string_view kNoSuchCache = "the configuration has no such cache";
constexpr std::string_view kOneSlot = "there is one slot";

/// Rows of kHits: levels 2 to 4 of the combined caches, 1 to 3 of the nested TLB, 2 to 4 of the EPT
/// caches.
constexpr unsigned kCombinedRow = 0;
constexpr unsigned kNestedRow = 3;
constexpr unsigned kEptRow = 6;
constexpr unsigned kHitRows = 9;
constexpr unsigned kCombinedHits = 0x7;

/// The rules that want a right.
constexpr std::array kRights{
    Reason::kGuestNotWritable, Reason::kGuestSupervisorPage, Reason::kGuestExecuteDisable,
    Reason::kGuestSmep,        Reason::kGuestSmap,           Reason::kGuestProtectionKey,
    Reason::kGuestShadowStack, Reason::kEptNotReadable,      Reason::kEptNotWritable,
    Reason::kEptNotExecutable, Reason::kEptShadowStack,      Reason::kEptPagingVerification,
};

constexpr std::array<std::string_view, 5> kGuestPages{"no guest page", "guest 4K", "guest 2M",
                                                      "guest 1G", "guest 4M"};
constexpr std::array<std::string_view, 4> kEptPages{"no EPT page", "EPT 4K", "EPT 2M", "EPT 1G"};

template <class Range>
std::vector<std::string> words(const Range& range) {
  return {std::begin(range), std::end(range)};
}

unsigned index_of(const std::optional<arch::PageSize>& size) {
  if (!size) return 0;
  return *size == arch::PageSize::k4M ? 4 : arch::leaf_level(*size);
}

}  // namespace

StreamCoverage::StreamCoverage(const mmu::WalkerConfiguration& configuration)
    : slots_(configuration.walks) {
  declare_hits(configuration);
  declare_restarts(configuration);
  declare_slots();
  tables_[kFailedSwaps] = failed_swap_table();
  declare_pages(configuration);
}

void StreamCoverage::declare_hits(const mmu::WalkerConfiguration& configuration) {
  std::vector<std::string> outcomes;
  for (unsigned kind = 0; kind < kOutcomes; ++kind) {
    outcomes.emplace_back(mmu::name(static_cast<OutcomeKind>(kind)));
  }
  CoverageTable& table = tables_[kHits] =
      CoverageTable("cache hits by how the walk ended",
                    {"combined L2", "combined L3", "combined L4", "nested 4K", "nested 2M",
                     "nested 1G", "EPT L2", "EPT L3", "EPT L4"},
                    outcomes);
  for (unsigned row = 0; row < kHitRows; ++row) {
    bool there = configuration.nested_tlb != 0;
    if (row < kNestedRow) there = configuration.combined[row - kCombinedRow + 2] != 0;
    if (row >= kEptRow) there = configuration.ept[row - kEptRow + 2] != 0;
    for (unsigned kind = 0; kind < kOutcomes; ++kind) {
      std::string_view& why = table.impossible[table.bin(row, kind)];
      if (static_cast<OutcomeKind>(kind) == OutcomeKind::kGeneralProtection) {
        why = "linear addresses are refused in the first step, before any look-up";
      }
      if (!there) why = kNoSuchCache;
    }
  }
}

void StreamCoverage::declare_restarts(const mmu::WalkerConfiguration& configuration) {
  std::vector<std::string> rules;
  for (const Reason reason : kRights) rules.emplace_back(tb::name(reason));
  CoverageTable& table = tables_[kRestarts] =
      CoverageTable("walks begun again, by the rule that refused", rules,
                    {"after a combined hit", "after a guest-physical hit"});
  for (std::size_t row = 0; row < kRights.size(); ++row) {
    if (!configuration.has_combined()) table.impossible[table.bin(row, 0)] = kNoSuchCache;
    if (!configuration.has_guest_physical()) table.impossible[table.bin(row, 1)] = kNoSuchCache;
  }
}

void StreamCoverage::declare_slots() {
  std::vector<std::string> kinds;
  for (unsigned kind = 0; kind < kInvalidationKinds; ++kind) {
    kinds.emplace_back(tb::name(static_cast<InvalidationKind>(kind)));
  }
  tables_[kInvalidations] = CoverageTable("invalidations by the state of a slot", kinds,
                                          {"idle", "ready", "issue", "wait", "respond"});

  std::vector<std::string> numbers;
  for (unsigned count = 0; count <= slots_; ++count) numbers.push_back(std::to_string(count));
  tables_[kBusySlots] = CoverageTable("a request comes", {"slots busy"}, numbers);

  CoverageTable& contention = tables_[kContention] = CoverageTable(
      "the engine", {"in one cycle"}, {"an answer and a ready slot", "two ready slots"});
  if (slots_ == 1) contention.impossible.assign(2, kOneSlot);

  numbers.erase(numbers.begin());
  tables_[kQueues] = CoverageTable("place taken in a queue", {"memory", "responses"}, numbers);
}

void StreamCoverage::declare_pages(const mmu::WalkerConfiguration& configuration) {
  CoverageTable& table = tables_[kPages] =
      CoverageTable("translations that a hit helped", words(kGuestPages), words(kEptPages));
  table.impossible[table.bin(0, 0)] = "without paging and EPT nothing is looked up";
  table.impossible[table.bin(4, 0)] =
      "a page of 4 MiB is mapped by the PDE, and 32-bit paging has no cache above it";
  for (std::size_t row = 0; row < kGuestPages.size(); ++row) {
    for (std::size_t column = 0; column < kEptPages.size(); ++column) {
      const bool asked = (row != 0 && configuration.has_combined()) ||
                         (column != 0 && configuration.has_guest_physical());
      if (!asked && row + column != 0) table.impossible[table.bin(row, column)] = kNoSuchCache;
    }
  }
}

void StreamCoverage::begin() {
  walks_.clear();
  memory_left_.clear();
  responses_left_.clear();
  last_lookup_at_ = mmu::kNever;
}

StreamCoverage::Walk& StreamCoverage::walk_of(unsigned number) {
  return *std::ranges::find(walks_, number, &Walk::number);
}

void StreamCoverage::request_held_up() { tables_[kBusySlots].count(0, slots_); }

void StreamCoverage::request_taken(unsigned walk, Cycle now) {
  tables_[kBusySlots].count(0, walks_.size());
  // If its first step needs no look-up and finds the engine free.
  walks_.push_back({.number = walk, .taken_at = now, .issued_at = now + 2});
}

/// For what is not yet known: the slot was in state `before` up to the cycle `since`, and then in
/// state `after`.
void StreamCoverage::settle(Walk& walk, State before, State after, Cycle since) {
  for (const auto& [kind, cycle] : walk.met) {
    tables_[kInvalidations].count(static_cast<std::size_t>(kind), cycle >= since ? after : before);
  }
  walk.met.clear();
}

/// Counts the place that was taken on entering: one behind each that left since.
void StreamCoverage::leave_queue(std::deque<Cycle>& queue, std::size_t row, Cycle entered,
                                 Cycle now) {
  const auto ahead = static_cast<std::size_t>(
      std::ranges::count_if(queue, [&](Cycle left) { return left >= entered; }));
  tables_[kQueues].count(row, std::min<std::size_t>(ahead, slots_ - 1));
  queue.push_back(now);
  if (queue.size() > slots_) queue.pop_front();
}

void StreamCoverage::memory_taken(unsigned number, Cycle now) {
  Walk& walk = walk_of(number);
  settle(walk, kReady, kIssue, walk.issued_at);
  leave_queue(memory_left_, 0, walk.issued_at, now);
  walk.waiting = true;
}

void StreamCoverage::swap_failed(mmu::Place place) {
  tables_[kFailedSwaps].count(failed_swap_row(place), 0);
}

void StreamCoverage::answered(unsigned number, bool active, Cycle now) {
  Walk& walk = walk_of(number);
  walk.waiting = false;
  walk.issued_at = now + 1;
  if (active) tables_[kContention].count(0, 0);
}

void StreamCoverage::looked_up(unsigned number, const mmu::CacheLookup& lookup, Cycle now) {
  Walk& walk = walk_of(number);
  settle(walk, kReady, kReady, now);
  walk.issued_at = now + 1;
  if (lookup.combined_level >= 2) walk.hits |= 1u << (kCombinedRow + lookup.combined_level - 2);
  if (lookup.nested_level >= 1) walk.hits |= 1u << (kNestedRow + lookup.nested_level - 1);
  if (lookup.ept_level >= 2) walk.hits |= 1u << (kEptRow + lookup.ept_level - 2);
  // A look-up is never a walk's first step: who makes one now was ready when the other made its
  // own.
  if (last_lookup_at_ + 1 == now && last_lookup_ != number) tables_[kContention].count(0, 1);
  last_lookup_ = number;
  last_lookup_at_ = now;
}

void StreamCoverage::responded(unsigned number, const mmu::WalkResponse& response, Cycle now) {
  Walk& walk = walk_of(number);
  const mmu::Outcome& outcome = response.outcome;
  const Cycle entered = walk.taken_at + 1 + response.cycles;
  settle(walk, kReady, kRespond, entered);
  leave_queue(responses_left_, 1, entered, now);
  for (unsigned row = 0; row < kHitRows; ++row) {
    if ((walk.hits >> row & 1) != 0) {
      tables_[kHits].count(row, static_cast<std::size_t>(outcome.kind));
    }
  }
  const auto rule = std::ranges::find(kRights, outcome.reason);
  if (rule != kRights.end()) {
    const auto row = static_cast<std::size_t>(rule - kRights.begin());
    if ((walk.hits & kCombinedHits) != 0) tables_[kRestarts].count(row, 0);
    if ((walk.hits & ~kCombinedHits) != 0) tables_[kRestarts].count(row, 1);
  }
  if (walk.hits != 0 && outcome.kind == OutcomeKind::kTranslated) {
    tables_[kPages].count(index_of(outcome.guest_page_size), index_of(outcome.ept_page_size));
  }
  walks_.erase(walks_.begin() + (&walk - walks_.data()));
}

void StreamCoverage::invalidated(InvalidationKind kind, Cycle now) {
  CoverageTable& table = tables_[kInvalidations];
  const auto row = static_cast<std::size_t>(kind);
  if (walks_.size() < slots_) table.count(row, kIdle);
  for (Walk& walk : walks_) {
    if (walk.waiting) {
      table.count(row, kWait);
    } else {
      walk.met.emplace_back(kind, now);
    }
  }
}

}  // namespace eptsim::tb
