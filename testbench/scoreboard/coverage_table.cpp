#include "testbench/scoreboard/coverage_table.hpp"

#include "testbench/scoreboard/difference.hpp"

namespace eptsim::tb {

namespace {

constexpr unsigned kLevels = 6;

}  // namespace

// The access itself is no entry, and in no HLAT table.
CoverageTable failed_swap_table() {
  std::vector<std::string> places;
  for (const bool hlat : {false, true}) {
    for (std::uint8_t guest = hlat ? 1 : 0; guest < kLevels; ++guest) {
      for (std::uint8_t ept = guest == 0 ? 1 : 0; ept < kLevels; ++ept) {
        places.push_back(name(mmu::Place{guest, ept, hlat}));
      }
    }
  }
  return {"swaps that failed", std::move(places), {"at all"}};
}

std::size_t failed_swap_row(mmu::Place place) {
  const std::size_t before = place.hlat ? kLevels * (kLevels - 1) : 0;
  return before + place.guest_level * kLevels + place.ept_level - 1;
}

}  // namespace eptsim::tb
