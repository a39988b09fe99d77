#include "sim/output/results.hpp"

#include "sim/settings/machine.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {

void write_results(OutputFolder& folder, const Machine& machine, const Json& document) {
  folder.write("machine.toml", machine_as_toml(machine));
  folder.write("stats.json", json_text(document));
}

}  // namespace eptsim::sim
