#include "sim/run/shards.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "sim/run/intervals.hpp"

namespace eptsim::sim {
namespace {

/// What an access costs, in thousandths of one in detail. Constants, so that a cut depends on no
/// measurement: docs/shards.md has those they were taken from.
struct Costs {
  std::uint64_t touched;
  std::uint64_t warmed;
};
constexpr std::uint64_t kDetailed = 1000;
constexpr Costs costs_of(Detail detail) {
  return detail == Detail::kFull ? Costs{.touched = 60, .warmed = 400}
                                 : Costs{.touched = 120, .warmed = 600};
}

/// Before a part's first counted access so many run in detail, that the window is full and every
/// queue as it would be;
constexpr std::uint64_t kWarmupInDetail = 20'000;
/// before those, so many keep all warm that the machine remembers. What precedes them touches its
/// memory alone.
constexpr std::uint64_t kWarmed = 2'000'000;

/// How a part that begins to count with access `begin` of the whole trace prepares for it.
LeadIn lead_in_of(std::uint64_t begin) {
  const std::uint64_t warmed = begin - std::min(begin, kWarmupInDetail);
  return {.touched = warmed - std::min(warmed, kWarmed), .warmed = warmed};
}

std::uint64_t cost_before(std::uint64_t begin, Costs costs) {
  const LeadIn lead_in = lead_in_of(begin);
  return lead_in.touched * costs.touched + (lead_in.warmed - lead_in.touched) * costs.warmed +
         (begin - lead_in.warmed) * kDetailed;
}

/// The accesses with which parts begin to count, and the run's last ends, if each costs `budget`,
/// or counts `least` accesses for more. The first part does what is counted after `warmup` in
/// detail from the beginning.
std::vector<std::uint64_t> cuts(std::uint64_t warmup, unsigned count, std::uint64_t budget,
                                std::uint64_t least, Costs costs) {
  std::vector<std::uint64_t> at = {warmup};
  for (unsigned part = 0; part < count; ++part) {
    const std::uint64_t lead = part == 0 ? warmup * kDetailed : cost_before(at.back(), costs);
    at.push_back(at.back() + std::max(least, (budget - std::min(budget, lead)) / kDetailed));
  }
  return at;
}

void require_can_be_cut(const RunSettings& settings, unsigned count) {
  const auto refuse = [count](const std::string& problem) {
    throw InputError("--shards " + std::to_string(count), problem);
  };
  if (settings.walker != WalkerKind::kModel) {
    refuse("the Verilated walker can't be warmed without time passing, expected --walker model");
  }
  const SamplingSettings& sampling = settings.machine.sampling;
  if (sampling.period != 0 || sampling.windows != 0) {
    refuse("a sampled run isn't cut, expected sampling.period and sampling.windows of 0");
  }
  if (settings.machine.dirty_log.tracking != DirtyTracking::kOff) {
    refuse("a part knows nothing of rounds before it, expected hypervisor.dirty_log = \"off\"");
  }
}

}  // namespace

std::vector<RunSettings> cut_into_shards(const RunSettings& settings, unsigned count,
                                         std::uint64_t accesses) {
  require_can_be_cut(settings, count);
  const Costs costs = costs_of(settings.detail);
  const std::uint64_t end = settings.warmup + accesses;
  // Of whole intervals of the whole run: so the parts' timelines make up its own.
  const std::uint64_t length = interval_length(accesses);
  if (accesses / length < count) {
    throw InputError(
        "--shards " + std::to_string(count),
        "a run of " + std::to_string(accesses) + " accesses is too short for so many parts");
  }
  // The least budget with which the parts reach the end.
  std::uint64_t too_little = 0;
  std::uint64_t enough = end * kDetailed;
  while (enough - too_little > 1) {
    const std::uint64_t middle = too_little + (enough - too_little) / 2;
    const std::uint64_t reached = cuts(settings.warmup, count, middle, length, costs).back();
    (reached < end ? too_little : enough) = middle;
  }
  std::vector<std::uint64_t> begins = cuts(settings.warmup, count, enough, length, costs);
  begins.pop_back();
  for (unsigned part = 0; part < count; ++part) {
    const std::uint64_t latest = end - (count - part) * length;  // that leaves room for the others
    const std::uint64_t counted = std::min(begins[part], latest) - settings.warmup;
    begins[part] = settings.warmup + counted / length * length;
  }

  std::vector<RunSettings> parts(count, settings);
  for (unsigned part = 0; part < count; ++part) {
    RunSettings& own = parts[part];
    const std::uint64_t begin = begins[part];
    if (part != 0) {
      own.warmup = begin;
      own.lead_in = lead_in_of(begin);
    }
    if (part + 1 != count) {
      own.limit = begins[part + 1] - begin;
    } else if (settings.limit) {
      own.limit = *settings.limit - (begin - settings.warmup);
    }
  }
  return parts;
}

}  // namespace eptsim::sim
