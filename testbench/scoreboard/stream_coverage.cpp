#include "testbench/scoreboard/stream_coverage.hpp"

#include <algorithm>
#include <iterator>

#include "testbench/scoreboard/coverage.hpp"
#include "testbench/scoreboard/difference.hpp"
#include "testbench/stimulus/entry_layout.hpp"

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

/// Columns of kTold.
enum Cache : std::uint8_t { kCombined, kNestedTlb, kEptStructures };

/// Column of kScopes.
constexpr std::size_t kAllOfThem = 0;

/// The lowest level of which a page of guest tables has no paging-write access; 0 if all have it.
unsigned unverified_level(const mmu::Recording& walk) {
  constexpr std::uint64_t kPagingWrite = bits(58, 58);
  unsigned lowest = 0;
  std::uint64_t leaf = 0;  // the last entry of the EPT before a guest entry
  for (const mmu::Reference& reference : walk.references) {
    const unsigned level = reference.place.guest_level;
    if (!reference.place.is_guest_entry()) {
      leaf = reference.value;
    } else if ((leaf & kPagingWrite) == 0) {
      lowest = level;
    }
  }
  return lowest;
}

}  // namespace

StreamCoverage::StreamCoverage(const mmu::WalkerConfiguration& configuration)
    : slots_(configuration.walks),
      combined_(configuration.has_combined()),
      guest_physical_(configuration.has_guest_physical()) {
  declare_hits(configuration);
  declare_restarts(configuration);
  declare_slots();
  declare_told(configuration);
  declare_scopes(configuration);
  tables_[kFlagUpdates] = flag_update_table();
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

/// Entries that a hit spares are not read: what they say of rights is known from the hit alone.
void StreamCoverage::declare_told(const mmu::WalkerConfiguration& configuration) {
  std::vector<std::string> rules;
  for (const Reason reason : kRights) rules.emplace_back(tb::name(reason));
  CoverageTable& table = tables_[kTold] = CoverageTable(
      "refusals for what a hit held", rules, {"combined", "nested TLB", "EPT structures"});
  for (std::size_t row = 0; row < kRights.size(); ++row) {
    const auto impossible = [&](Cache cache) -> std::string_view& {
      return table.impossible[table.bin(row, cache)];
    };
    switch (kRights[row]) {
      case Reason::kGuestNotWritable:
      case Reason::kGuestSupervisorPage:
      case Reason::kGuestExecuteDisable:
      case Reason::kEptNotWritable: break;
      case Reason::kEptPagingVerification:
        impossible(kEptStructures) = "the leaf asks for it, and was read";
        break;
      case Reason::kEptNotReadable:
        impossible(kCombined) = "of a table that may not be read nothing is cached";
        break;
      case Reason::kEptNotExecutable:
      case Reason::kEptShadowStack:
        impossible(kCombined) =
            "it knows what EPT says of tables, which nobody fetches or pushes to";
        break;
      default: impossible(kCombined) = "the leaf is named, which was read"; break;
    }
    if (kRights[row] < Reason::kEptNotPresent) {
      impossible(kNestedTlb) = impossible(kEptStructures) = "it knows no rights of the guest";
    }
    if (!configuration.has_combined()) impossible(kCombined) = kNoSuchCache;
    if (!configuration.has_guest_physical()) {
      impossible(kNestedTlb) = impossible(kEptStructures) = kNoSuchCache;
    }
  }
}

void StreamCoverage::declare_scopes(const mmu::WalkerConfiguration& configuration) {
  CoverageTable& table = tables_[kScopes] =
      CoverageTable("scopes of invalidations", {"linear", "combined", "guest-physical"},
                    {"all", "VPID", "but VPID 0", "PCID", "EPTRTA", "linear address",
                     "structures of it alone", "guest-physical address"});
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const bool there = row == 2 ? configuration.has_guest_physical() : configuration.has_combined();
    if (there) continue;
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
      table.impossible[table.bin(row, column)] = kNoSuchCache;
    }
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
  CoverageTable& table = tables_[kPages] = page_table("translations that a hit helped");
  table.impossible[table.bin(0, 0)] = "without paging and EPT nothing is looked up";
  table.impossible[table.bin(4, 0)] =
      "a page of 4 MiB is mapped by the PDE, and 32-bit paging has no cache above it";
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
      const bool asked = (row != 0 && configuration.has_combined()) ||
                         (column != 0 && configuration.has_guest_physical());
      if (!asked && row + column != 0) table.impossible[table.bin(row, column)] = kNoSuchCache;
    }
  }
}

void StreamCoverage::begin(bool counted) {
  counted_ = counted ? 1 : 0;
  walks_.clear();
  memory_left_.clear();
  responses_left_.clear();
  last_lookup_at_ = mmu::kNever;
}

StreamCoverage::Walk& StreamCoverage::walk_of(unsigned number) {
  return *std::ranges::find(walks_, number, &Walk::number);
}

void StreamCoverage::request_held_up() { count(kBusySlots, 0, slots_); }

void StreamCoverage::request_taken(unsigned walk, Cycle now) {
  count(kBusySlots, 0, walks_.size());
  // If its first step needs no look-up and finds the engine free.
  walks_.push_back({.number = walk, .taken_at = now, .issued_at = now + 2});
}

/// For what is not yet known: the slot was in state `before` up to the cycle `since`, and then in
/// state `after`.
void StreamCoverage::settle(Walk& walk, State before, State after, Cycle since) {
  for (const auto& [kind, cycle] : walk.met) {
    count(kInvalidations, static_cast<std::size_t>(kind), cycle >= since ? after : before);
  }
  walk.met.clear();
}

/// Counts the place that was taken on entering: one behind each that left since.
void StreamCoverage::leave_queue(std::deque<Cycle>& queue, std::size_t row, Cycle entered,
                                 Cycle now) {
  const auto ahead = static_cast<std::size_t>(
      std::ranges::count_if(queue, [&](Cycle left) { return left >= entered; }));
  count(kQueues, row, std::min<std::size_t>(ahead, slots_ - 1));
  queue.push_back(now);
  if (queue.size() > slots_) queue.pop_front();
}

void StreamCoverage::memory_taken(unsigned number, Cycle now) {
  Walk& walk = walk_of(number);
  settle(walk, kReady, kIssue, walk.issued_at);
  leave_queue(memory_left_, 0, walk.issued_at, now);
  walk.waiting = true;
}

void StreamCoverage::flags_updated(const FlagUpdate& update) {
  tb::count(tables_[kFlagUpdates], update, counted_);
}

void StreamCoverage::answered(unsigned number, bool active, Cycle now) {
  Walk& walk = walk_of(number);
  walk.waiting = false;
  walk.issued_at = now + 1;
  if (active) count(kContention, 0, 0);
}

void StreamCoverage::looked_up(unsigned number, const mmu::CacheLookup& lookup, Cycle now) {
  Walk& walk = walk_of(number);
  settle(walk, kReady, kReady, now);
  walk.issued_at = now + 1;
  if (lookup.combined) {
    walk.combined_level = lookup.combined_level;
  } else {
    walk.last = lookup;
  }
  const auto hit = [&walk](unsigned row) {
    walk.hits = static_cast<std::uint16_t>(walk.hits | 1u << row);
  };
  if (lookup.combined_level >= 2) hit(kCombinedRow + lookup.combined_level - 2);
  if (lookup.nested_level >= 1) hit(kNestedRow + lookup.nested_level - 1);
  if (lookup.ept_level >= 2) hit(kEptRow + lookup.ept_level - 2);
  // A look-up is never a walk's first step: who makes one now was ready when the other made its
  // own.
  if (last_lookup_at_ + 1 == now && last_lookup_ != number) count(kContention, 0, 1);
  last_lookup_ = number;
  last_lookup_at_ = now;
}

/// Whether the entry that refused, the uppermost that lacks the right, is one that a hit spared.
void StreamCoverage::count_told(const Walk& walk, const mmu::Outcome& outcome,
                                const mmu::Recording& expected) {
  const auto row =
      static_cast<std::size_t>(std::ranges::find(kRights, outcome.reason) - kRights.begin());
  const unsigned guest_level = outcome.place.guest_level;
  switch (outcome.reason) {
    case Reason::kGuestNotWritable:
    case Reason::kGuestSupervisorPage:
    case Reason::kGuestExecuteDisable:
      if (walk.combined_level != 0 && guest_level >= walk.combined_level) {
        count(kTold, row, kCombined);
      }
      return;
    case Reason::kEptPagingVerification:
      if (walk.combined_level != 0 && unverified_level(expected) + 1 >= walk.combined_level) {
        count(kTold, row, kCombined);
      }
      if (walk.last.nested_level != 0) count(kTold, row, kNestedTlb);
      return;
    case Reason::kEptNotWritable:
      // The page of the entry that is read first after the hit.
      if (guest_level != 0 && guest_level + 1 == walk.combined_level) {
        count(kTold, row, kCombined);
        return;
      }
      break;
    case Reason::kEptNotReadable:
    case Reason::kEptNotExecutable:
    case Reason::kEptShadowStack: break;
    default: return;
  }
  if (walk.last.nested_level != 0) count(kTold, row, kNestedTlb);
  if (walk.last.ept_level != 0 && outcome.place.ept_level >= walk.last.ept_level) {
    count(kTold, row, kEptStructures);
  }
}

void StreamCoverage::responded(unsigned number, const mmu::WalkResponse& response,
                               const mmu::Recording* expected, Cycle now) {
  Walk& walk = walk_of(number);
  const mmu::Outcome& outcome = response.outcome;
  const Cycle entered = walk.taken_at + 1 + response.cycles;
  settle(walk, kReady, kRespond, entered);
  leave_queue(responses_left_, 1, entered, now);
  for (unsigned row = 0; row < kHitRows; ++row) {
    if ((walk.hits >> row & 1) == 0) continue;
    count(kHits, row, static_cast<std::size_t>(outcome.kind));
  }
  const auto rule = std::ranges::find(kRights, outcome.reason);
  if (rule != kRights.end()) {
    const auto row = static_cast<std::size_t>(rule - kRights.begin());
    if ((walk.hits & kCombinedHits) != 0) count(kRestarts, row, 0);
    if ((walk.hits & ~kCombinedHits) != 0) count(kRestarts, row, 1);
  }
  if (expected != nullptr) {
    count_told(walk, outcome, *expected);
    // After a hit on what memory no longer says, the walk may have begun again, and found any page.
    if (walk.hits != 0 && outcome.kind == OutcomeKind::kTranslated) {
      count_pages(tables_[kPages], outcome, counted_);
    }
  }
  walks_.erase(walks_.begin() + (&walk - walks_.data()));
}

void StreamCoverage::invalidated(InvalidationKind kind, const mmu::InvalidationScope& scope,
                                 Mappings held, Cycle now) {
  const std::array<bool, 3> sweeps{
      combined_ && scope.linear_mappings && held.linear,
      combined_ && scope.combined_mappings && held.combined,
      guest_physical_ && scope.guest_physical_mappings && held.guest_physical};
  const std::array<bool, 8> narrowed{false,
                                     scope.vpid.has_value(),
                                     scope.keep_vpid_zero,
                                     scope.pcid.has_value(),
                                     scope.ept_root.has_value(),
                                     scope.linear && !scope.structures_of_address_alone,
                                     scope.linear && scope.structures_of_address_alone,
                                     scope.gpa.has_value()};
  for (std::size_t swept = 0; swept < sweeps.size(); ++swept) {
    if (!sweeps[swept]) continue;
    if (std::ranges::count(narrowed, true) == 0) count(kScopes, swept, kAllOfThem);
    for (std::size_t how = 1; how < narrowed.size(); ++how) {
      if (narrowed[how]) count(kScopes, swept, how);
    }
  }

  const auto row = static_cast<std::size_t>(kind);
  if (walks_.size() < slots_) count(kInvalidations, row, kIdle);
  for (Walk& walk : walks_) {
    if (walk.waiting) {
      count(kInvalidations, row, kWait);
    } else {
      walk.met.emplace_back(kind, now);
    }
  }
}

}  // namespace eptsim::tb
