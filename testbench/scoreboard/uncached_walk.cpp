#include "testbench/scoreboard/uncached_walk.hpp"

#include "mmu_model/walk/step_service.hpp"

namespace eptsim::tb {

void TrialMemory::write64(arch::Hpa address, std::uint64_t value) {
  before_.push_back({address.value(), memory_.read64(address)});
  memory_.write64(address, value);
}

std::uint64_t TrialMemory::compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                              std::uint64_t desired) {
  const std::uint64_t found = memory_.read64(address);
  if (found == expected) write64(address, desired);
  return found;
}

void TrialMemory::undo() {
  for (; !before_.empty(); before_.pop_back()) {
    memory_.write64(arch::Hpa(before_.back().address), before_.back().value);
  }
}

UncachedWalk walk_uncached(const mmu::WalkContext& context, const mmu::Request& request,
                           SparseMemory& memory, Footprint& footprint) {
  using mmu::LookupKind;
  using mmu::StepKind;
  footprint.reads.clear();
  footprint.guest_pages.clear();
  UncachedWalk result;
  TrialMemory trial(memory);
  // It asks for each guest-physical address, and is told nothing.
  mmu::Walk walk(context, request, mmu::Walk::Lookups::kAsked);
  mmu::Answer answer;
  for (mmu::Step step = walk.next(answer); step.kind != StepKind::kDone; step = walk.next(answer)) {
    answer = {};
    if (step.kind == StepKind::kLookup) {
      if (step.lookup == LookupKind::kNestedTlb) footprint.guest_pages.push_back({step.key, 12});
      continue;
    }
    answer.value = mmu::serve(step, trial, result.recording);
    if (step.kind != StepKind::kRead) continue;
    const bool ept = step.place.ept_level != 0;
    footprint.reads.push_back({step.address & ~std::uint64_t{7}, ept});
    // A sub-page entry has no flags: whose ever are set in its word change it.
    if (step.place.spp_level != 0)
      footprint.reads.push_back({step.address & ~std::uint64_t{7}, true});
    // The last entry read is the leaf.
    if (ept && !footprint.guest_pages.empty()) {
      footprint.guest_pages.back().offset_bits = 12 + 9 * (step.place.ept_level - 1u);
    }
  }
  result.outcome = walk.outcome();
  result.pml_index = walk.pml_index();
  return result;
}

}  // namespace eptsim::tb
