#pragma once

#include <unordered_set>

#include "ept/arch/physical_memory.hpp"
#include "ept/entry_format.hpp"

/// A way through all tables of an image, in ascending order of guest-physical address, that ends
/// even if they refer to one another in a circle. For `check` and the dumps.
namespace eptsim::ept {

struct TouredTable {
  unsigned level;
  arch::Hpa address;
  arch::Gpa gpa;  ///< first address that it covers
};

/// A present entry.
struct TouredEntry {
  unsigned level;
  unsigned index;
  arch::Hpa address;
  std::uint64_t value;
  arch::Gpa gpa;     ///< first address that it covers
  bool leaf;         ///< it maps a page
  arch::Hpa target;  ///< the page or the table
  bool seen;         ///< an earlier entry, or the EPTP, refers to the same table
};

/// The root table and the depth that an EPTP names.
inline TouredTable root_of(std::uint64_t eptp, const Settings& settings) {
  return {static_cast<unsigned>(arch::eptp::kWalkLength.get(eptp)) + 1,
          arch::Hpa(eptp & settings.address_mask()), arch::Gpa(0)};
}

/// Calls `visitor.enter(table)`, then `visitor.entry(entry)` for each present entry, and
/// `visitor.leave(table)`. Goes down into the table of an entry that is not a leaf if `entry` said
/// so and the table was not seen before. A visitor that has `absent(entry)` gets the entries, too,
/// that are not present and not zero.
template <class Visitor>
class TableTour {
 public:
  TableTour(const arch::PhysicalMemory& memory, const Settings& settings, Visitor& visitor)
      : memory_(memory), settings_(settings), visitor_(visitor) {}

  void run(const TouredTable& root) {
    seen_.insert(root.address.value());
    visit(root);
  }

 private:
  void visit(const TouredTable& table) {
    visitor_.enter(table);
    for (unsigned index = 0; index < arch::ept_entry::kEntriesPerTable; ++index) {
      const arch::Hpa address = table.address + 8 * index;
      const std::uint64_t value = memory_.read64(address);
      if (!format::is_present(value, settings_)) {
        if constexpr (requires(const TouredEntry& entry) { visitor_.absent(entry); }) {
          if (value != 0)
            visitor_.absent({table.level, index, address, value,
                             table.gpa + index * format::coverage(table.level), false, arch::Hpa(0),
                             false});
        }
        continue;
      }
      const bool leaf = format::maps_page(value, table.level);
      const arch::Hpa target = format::address(value, table.level, settings_);
      const bool seen = !leaf && !seen_.insert(target.value()).second;
      const TouredEntry entry{
          table.level, index,  address, value, table.gpa + index * format::coverage(table.level),
          leaf,        target, seen};
      if (visitor_.entry(entry) && !leaf && !seen) visit({table.level - 1, target, entry.gpa});
    }
    visitor_.leave(table);
  }

  const arch::PhysicalMemory& memory_;
  const Settings& settings_;
  Visitor& visitor_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace eptsim::ept
