#include "testbench/scoreboard/flag_updates.hpp"

#include "ept/arch/bit_field.hpp"
#include "testbench/scoreboard/difference.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {

namespace {

constexpr unsigned kLevels = 6;
constexpr unsigned kNarrowLevels = 2;
/// Of guest and HLAT tables: all places but "the access itself", which is no entry, and in no HLAT
/// table.
constexpr unsigned kGuestRows = kLevels * kLevels - 1;
constexpr unsigned kNarrowRow = kGuestRows + (kLevels - 1) * kLevels;

enum Column : std::uint8_t { kAccessedSet, kAccessedFailed, kDirtySet, kDirtyFailed };

std::size_t row_of(const FlagUpdate& update) {
  const mmu::Place place = update.place;
  if (update.size == 4) return kNarrowRow + place.guest_level - 1;
  const std::size_t before = place.hlat ? kLevels * (kLevels - 1) : 0;
  return before + place.guest_level * kLevels + place.ept_level - 1;
}

}  // namespace

FlagUpdate flag_update_of(const mmu::MemoryRequest& swap, std::uint64_t found) {
  const bool guest = swap.place.is_guest_entry();
  const std::uint64_t sets = swap.desired & ~swap.expected;
  return {.place = swap.place,
          .size = swap.size,
          .accessed = (sets & (guest ? bits(5, 5) : bits(8, 8))) != 0,
          .dirty = (sets & (guest ? bits(6, 6) : bits(9, 9))) != 0,
          .failed = found != swap.expected};
}

CoverageTable flag_update_table() {
  std::vector<std::string> places;
  std::vector<unsigned> levels;
  for (const bool hlat : {false, true}) {
    for (std::uint8_t guest = hlat ? 1 : 0; guest < kLevels; ++guest) {
      for (std::uint8_t ept = guest == 0 ? 1 : 0; ept < kLevels; ++ept) {
        places.push_back(name(mmu::Place{guest, ept, hlat}));
        levels.push_back(ept == 0 ? guest : ept);
      }
    }
  }
  for (std::uint8_t level = 1; level <= kNarrowLevels; ++level) {
    places.push_back(name(mmu::Place{.guest_level = level}) + " of 4 bytes");
    levels.push_back(level);
  }
  CoverageTable table("flag updates", std::move(places),
                      {"accessed set", "accessed failed", "dirty set", "dirty failed"});
  for (std::size_t row = 0; row < levels.size(); ++row) {
    if (levels[row] <= 3) continue;
    for (const Column column : {kDirtySet, kDirtyFailed}) {
      table.impossible[table.bin(row, column)] = "no page is mapped above level 3";
    }
  }
  return table;
}

void count(CoverageTable& flag_updates, const FlagUpdate& update, unsigned times) {
  const std::size_t row = row_of(update);
  if (update.accessed) {
    flag_updates.count(row, update.failed ? kAccessedFailed : kAccessedSet, times);
  }
  if (update.dirty) flag_updates.count(row, update.failed ? kDirtyFailed : kDirtySet, times);
}

}  // namespace eptsim::tb
