#include <fmt/format.h>

#include <optional>

#include "sim/cli/child_run.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/interrupt.hpp"
#include "sim/cli/run_options.hpp"
#include "sim/output/output_file.hpp"
#include "sim/output/results.hpp"
#include "sim/output/style.hpp"
#include "sim/output/summary.hpp"
#include "sim/report/report.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {
namespace {

class CompareCommand : public Command {
 public:
  std::string name() const override { return "compare"; }
  std::string help() const override {
    return "Run a trace natively and nested, and print both side by side";
  }

  void declare(Options& options) override {
    options_.declare(options, false);
    options.footer(
        "Examples:\n"
        "  eptsim compare program.trace\n"
        "  eptsim compare program.trace --ept-page 2M --output results\n"
        "With --output, results/report.html shows both side by side, and results/native and\n"
        "results/nested hold what `eptsim run` would write.");
  }

  Status run() override {
    const RunRequest request = options_.resolve();
    if (request.trace_path == "-") {
      throw InputError("-", "standard input can't be read twice, expected a file");
    }
    std::optional<OutputFolder> folder;
    std::optional<OutputFolder> native_folder;
    std::optional<OutputFolder> nested_folder;
    std::optional<OutputFile> file;
    if (options_.output) {
      folder.emplace(*options_.output);
      native_folder.emplace(*options_.output + "/native");
      nested_folder.emplace(*options_.output + "/nested");
    }
    const bool to_standard_output = options_.json == "-";
    if (options_.json && !to_standard_output) file.emplace(*options_.json);

    const Interrupt interrupt;
    const ChildRun native = run_in_child(with_mode(request, Mode::kNative), interrupt.asked());
    if (!native.document) return native.status;
    const ChildRun nested = run_in_child(with_mode(request, Mode::kNested), interrupt.asked());
    if (!nested.document) return nested.status;

    if (folder) {
      write_results(*native_folder, request.settings.machine, *native.document);
      native_folder->write("report.html", run_report_html(*native.document));
      write_results(*nested_folder, request.settings.machine, *nested.document);
      nested_folder->write("report.html", run_report_html(*nested.document));
      folder->write("report.html", comparison_report_html(*native.document, *nested.document));
    }
    const Json both = {
        {"schema_version", 1}, {"native", *native.document}, {"nested", *nested.document}};
    if (file) file->write(json_text(both));
    if (to_standard_output) {
      write_standard_output(json_text(both));
    } else {
      std::string text =
          comparison(*native.document, *nested.document, Style::for_standard_output());
      if (folder) text += fmt::format("\nResults are in {}.\n", *options_.output);
      write_standard_output(text);
    }
    return native.status != Status::kDone ? native.status : nested.status;
  }

 private:
  static RunRequest with_mode(RunRequest request, Mode mode) {
    request.settings.mode = mode;
    return request;
  }

  RunOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_compare_command() { return std::make_unique<CompareCommand>(); }

}  // namespace eptsim::sim
