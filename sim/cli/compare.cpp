#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include "sim/cli/child_run.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/run_options.hpp"
#include "sim/interrupt.hpp"
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
    refuse_what_cant_be_read_twice(request.trace_path);
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
    ChildRun nested{.status = Status::kInterrupted, .document = {}};
    if (!interrupt.asked() && native.status != Status::kInterrupted) {
      if (!native.document) return native.status;
      nested = run_in_child(with_mode(request, Mode::kNested), interrupt.asked());
      if (!nested.document && nested.status != Status::kInterrupted) return nested.status;
    }
    const bool interrupted =
        native.status == Status::kInterrupted || nested.status == Status::kInterrupted;

    // An interrupted comparison has no ratios to tell, only what each run measured by itself.
    Json both = {{"schema_version", 1}};
    std::string text;
    const auto add = [&](const ChildRun& run, const char* name, auto& place) {
      if (!run.document) return;
      both[name] = *run.document;
      if (interrupted) {
        if (!text.empty()) text += '\n';
        text += summary(*run.document, Style::for_standard_output());
      }
      if (!place) return;
      write_results(*place, request.settings.machine, *run.document);
      place->write("report.html", run_report_html(*run.document));
    };
    add(native, "native", native_folder);
    add(nested, "nested", nested_folder);
    if (folder && !interrupted) {
      folder->write("report.html", comparison_report_html({{"native", *native.document},
                                                           {"nested", *nested.document}}));
    }
    if (file && native.document) file->write(json_text(both));
    if (!native.document) {
      // Ended before it could say anything.
    } else if (to_standard_output) {
      write_standard_output(json_text(both));
    } else {
      if (!interrupted) {
        text = comparison(*native.document, *nested.document, Style::for_standard_output());
      }
      if (folder) text += fmt::format("\nResults are in {}.\n", *options_.output);
      write_standard_output(text);
    }
    if (interrupted) {
      std::fprintf(stderr, "eptsim compare: interrupted, native and nested aren't compared%s\n",
                   nested.document ? "" : ": there was no nested run");
      return Status::kInterrupted;
    }
    return native.status != Status::kDone ? native.status : nested.status;
  }

 private:
  static void refuse_what_cant_be_read_twice(const std::string& trace) {
    if (trace == "-") {
      throw InputError("-", "standard input can't be read twice, expected a file");
    }
    std::error_code ignored;  // opening it says what is wrong
    const std::filesystem::file_status status = std::filesystem::status(trace, ignored);
    if (std::filesystem::is_fifo(status) || std::filesystem::is_other(status)) {
      throw InputError(trace, "can't be read twice, expected a regular file");
    }
  }

  static RunRequest with_mode(RunRequest request, Mode mode) {
    request.settings.mode = mode;
    return request;
  }

  RunOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_compare_command() { return std::make_unique<CompareCommand>(); }

}  // namespace eptsim::sim
