#pragma once

#include <utility>

#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// Calls `use(member...)` with all members of what a run measures, in one place: a member that is
/// added, and not here, doesn't compile. Result: RunResult, const or not.
template <class Result, class Use>
void with_result_members(Result& result, Use&& use) {
  auto& [translated, accesses, instructions, cycles, replayed, cycles_by, events, l1i, l1d, l2,
         replayed_lookups, walker, caches, walk_queue, guest_page_faults, ept_violations,
         ept_misconfigurations, shadow_exits, guest_merging, hypervisor_merging, dirty_log,
         dirty_rounds, exits, shootdowns, page_bytes, guest_mapped, ept_mapped, shadow_mapped,
         guest_no_large_frame, host_no_large_frame, guest_table_bytes, ept_table_bytes,
         host_map_bytes, shadow_table_bytes, memory_hash, hot_pages, hot_instructions,
         forgotten_page_cycles, forgotten_instruction_cycles, timeline, stale, cores, sampling,
         partial, error, mismatch] = result;
  std::forward<Use>(use)(
      translated, accesses, instructions, cycles, replayed, cycles_by, events, l1i, l1d, l2,
      replayed_lookups, walker, caches, walk_queue, guest_page_faults, ept_violations,
      ept_misconfigurations, shadow_exits, guest_merging, hypervisor_merging, dirty_log,
      dirty_rounds, exits, shootdowns, page_bytes, guest_mapped, ept_mapped, shadow_mapped,
      guest_no_large_frame, host_no_large_frame, guest_table_bytes, ept_table_bytes, host_map_bytes,
      shadow_table_bytes, memory_hash, hot_pages, hot_instructions, forgotten_page_cycles,
      forgotten_instruction_cycles, timeline, stale, cores, sampling, partial, error, mismatch);
}

}  // namespace eptsim::sim
