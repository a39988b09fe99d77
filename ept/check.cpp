#include "ept/check.hpp"

#include <unordered_set>

#include "ept/table_tour.hpp"

namespace eptsim::ept {

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

class Checker {
 public:
  explicit Checker(const Settings& settings) : settings_(settings) {}

  void enter(const TouredTable& table) { mentioned_.insert(table.address.value()); }
  void leave(const TouredTable&) {}

  bool entry(const TouredEntry& entry) {
    const bool in_reach = entry.gpa.value() >> settings_.guest_physical_width() == 0;
    bool sound = true;
    for (const Rule rule : format::kRules) {
      if (in_reach && format::breaks(rule, entry.value, entry.level, settings_)) {
        report(kind_of(rule), entry);
        sound = false;
      }
    }
    if (entry.leaf) return false;
    mentioned_.insert(entry.target.value());
    if (entry.seen) {
      report(FindingKind::kTableUsedTwice, entry);
    } else if (!in_reach || !sound) {
      report(FindingKind::kUnreachableTable, entry);
    }
    return in_reach && sound;
  }

  std::vector<Finding> finish(std::span<const arch::Hpa> known_tables) {
    for (const arch::Hpa table : known_tables) {
      if (mentioned_.contains(table.value())) continue;
      findings_.push_back({FindingKind::kUnreachableTable, 0, table, 0, arch::Gpa(0)});
    }
    return std::move(findings_);
  }

 private:
  void report(FindingKind kind, const TouredEntry& entry) {
    findings_.push_back({kind, entry.level, entry.address, entry.value, entry.gpa});
  }

  const Settings& settings_;
  std::vector<Finding> findings_;
  std::unordered_set<std::uint64_t> mentioned_;
};

}  // namespace

std::string_view name(FindingKind kind) {
  switch (kind) {
    case FindingKind::kWriteWithoutRead: return "write_without_read";
    case FindingKind::kExecuteOnly: return "execute_only";
    case FindingKind::kPagingWriteWithoutRead: return "paging_write_without_read";
    case FindingKind::kReservedAddressBits: return "reserved_address_bits";
    case FindingKind::kReservedLowBits: return "reserved_low_bits";
    case FindingKind::kPageSizeNotSupported: return "page_size_not_supported";
    case FindingKind::kReservedPageAddressBits: return "reserved_page_address_bits";
    case FindingKind::kReservedMemoryType: return "reserved_memory_type";
    case FindingKind::kTableUsedTwice: return "table_used_twice";
    case FindingKind::kUnreachableTable: return "unreachable_table";
  }
  return "?";
}

std::string_view explain(FindingKind kind) {
  switch (kind) {
    case FindingKind::kWriteWithoutRead: return "WRITE is set without READ (SDM 31.3.3.1)";
    case FindingKind::kExecuteOnly:
      return "execute is allowed without READ, and the processor has no execute-only pages "
             "(SDM 31.3.3.1)";
    case FindingKind::kPagingWriteWithoutRead:
      return "PAGING_WRITE_ACCESS is set without READ under EPT paging-write control "
             "(SDM 31.3.3.1)";
    case FindingKind::kReservedAddressBits:
      return "an address bit at or above MAXPHYADDR is set (SDM 31.3.3.1)";
    case FindingKind::kReservedLowBits:
      return "a reserved bit of 7:3 is set in an entry that refers to a table (SDM 31.3.2)";
    case FindingKind::kPageSizeNotSupported:
      return "the entry maps a page of a size that the processor does not have (SDM 31.3.2)";
    case FindingKind::kReservedPageAddressBits:
      return "an address bit below the large page's alignment is set (SDM 31.3.2)";
    case FindingKind::kReservedMemoryType:
      return "the memory type is reserved: 2, 3 or 7 (SDM 31.3.7)";
    case FindingKind::kTableUsedTwice:
      return "another entry, or the EPTP, refers to the same table (SDM 31.3.2)";
    case FindingKind::kUnreachableTable: return "no walk gets to the table (SDM 31.3.2)";
  }
  return "?";
}

std::vector<Finding> check(const arch::PhysicalMemory& memory, std::uint64_t eptp,
                           const Settings& settings, std::span<const arch::Hpa> known_tables) {
  const TouredTable root = root_of(eptp, settings);
  Settings of_image = settings;
  of_image.depth = root.level;
  Checker checker(of_image);
  TableTour(memory, of_image, checker).run(root);
  return checker.finish(known_tables);
}

}  // namespace eptsim::ept
