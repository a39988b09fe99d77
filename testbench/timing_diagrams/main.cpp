// eptsim-timing-diagrams FOLDER: writes the timing diagrams of docs/microarchitecture.md as
// WaveJSON, a file each, from what the clocked model does.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "mmu_model/walker/configurations.hpp"
#include "mmu_model/walker/model_walker.hpp"
#include "testbench/timing_diagrams/scenario.hpp"

namespace {

int fail(const char* what, const std::string& name) {
  std::fprintf(stderr, "eptsim-timing-diagrams: %s %s\n", what, name.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: eptsim-timing-diagrams FOLDER\n", stderr);
    return 2;
  }
  for (const eptsim::tb::Scenario& scenario : eptsim::tb::scenarios()) {
    const auto* configuration = eptsim::mmu::find_configuration(scenario.configuration);
    if (configuration == nullptr) return fail("no configuration", scenario.configuration);
    eptsim::mmu::ModelWalker walker(*configuration);
    const std::filesystem::path path = std::filesystem::path(argv[1]) / (scenario.file + ".json");
    std::ofstream file(path);
    file << draw(scenario, walker);
    file.close();
    if (!file) return fail("can't write", path.string());
  }
  return 0;
}
