#include "ept/table_access.hpp"

#include <algorithm>

namespace eptsim::ept {

using arch::ept_entry::kEntriesPerTable;

void fill_table(arch::PhysicalMemory& memory, arch::Hpa table, const TableContent& content) {
  if (const auto view = memory.table_view(table); !view.empty()) {
    std::ranges::copy(content, view.begin());
    return;
  }
  for (unsigned index = 0; index < kEntriesPerTable; ++index) {
    memory.write64(table + 8 * index, content[index]);
  }
}

Slot TableAccess::find(arch::Hpa root, arch::Gpa gpa, unsigned lowest) const {
  arch::Hpa table = root;
  for (unsigned level = settings_.depth;; --level) {
    const arch::Hpa address = table + 8 * arch::table_index(gpa.value(), level);
    const std::uint64_t entry = memory_.read64(address);
    if (level == lowest || !is_table(entry, level)) return {address, level, entry};
    table = format::address(entry, level, settings_);
  }
}

bool TableAccess::is_empty(arch::Hpa table, unsigned level) const {
  for (unsigned index = 0; index < kEntriesPerTable; ++index) {
    const std::uint64_t entry = memory_.read64(table + 8 * index);
    if (!is_present(entry)) continue;
    if (format::maps_page(entry, level)) return false;
    if (!is_empty(format::address(entry, level, settings_), level - 1)) return false;
  }
  return true;
}

void TableAccess::take_out(const Slot& slot, arch::Gpa gpa, std::uint64_t replacement,
                           PendingInvalidation& pending) {
  const arch::Hpa table = format::address(slot.entry, slot.level, settings_);
  memory_.write64(slot.address, replacement);
  const std::uint64_t coverage = format::coverage(slot.level);
  pending.add(range_of(gpa.align_down(coverage), coverage));
  for_each_frame(table, slot.level - 1, [&](arch::Hpa frame) { pending.add_frame(frame); });
}

void TableAccess::fill(arch::Hpa table, unsigned first, unsigned count, std::uint64_t entry,
                       std::uint64_t stride) {
  const auto view = memory_.table_view(table);
  if (view.empty()) {
    TableContent content{};
    for (unsigned index = 0; index < count; ++index)
      content[first + index] = entry + index * stride;
    fill_table(memory_, table, content);
    return;
  }
  std::ranges::fill(view.first(first), 0);
  for (std::uint64_t& slot : view.subspan(first, count)) {
    slot = entry;
    entry += stride;
  }
  std::ranges::fill(view.subspan(first + count), 0);
}

}  // namespace eptsim::ept
