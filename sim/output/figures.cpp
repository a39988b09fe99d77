#include "sim/output/figures.hpp"

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
  program_cycles = cycles - translation_cycles - exit_cycles;
  first_level_hits = count("/tlb/l1d/hits") + count("/tlb/l1i/hits");
  second_level_hits = count("/tlb/l2/hits");
  tlb_misses = accesses - first_level_hits - second_level_hits;
  walks = count("/walker/walks");

  const auto add_cache = [&](const std::string& label, const Json& cache) {
    const auto number = [&](const char* key) { return cache.at(key).get<std::uint64_t>(); };
    walker_caches.push_back({label, number("accesses"), number("hits"), number("misses")});
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

  const auto per_walk = [&](const char* pointer) {
    return walks == 0 ? 0.0 : static_cast<double>(count(pointer)) / static_cast<double>(walks);
  };
  references_per_walk = per_walk("/walker/references");
  guest_references_per_walk = per_walk("/walker/guest_references");
  ept_references_per_walk = per_walk("/walker/ept_references");
  cycles_per_walk = per_walk("/walker/cycles");
}

}  // namespace eptsim::sim
