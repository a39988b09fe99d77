#include "sim/walk/oracle_engine.hpp"

#include "ept/arch/guest_entry.hpp"
#include "mmu_model/walk/guest_rules.hpp"
#include "testbench/oracle_adapter.hpp"

namespace eptsim::sim {

OracleEngine::OracleEngine(const mmu::Context& context, arch::PhysicalMemory& memory)
    : context_(context),
      state_(tb::state_of(context)),
      memory_{.read64 = [&memory](std::uint64_t at) { return memory.read64(arch::Hpa(at)); },
              .write64 = [&memory](std::uint64_t at,
                                   std::uint64_t value) { memory.write64(arch::Hpa(at), value); }} {
}

void OracleEngine::answer(const mmu::Request& request, WalkAnswer& answer) {
  const oracle::Result result = oracle::translate(state_, tb::access_of(request), memory_);
  answer.outcome = tb::outcome_of(result);
  answer.address = result.gva;
  answer.second.reset();
  if (result.second) answer.second = tb::outcome_of(*result.second);
  answer.recording = tb::recording_of(result);
  tell_guest_levels(request, answer.recording);
  answer.cycles = 0;
  answer.judged_only = true;
}

/// The oracle tells kind and level of each reference, but not which guest entry the EPT was walked
/// for: the one that is read next, or that would have been.
void OracleEngine::tell_guest_levels(const mmu::Request& request, mmu::Recording& recording) const {
  const auto first_level = static_cast<std::uint8_t>(request.linear ? context_.guest_levels : 0);
  const auto first_place = [&](std::uint64_t address) {
    const bool hlat =
        first_level != 0 && context_.hlat && (!context_.hlat_upper_half_only || address >> 63 != 0);
    return mmu::Place{.guest_level = first_level, .hlat = hlat};
  };
  mmu::Place next = first_place(request.address);
  bool access_reached = false;
  for (mmu::Reference& reference : recording.references) {
    mmu::Place& place = reference.place;
    if (place.spp_level != 0) continue;
    if (place.ept_level != 0) {
      if (place.ept_level == context_.ept_levels) {
        if (access_reached) next = first_place((request.address | 0xfff) + 1);  // the second page
        access_reached = next.guest_level == 0;
      }
      place.guest_level = next.guest_level;
      place.hlat = next.hlat;
      continue;
    }
    const unsigned level = place.guest_level;
    if (place.hlat && arch::guest_entry::kRestart.any(reference.value)) {
      next = {.guest_level = first_level};
    } else if (judge_guest_entry(context_, level, reference.value) == mmu::EntryKind::kPage) {
      next = {};
    } else {
      next = {.guest_level = static_cast<std::uint8_t>(level - 1), .hlat = place.hlat};
    }
  }
}

std::optional<std::string> OracleEngine::missing(const mmu::Request& request) const {
  return oracle::unsupported(state_, tb::access_of(request));
}

}  // namespace eptsim::sim
