#include "ept/check.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>
#include <utility>

#include "ept/table_tour.hpp"

namespace eptsim::ept {

using namespace arch::ept_entry;
using format::Rule;

namespace {

FindingKind kind_of(Rule rule) {
  switch (rule) {
    case Rule::kWriteWithoutRead: return FindingKind::kWriteWithoutRead;
    case Rule::kExecuteOnly: return FindingKind::kExecuteOnly;
    case Rule::kPagingWriteWithoutRead: return FindingKind::kPagingWriteWithoutRead;
    case Rule::kReservedAddressBits: return FindingKind::kReservedAddressBits;
    case Rule::kReservedLowBits: return FindingKind::kReservedLowBits;
    case Rule::kPageSizeNotSupported: return FindingKind::kPageSizeNotSupported;
    case Rule::kReservedPageAddressBits: return FindingKind::kReservedPageAddressBits;
    case Rule::kReservedMemoryType: return FindingKind::kReservedMemoryType;
  }
  return FindingKind::kReservedLowBits;
}

/// The bits of an entry that are set and break the rule; of the memory type all three.
std::uint64_t broken_bits(Rule rule, const TouredEntry& entry, const Settings& settings) {
  switch (rule) {
    case Rule::kWriteWithoutRead: return kWrite.mask();
    case Rule::kExecuteOnly: return entry.value & (kExecute.mask() | kUserExecute.mask());
    case Rule::kPagingWriteWithoutRead: return kPagingWriteAccess.mask();
    case Rule::kReservedAddressBits:
      return entry.value & kAddress.mask() & ~settings.address_mask();
    case Rule::kReservedLowBits:
      return entry.value &
             arch::BitField{static_cast<std::uint8_t>(entry.level >= 4 ? 7 : 6), 3}.mask();
    case Rule::kPageSizeNotSupported: return kPageSize.mask();
    case Rule::kReservedPageAddressBits:
      return entry.value & settings.address_mask() & (format::coverage(entry.level) - 1);
    case Rule::kReservedMemoryType: return kMemoryType.mask();
  }
  return 0;
}

/// Pages of one table that follow one another in guest- and host-physical memory alike.
struct PageRun {
  arch::Gpa gpa;
  arch::Hpa hpa;
  arch::Hpa entry_address;  ///< of the first
  std::uint64_t value;      ///< of the first
  std::uint64_t pages;
  unsigned level;
  bool writable;  ///< by every entry of the walk

  std::uint64_t page_bytes() const { return format::coverage(level); }
  arch::Hpa end() const { return hpa + pages * page_bytes(); }
  std::uint64_t memory_type() const { return kMemoryType.get(value); }
  bool continues_with(const TouredEntry& next, bool next_writable) const {
    return next.level == level && next.address == entry_address + 8 * pages &&
           next.value == value + pages * page_bytes() && next_writable == writable;
  }
};

class Surveyor {
 public:
  Surveyor(const Settings& settings, const SurveyScope& scope)
      : settings_(settings), scope_(scope) {
    last_.fill(kNone);
  }

  /// Whether there is a root to begin with.
  bool begin(const TouredTable& root, std::uint64_t eptp) {
    uses_.emplace(root.address.value(), Use{std::nullopt, root.level + 1});
    if (holds(root.address)) return true;
    report({FindingKind::kTableOutsideMemory, 0, root.address, eptp, arch::Gpa(0),
            settings_.address_mask()});
    return false;
  }

  void enter(const TouredTable& table) {
    ++survey_.tables;
    path_.push_back({table.address, rights_below_});
  }
  void leave(const TouredTable&) { path_.pop_back(); }

  bool entry(const TouredEntry& entry) {
    if (stopped(entry.gpa)) return false;
    const bool in_reach = entry.gpa.value() >> settings_.guest_physical_width() == 0;
    bool sound = true;
    for (const Rule rule : format::kRules) {
      if (in_reach && format::breaks(rule, entry.value, entry.level, settings_)) {
        report(kind_of(rule), entry, broken_bits(rule, entry, settings_));
        sound = false;
      }
    }
    const std::uint64_t rights = path_.back().rights & entry.value & Permission::mask();
    if (entry.leaf) {
      ++survey_.pages;
      if (scope_.oddities) examine_page(entry, rights, in_reach, sound);
      return false;
    }
    const auto [use, is_first] =
        uses_.try_emplace(entry.target.value(), Use{entry.address, entry.level});
    if (!is_first) {
      report(kind_of_second_use(entry, use->second), entry, settings_.address_mask(),
             use->second.entry);
    } else if (!in_reach || !sound) {
      report(FindingKind::kUnreachableTable, entry, settings_.address_mask());
    } else if (!holds(entry.target)) {
      report(FindingKind::kTableOutsideMemory, entry, settings_.address_mask());
      return false;
    }
    rights_below_ = rights;
    return in_reach && sound;
  }

  /// An entry that is not present, and not zero.
  void absent(const TouredEntry& entry) {
    const std::uint64_t bits = entry.value & ~kSuppressVe.mask();
    if (!scope_.oddities || bits == 0 || stopped(entry.gpa)) return;
    report(FindingKind::kBitsInAbsentEntry, entry, bits);
  }

  Survey finish() {
    if (scope_.oddities) {
      find_writable_tables();
      find_memory_types_that_differ();
    }
    std::ranges::stable_sort(survey_.findings, {}, &Finding::gpa);
    for (const arch::Hpa table : scope_.known_tables) {
      if (uses_.contains(table.value())) continue;
      survey_.findings.push_back({FindingKind::kUnreachableTable, 0, table, 0, arch::Gpa(0)});
    }
    return std::move(survey_);
  }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  /// Who refers to a table first: an entry of a level or, as if one level above the root, the EPTP.
  struct Use {
    std::optional<arch::Hpa> entry;
    unsigned level;
  };
  struct Step {
    arch::Hpa table;
    std::uint64_t rights;  ///< that the entries above the table have in common
  };

  bool holds(arch::Hpa table) const {
    return !scope_.holds || (scope_.holds(table) && scope_.holds(table + (kTableBytes - 8)));
  }

  bool stopped(arch::Gpa gpa) {
    if (survey_.stopped_at) return true;
    if (uses_.size() <= scope_.most_tables && survey_.findings.size() < scope_.most_findings &&
        runs_.size() < scope_.most_runs) {
      return false;
    }
    survey_.stopped_at = gpa;
    return true;
  }

  FindingKind kind_of_second_use(const TouredEntry& entry, const Use& first) const {
    const bool above = std::ranges::find(path_, entry.target, &Step::table) != path_.end();
    if (above) return FindingKind::kTableCycle;
    return first.level == entry.level ? FindingKind::kTableUsedTwice
                                      : FindingKind::kTableAtTwoLevels;
  }

  void examine_page(const TouredEntry& entry, std::uint64_t rights, bool in_reach, bool sound) {
    if (!in_reach) return report(FindingKind::kPageOutOfReach, entry, 0);
    if (settings_.accessed_dirty && kDirty.any(entry.value) && !kAccessed.any(entry.value)) {
      report(FindingKind::kDirtyWithoutAccessed, entry, kDirty.mask());
    }
    if (!sound) return;
    if (!format::is_present(rights, settings_)) {
      return report(FindingKind::kNoAccess, entry, entry.value & Permission::mask());
    }
    const bool writable = kWrite.any(rights);
    if (!runs_.empty() && runs_.back().continues_with(entry, writable)) {
      ++runs_.back().pages;
    } else {
      runs_.push_back(
          {entry.gpa, entry.target, entry.address, entry.value, 1, entry.level, writable});
    }
  }

  void find_writable_tables() {
    std::vector<std::uint64_t> tables;
    for (const auto& [table, use] : uses_) {
      if (holds(arch::Hpa(table))) tables.push_back(table);
    }
    std::ranges::sort(tables);
    for (const PageRun& run : runs_) {
      if (!run.writable) continue;
      auto table = std::ranges::lower_bound(tables, run.hpa.value());
      while (table != tables.end() && *table < run.end().value() && room()) {
        const std::uint64_t page = (*table - run.hpa.value()) / run.page_bytes();
        report_pages(FindingKind::kTablesWritable, run, page, 1, kWrite.mask(), arch::Hpa(*table));
        table =
            std::lower_bound(table, tables.end(), run.hpa.value() + (page + 1) * run.page_bytes());
      }
    }
  }

  /// Goes through the pages by host-physical address, and remembers for each memory type the run
  /// that reaches furthest.
  void find_memory_types_that_differ() {
    std::ranges::stable_sort(runs_, {}, &PageRun::hpa);
    std::array<const PageRun*, 8> furthest{};
    for (const PageRun& run : runs_) {
      for (const PageRun* other : furthest) {
        if (other == nullptr || other->memory_type() == run.memory_type() ||
            other->end() <= run.hpa || !room()) {
          continue;
        }
        const std::uint64_t shared = std::min(other->end(), run.end()) - run.hpa;
        const std::uint64_t pages = (shared + run.page_bytes() - 1) / run.page_bytes();
        const std::uint64_t in_other = (run.hpa - other->hpa) / other->page_bytes();
        report_pages(FindingKind::kMemoryTypesDiffer, run, 0, pages, kMemoryType.mask(),
                     other->entry_address + 8 * in_other);
      }
      const PageRun*& of_type = furthest.at(run.memory_type());
      if (of_type == nullptr || of_type->end() < run.end()) of_type = &run;
    }
  }

  /// Whether another finding may be kept; if not, the survey has no end.
  bool room() {
    if (survey_.findings.size() < scope_.most_findings) return true;
    if (!survey_.stopped_at) survey_.stopped_at = arch::Gpa(0);
    return false;
  }

  void report_pages(FindingKind kind, const PageRun& run, std::uint64_t first, std::uint64_t pages,
                    std::uint64_t bits, arch::Hpa other) {
    report({kind, run.level, run.entry_address + 8 * first, run.value + first * run.page_bytes(),
            run.gpa + first * run.page_bytes(), bits, pages, other});
  }

  void report(FindingKind kind, const TouredEntry& entry, std::uint64_t bits,
              std::optional<arch::Hpa> other = std::nullopt) {
    report({kind, entry.level, entry.address, entry.value, entry.gpa, bits, 1, other});
  }

  /// Adds the finding to the last of its kind, if the entry follows the entries of that one.
  void report(const Finding& finding) {
    std::size_t& last = last_.at(static_cast<std::size_t>(finding.kind));
    if (last != kNone) {
      Finding& before = survey_.findings[last];
      const bool any_bits = finding.kind == FindingKind::kBitsInAbsentEntry;
      if (before.level == finding.level && finding.level != 0 &&
          finding.entry_address == before.entry_address + 8 * before.entries &&
          finding.gpa == before.gpa + before.entries * format::coverage(before.level) &&
          (any_bits || finding.bits == before.bits)) {
        before.entries += finding.entries;
        before.bits |= finding.bits;
        return;
      }
    }
    last = survey_.findings.size();
    survey_.findings.push_back(finding);
  }

  const Settings& settings_;
  const SurveyScope& scope_;
  Survey survey_;
  std::vector<Step> path_;
  std::uint64_t rights_below_ = Permission::mask();
  std::unordered_map<std::uint64_t, Use> uses_;  ///< by table
  std::vector<PageRun> runs_;
  std::array<std::size_t, kFindingKinds> last_{};  ///< place of the last finding of each kind
};

}  // namespace

Survey survey(const arch::PhysicalMemory& memory, std::uint64_t eptp, const Settings& settings,
              const SurveyScope& scope) {
  const TouredTable root = root_of(eptp, settings);
  Settings of_image = settings;
  of_image.depth = root.level;
  of_image.accessed_dirty = arch::eptp::kAccessedDirty.any(eptp);
  Surveyor surveyor(of_image, scope);
  if (surveyor.begin(root, eptp)) TableTour(memory, of_image, surveyor).run(root);
  return surveyor.finish();
}

std::vector<Finding> check(const arch::PhysicalMemory& memory, std::uint64_t eptp,
                           const Settings& settings, std::span<const arch::Hpa> known_tables) {
  constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();
  return survey(memory, eptp, settings,
                {.known_tables = known_tables,
                 .most_tables = kAny,
                 .most_findings = kAny,
                 .most_runs = kAny})
      .findings;
}

}  // namespace eptsim::ept
