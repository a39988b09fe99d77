#include "ept/entry_format.hpp"

namespace eptsim::ept::format {

using namespace arch::ept_entry;

bool breaks(Rule rule, std::uint64_t entry, unsigned level, const Settings& settings) {
  const bool leaf = maps_page(entry, level);
  switch (rule) {
    case Rule::kWriteWithoutRead: return kWrite.any(entry) && !kRead.any(entry);
    case Rule::kExecuteOnly:
      return !settings.execute_only && !kRead.any(entry) &&
             (kExecute.any(entry) || (settings.mode_based_execute && kUserExecute.any(entry)));
    case Rule::kPagingWriteWithoutRead:
      return settings.paging_write && leaf && kPagingWriteAccess.any(entry) && !kRead.any(entry);
    case Rule::kReservedAddressBits:
      return (entry & kAddress.mask() & ~settings.address_mask()) != 0;
    case Rule::kReservedLowBits:
      if (leaf) return false;
      return (level >= 4 ? arch::BitField{7, 3} : arch::BitField{6, 3}).any(entry);
    case Rule::kPageSizeNotSupported:
      return leaf && !supports(arch::page_of_level(level), settings);
    case Rule::kReservedPageAddressBits:
      return leaf && (entry & settings.address_mask() & (coverage(level) - 1)) != 0;
    case Rule::kReservedMemoryType:
      return leaf && !arch::is_valid_ept_memory_type(kMemoryType.get(entry));
  }
  return false;
}

std::optional<Rule> broken_rule(std::uint64_t entry, unsigned level, const Settings& settings) {
  for (const Rule rule : kRules) {
    if (breaks(rule, entry, level, settings)) return rule;
  }
  return std::nullopt;
}

}  // namespace eptsim::ept::format
