#include <algorithm>
#include <array>
#include <type_traits>

#include "sim/run/aggregate.hpp"
#include "sim/run/hot_spots.hpp"
#include "sim/run/intervals.hpp"
#include "sim/run/result_members.hpp"
#include "sim/run/shards.hpp"

namespace eptsim::sim {
namespace {

template <class T>
concept Summed = requires(T& sum, const T& more) { sum += more; } && !std::is_same_v<T, bool>;

// What is no sum is for the caller: the kinds of member that these stand for.
template <class T>
void add(std::vector<T>&, const std::vector<T>&) {}
void add(MappedBytes&, const MappedBytes&) {}
void add(std::string&, const std::string&) {}
void add(SamplingResult&, const SamplingResult&) {}
void add(std::optional<InputError>&, const std::optional<InputError>&) {}

void add(bool& any, const bool& more) { any = any || more; }

template <class T>
  requires(std::is_aggregate_v<T> && !Summed<T>)
void add(T& sum, const T& more);

template <Summed T>
void add(T& sum, const T& more) {
  sum += more;
}
template <class T, std::size_t kSize>
void add(std::array<T, kSize>& sum, const std::array<T, kSize>& more) {
  for (std::size_t i = 0; i < kSize; ++i) add(sum[i], more[i]);
}
/// Plain structs, member by member.
template <class T>
  requires(std::is_aggregate_v<T> && !Summed<T>)
void add(T& sum, const T& more) {
  T copy = more;
  aggregate::with_members(sum, [&](auto&... to) {
    aggregate::with_members(copy, [&](auto&... from) { (add(to, from), ...); });
  });
}

void add_all(RunResult& sum, const RunResult& more) {
  with_result_members(sum, [&](auto&... to) {
    with_result_members(more, [&](const auto&... from) { (add(to, from), ...); });
  });
}

/// Memory in use is what there is at the end of the last part that came so far.
void take_end(RunResult& whole, const RunResult& last) {
  whole.translated = last.translated;
  whole.page_bytes = last.page_bytes;
  whole.guest_mapped = last.guest_mapped;
  whole.ept_mapped = last.ept_mapped;
  whole.shadow_mapped = last.shadow_mapped;
  whole.guest_no_large_frame = last.guest_no_large_frame;
  whole.host_no_large_frame = last.host_no_large_frame;
  whole.guest_table_bytes = last.guest_table_bytes;
  whole.ept_table_bytes = last.ept_table_bytes;
  whole.host_map_bytes = last.host_map_bytes;
  whole.shadow_table_bytes = last.shadow_table_bytes;
  whole.memory_hash = last.memory_hash;
}

/// Intervals as long as those of a run that wasn't cut. Those of a part are shorter, or as long.
std::vector<Interval> joined_timeline(const std::vector<RunResult>& parts) {
  std::uint64_t accesses = 0;
  for (const RunResult& part : parts) accesses += part.accesses;
  const std::uint64_t length = interval_length(accesses);
  std::vector<Interval> timeline;
  for (const RunResult& part : parts) {
    for (const Interval& interval : part.timeline) {
      if (timeline.empty() || timeline.back().accesses >= length) timeline.emplace_back();
      timeline.back() += interval;
    }
  }
  return timeline;
}

void join_hot_spots(RunResult& whole, const std::vector<RunResult>& parts,
                    std::vector<HotSpot> RunResult::* list, std::uint64_t RunResult::* forgotten) {
  HotSpots spots;
  for (const RunResult& part : parts) {
    for (const HotSpot& spot : part.*list) spots.add(spot);
  }
  whole.*list = spots.top(kHotSpots);
  whole.*forgotten += spots.forgotten_cycles();
}

}  // namespace

RunResult joined(const std::vector<RunResult>& parts) {
  RunResult whole;
  const RunResult* last = &parts.front();
  CoreResult core;
  for (const RunResult& part : parts) {
    add_all(whole, part);
    if (part.accesses != 0) last = &part;
    if (!whole.error) whole.error = part.error;
    if (whole.mismatch.empty()) whole.mismatch = part.mismatch;
    for (const CoreResult& own : part.cores) add(core, own);
  }
  take_end(whole, *last);
  whole.timeline = joined_timeline(parts);
  whole.cores = {core};
  join_hot_spots(whole, parts, &RunResult::hot_pages, &RunResult::forgotten_page_cycles);
  join_hot_spots(whole, parts, &RunResult::hot_instructions,
                 &RunResult::forgotten_instruction_cycles);
  return whole;
}

}  // namespace eptsim::sim
