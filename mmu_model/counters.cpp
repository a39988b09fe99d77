#include "mmu_model/counters.hpp"

namespace eptsim::mmu {
namespace {

void add(LevelCounts& to, const LevelCounts& more) {
  for (std::size_t level = 0; level < to.size(); ++level) to[level] += more[level];
}

}  // namespace

WalkerCounters& WalkerCounters::operator+=(const WalkerCounters& more) {
  walks += more.walks;
  references += more.references;
  guest_references += more.guest_references;
  ept_references += more.ept_references;
  add(served_by, more.served_by);
  flag_updates += more.flag_updates;
  log_restarts += more.log_restarts;
  cycles += more.cycles;
  guest_cycles += more.guest_cycles;
  ept_cycles += more.ept_cycles;
  for (const auto& [value, times] : more.latency) latency[value] += times;
  for (const auto& [value, times] : more.references_histogram) references_histogram[value] += times;
  for (std::size_t guest = 0; guest < matrix.size(); ++guest) {
    for (std::size_t level = 0; level < matrix[guest].size(); ++level) {
      PlaceCounters& place = matrix[guest][level];
      place.references += more.matrix[guest][level].references;
      place.cycles += more.matrix[guest][level].cycles;
      add(place.served_by, more.matrix[guest][level].served_by);
    }
  }
  for (std::size_t level = 0; level < combined.size(); ++level) {
    combined[level] += more.combined[level];
    ept[level] += more.ept[level];
  }
  nested_tlb += more.nested_tlb;
  return *this;
}

}  // namespace eptsim::mmu
