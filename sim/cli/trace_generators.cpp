#include "sim/cli/commands.hpp"
#include "sim/output/output_file.hpp"
#include "sim/trace/generate/workload.hpp"

namespace eptsim::sim {
namespace {

class TraceGeneratorsCommand : public Command {
 public:
  std::string name() const override { return "trace generators"; }
  std::string help() const override {
    return "List the traces that are computed when they are run";
  }

  void declare(Options& options) override {
    options.footer(
        "What is listed can stand wherever a trace can.\n\n"
        "Examples:\n"
        "  eptsim trace generators\n"
        "  eptsim run generate:gups,footprint=1GiB,accesses=1000000\n"
        "  eptsim trace convert generate:chase,pages=4096,chains=4 chase.ept");
  }

  Status run() override {
    write_standard_output(generate::list_of_workloads());
    return Status::kDone;
  }
};

}  // namespace

std::unique_ptr<Command> make_trace_generators_command() {
  return std::make_unique<TraceGeneratorsCommand>();
}

}  // namespace eptsim::sim
