#include <fmt/format.h>

#include <optional>

#include "sim/cli/commands.hpp"
#include "sim/cli/run_options.hpp"
#include "sim/cli/run_trace.hpp"
#include "sim/cli/sharded_run.hpp"
#include "sim/interrupt.hpp"
#include "sim/output/output_file.hpp"
#include "sim/output/results.hpp"
#include "sim/output/style.hpp"
#include "sim/output/summary.hpp"
#include "sim/report/report.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {
namespace {

class RunCommand : public Command {
 public:
  std::string name() const override { return "run"; }
  std::string help() const override { return "Run a trace through a machine"; }

  void declare(Options& options) override {
    options_.declare(options, true);
    options.footer(
        "Examples:\n"
        "  eptsim run program.trace\n"
        "  eptsim run program.trace --mode native --guest-page 2M\n"
        "  eptsim run program.trace --set tlb.l2.entries=1024 --set dram.cycles=200\n"
        "  eptsim run program.trace --warmup 100000 --limit 1000000 --output results\n"
        "  eptsim run program.trace --shards 2\n"
        "  eptsim run program.trace --json - | jq .stats.walker.walks\n"
        "`eptsim machine explain` lists the settings.");
  }

  Status run() override {
    const RunRequest request = options_.resolve();
    // Places for the results are tried before the run: nobody likes to hear it afterwards.
    std::optional<OutputFolder> folder;
    std::optional<OutputFile> file;
    if (options_.output) folder.emplace(*options_.output);
    const bool to_standard_output = options_.json == "-";
    if (options_.json && !to_standard_output) file.emplace(*options_.json);

    const Interrupt interrupt;
    const RunReport report = request.shards > 1 ? run_sharded(request, interrupt.asked())
                                                : run_trace(request, interrupt.asked());
    const Json document = stats_document(report);
    if (folder) {
      write_results(*folder, report.settings.machine, document);
      folder->write("report.html", run_report_html(document));
    }
    if (file) file->write(json_text(document));
    if (to_standard_output) {
      write_standard_output(json_text(document));
    } else {
      std::string text = summary(document, Style::for_standard_output());
      if (folder) text += fmt::format("\nResults are in {}.\n", *options_.output);
      write_standard_output(text);
    }
    return status_of(report);
  }

 private:
  RunOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_run_command() { return std::make_unique<RunCommand>(); }

}  // namespace eptsim::sim
