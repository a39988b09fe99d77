#pragma once

#include <array>
#include <cstdint>

#include "ept/arch/physical_memory.hpp"
#include "ept/entry_format.hpp"
#include "ept/pending_invalidation.hpp"

/// How the operations of ExtendedPageTable read and write tables: not for others.
namespace eptsim::ept {

using TableContent = std::array<std::uint64_t, arch::ept_entry::kEntriesPerTable>;

/// Writes a whole table that nothing refers to yet.
void fill_table(arch::PhysicalMemory& memory, arch::Hpa table, const TableContent& content);

/// An entry found on the way down.
struct Slot {
  arch::Hpa address;
  unsigned level;
  std::uint64_t entry;
};

class TableAccess {
 public:
  TableAccess(arch::PhysicalMemory& memory, const Settings& settings)
      : memory_(memory), settings_(settings) {}

  arch::PhysicalMemory& memory() const { return memory_; }

  bool is_present(std::uint64_t entry) const { return format::is_present(entry, settings_); }

  /// The entry for `gpa` at level `lowest`, or the one above it at which the way down ends because
  /// it is absent or maps a page.
  Slot find(arch::Hpa root, arch::Gpa gpa, unsigned lowest) const;

  /// Whether no page is mapped anywhere below the table.
  bool is_empty(arch::Hpa table, unsigned level) const;

  /// Hands the frames of the table and of all tables below it to `take`.
  template <class Take>
  void for_each_frame(arch::Hpa table, unsigned level, const Take& take) const {
    for (unsigned index = 0; level > 1 && index < arch::ept_entry::kEntriesPerTable; ++index) {
      const std::uint64_t entry = memory_.read64(table + 8 * index);
      if (is_table(entry, level)) {
        for_each_frame(format::address(entry, level, settings_), level - 1, take);
      }
    }
    take(table);
  }

  /// Takes the table below `slot` out: one store puts `replacement` there, and the frames are owed.
  void take_out(const Slot& slot, arch::Gpa gpa, std::uint64_t replacement,
                PendingInvalidation& pending);

  /// Writes a whole table that nothing refers to yet: `count` entries from `first` on that begin
  /// with `entry` and grow by `stride`; the others are zero.
  void fill(arch::Hpa table, unsigned first, unsigned count, std::uint64_t entry,
            std::uint64_t stride);

  /// Changes a present entry to `change(entry)`, although processors set flags in it at any moment.
  /// Returns the value that was replaced.
  template <class Change>
  std::uint64_t update(arch::Hpa address, const Change& change) {
    std::uint64_t expected = memory_.read64(address);
    for (;;) {
      const std::uint64_t desired = change(expected);
      if (desired == expected) return expected;
      const std::uint64_t found = memory_.compare_exchange64(address, expected, desired);
      if (found == expected) return expected;
      expected = found;
    }
  }

  /// A present entry that refers to a table.
  bool is_table(std::uint64_t entry, unsigned level) const {
    return is_present(entry) && !format::maps_page(entry, level);
  }

 private:
  arch::PhysicalMemory& memory_;
  const Settings& settings_;
};

}  // namespace eptsim::ept
