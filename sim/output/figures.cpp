#include "sim/output/figures.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace eptsim::sim {

Figures::Figures(const Json& document) {
  const Json& stats = document.at("stats");
  const auto count = [&](const char* pointer) {
    return stats.at(Json::json_pointer(pointer)).get<std::uint64_t>();
  };
  accesses = count("/accesses");
  instructions = count("/instructions");
  cycles = count("/cycles");
  translation_cycles = count("/translation_cycles");
  exit_cycles = count("/vmx/exit_cycles");
  retiring_cycles = count("/cycles_by/retiring");
  data_cycles = count("/cycles_by/data");
  other_cycles = count("/cycles_by/other");
  core_cycles = retiring_cycles + data_cycles + translation_cycles + exit_cycles + other_cycles;
  first_level_hits = count("/tlb/l1d/hits") + count("/tlb/l1i/hits");
  second_level_hits = count("/tlb/l2/hits");
  lookups = accesses;
  if (document.at("detail") == "full") {
    lookups = std::max(lookups, count("/tlb/l1d/accesses") + count("/tlb/l1i/accesses"));
  }
  tlb_misses = lookups - first_level_hits - second_level_hits;
  walks = count("/walker/walks");

  const auto look_ups = [](const std::string& label, const Json& cache) {
    const auto number = [&](const char* key) { return cache.at(key).get<std::uint64_t>(); };
    return LookUps{label, number("accesses"), number("hits"), number("misses")};
  };
  const auto add_cache = [&](const std::string& label, const Json& cache) {
    walker_caches.push_back(look_ups(label, cache));
  };
  for (const auto& [name, label] :
       {std::pair{"psc", "structure cache"}, std::pair{"ept_psc", "EPT structure cache"}}) {
    for (const auto& [entry, cache] : stats.at(name).items()) {
      std::string shown = entry;
      for (char& c : shown) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      add_cache(std::string(label) + ", " + shown, cache);
    }
  }
  add_cache("nested TLB", stats.at("nested_tlb"));

  constexpr std::array kLevels = {std::pair{"l1d", "L1 data cache"}, std::pair{"l2", "L2 cache"},
                                  std::pair{"l3", "L3 cache"}, std::pair{"dram", "DRAM"}};
  const Json& caches = document.at("machine").at("cache");
  const bool any =
      std::ranges::any_of(caches, [](const Json& cache) { return cache.at("bytes") != 0; });
  for (const auto& [level, label] : kLevels) {
    if (!any) break;
    served_by.push_back(
        {level, label, stats.at("walker").at("served_by").at(level).get<std::uint64_t>()});
    if (!caches.contains(level)) continue;
    const Json& counted = stats.at("cache").at(level);
    memory_caches.push_back(look_ups(std::string(label) + ", data", counted.at("data")));
    memory_caches.push_back(look_ups(std::string(label) + ", walks", counted.at("walk")));
  }

  const auto per_walk = [&](const char* pointer) {
    return walks == 0 ? 0.0 : static_cast<double>(count(pointer)) / static_cast<double>(walks);
  };
  references_per_walk = per_walk("/walker/references");
  guest_references_per_walk = per_walk("/walker/guest_references");
  ept_references_per_walk = per_walk("/walker/ept_references");
  cycles_per_walk = per_walk("/walker/cycles");
}

}  // namespace eptsim::sim
