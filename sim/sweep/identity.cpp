#include "sim/sweep/identity.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include "sim/settings/parameter.hpp"
#include "sim/statistics/run_report.hpp"
#include "sim/version.hpp"

namespace eptsim::sim::sweep {

std::string identity_text(const RunRequest& request, const std::vector<std::string>& trace_hashes) {
  const RunSettings& settings = request.settings;
  std::string text =
      fmt::format("eptsim {} {}\nmode {}\ndetail {}\nwalker {}\nwarmup {}\nseed {}\n", kVersion,
                  kResultsVersion, name(settings.mode), name(settings.detail),
                  name(settings.walker), settings.warmup, settings.machine.hardware.seed);
  if (settings.limit) text += fmt::format("limit {}\n", *settings.limit);
  if (request.fetch) text += fmt::format("fetch {}\n", *request.fetch ? "on" : "off");
  if (request.format) text += fmt::format("format {}\n", *request.format);
  for (const std::string& hash : trace_hashes) text += fmt::format("trace {}\n", hash);
  for (const Parameter& parameter : parameters()) {
    if (!parameter.has_value(settings.machine)) continue;
    text += fmt::format("{} = {}\n", parameter.key, parameter.text(settings.machine));
  }
  return text;
}

std::string identity_of(const RunRequest& request, const std::vector<std::string>& trace_hashes) {
  return short_hash(identity_text(request, trace_hashes));
}

std::string short_hash(const std::string& text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

}  // namespace eptsim::sim::sweep
