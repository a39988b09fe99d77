#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "sim/cli/child_run.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/run_options.hpp"
#include "sim/cli/schemes.hpp"
#include "sim/interrupt.hpp"
#include "sim/output/comparison.hpp"
#include "sim/output/output_file.hpp"
#include "sim/output/results.hpp"
#include "sim/output/style.hpp"
#include "sim/output/summary.hpp"
#include "sim/report/report.hpp"
#include "sim/statistics/stats_json.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

constexpr unsigned kUsualJobs = 2;

/// A scheme on a trace: what is asked for, and what came of it.
struct Part {
  RunRequest request;
  std::string scheme;
  std::size_t trace = 0;  ///< its number
  std::string folder;     ///< in --output
  ChildRun run = {};
};

class CompareCommand : public Command {
 public:
  std::string name() const override { return "compare"; }
  std::string help() const override {
    return "Run traces by several schemes of paging, and print them side by side";
  }

  void declare(Options& options) override {
    options_.declare(options, false);
    options.text("--schemes", "LIST", schemes_,
                 "native:PAGE, ideal:PAGE (native with TLBs that cost nothing), nested:PAGE/PAGE "
                 "and shadow:PAGE/PAGE (guest's and host's), with commas between; or all");
    std::vector<std::string> schemes = scheme_names();
    schemes.emplace_back("all");
    options.values("--schemes", schemes);
    options.number("--jobs", jobs_, "Runs at a time, 2 by default");
    options.footer(
        "Examples:\n"
        "  eptsim compare program.trace\n"
        "  eptsim compare program.trace --ept-page 2M --output results\n"
        "  eptsim compare a.trace b.trace --schemes native:4K,nested:4K/4K,shadow:4K/4K\n"
        "Unless told otherwise, the machine's own pages run natively and nested, beside a choice\n"
        "of other schemes. With --output, results/report.html shows them side by side, and each\n"
        "scheme has a folder with what `eptsim run` would write: results/native and\n"
        "results/nested the first of their kind, results/nested-2M-2M and so on the others.");
  }

  Status run() override {
    parts_ = planned();
    std::optional<OutputFolder> folder;
    std::vector<std::unique_ptr<OutputFolder>> folders;
    std::optional<OutputFile> file;
    if (options_.output) {
      folder.emplace(*options_.output);
      for (const Part& part : parts_) {
        folders.push_back(std::make_unique<OutputFolder>(*options_.output + "/" + part.folder));
      }
    }
    const bool to_standard_output = options_.json == "-";
    if (options_.json && !to_standard_output) file.emplace(*options_.json);

    const bool interrupted = run_parts();
    for (const Part& part : parts_) {
      if (!part.run.document && part.run.status != Status::kInterrupted) return part.run.status;
    }
    if (folder) write_folders(*folder, folders, interrupted);
    const bool any =
        std::ranges::any_of(parts_, [](const Part& part) { return part.run.document.has_value(); });
    if (any && file) file->write(json_text(document(interrupted)));
    if (any && to_standard_output) write_standard_output(json_text(document(interrupted)));
    if (any && !to_standard_output) {
      std::string text = this->text(interrupted);
      if (folder) text += fmt::format("\nResults are in {}.\n", *options_.output);
      write_standard_output(text);
    }
    if (interrupted) {
      std::fprintf(stderr, "eptsim compare: interrupted, the schemes aren't compared\n");
      return Status::kInterrupted;
    }
    const auto failed = std::ranges::find_if(
        parts_, [](const Part& part) { return part.run.status != Status::kDone; });
    return failed == parts_.end() ? Status::kDone : failed->run.status;
  }

 private:
  /// Every scheme on every trace, those of a trace one after the other.
  std::vector<Part> planned() const {
    const std::vector<RunRequest> requests = options_.resolve_each();
    if (jobs_ && (*jobs_ == 0 || *jobs_ > 1024)) {
      throw InputError("--jobs " + std::to_string(*jobs_), "expected a number from 1 to 1024");
    }
    std::vector<Part> parts;
    for (std::size_t trace = 0; trace < requests.size(); ++trace) {
      const RunRequest& request = requests[trace];
      refuse_what_cant_be_read_twice(request.trace_paths.front());
      // What is wrong at its beginning would be said by every run.
      open_trace(request.trace_paths.front(), request.format);
      const std::vector<Scheme> schemes =
          schemes_ ? parse_schemes(*schemes_) : usual_schemes(request.settings.machine);
      std::vector<Mode> seen;
      for (const Scheme& scheme : schemes) {
        Part part{.request = request, .scheme = scheme.text(), .trace = trace, .folder = {}};
        part.request.settings = scheme.applied_to(part.request.settings);
        part.folder = folder_name(requests, trace, part.scheme, is_first(seen, scheme));
        parts.push_back(std::move(part));
      }
    }
    return parts;
  }

  /// Whether nothing of its kind has been seen before; an ideal machine is none.
  static bool is_first(std::vector<Mode>& seen, const Scheme& scheme) {
    if (scheme.ideal || std::ranges::find(seen, scheme.mode) != seen.end()) return false;
    seen.push_back(scheme.mode);
    return scheme.mode != Mode::kShadow;
  }

  static std::string folder_name(const std::vector<RunRequest>& requests, std::size_t trace,
                                 std::string scheme, bool is_first) {
    if (is_first) scheme.resize(scheme.find(':'));
    std::ranges::replace(scheme, ':', '-');
    std::ranges::replace(scheme, '/', '-');
    if (requests.size() == 1) return scheme;
    const std::string path = requests[trace].trace_paths.front();
    std::string name = path.substr(path.find_last_of('/') + 1);
    // Traces of one name in several folders.
    for (std::size_t other = 0; other < requests.size(); ++other) {
      const std::string& theirs = requests[other].trace_paths.front();
      if (other != trace && theirs.substr(theirs.find_last_of('/') + 1) == name) {
        return fmt::format("{}-{}/{}", trace + 1, name, scheme);
      }
    }
    return name + "/" + scheme;
  }

  /// Whether it was interrupted.
  bool run_parts() {
    const Interrupt interrupt;
    std::vector<RunRequest> requests;
    for (const Part& part : parts_) requests.push_back(part.request);
    const auto jobs = static_cast<unsigned>(jobs_.value_or(kUsualJobs));
    std::vector<ChildRun> runs = run_in_children(requests, jobs, interrupt.asked());
    bool interrupted = interrupt.asked();
    for (std::size_t i = 0; i < runs.size(); ++i) parts_[i].run = std::move(runs[i]);
    for (const Part& part : parts_) {
      interrupted = interrupted || part.run.status == Status::kInterrupted;
    }
    return interrupted;
  }

  /// The measured runs of one trace.
  std::vector<NamedRun> runs_of(std::size_t trace) const {
    std::vector<NamedRun> runs;
    for (const Part& part : parts_) {
      if (part.trace == trace && part.run.document) {
        runs.push_back({part.scheme, *part.run.document});
      }
    }
    return runs;
  }

  /// The first native or nested run, if it was measured.
  const Json* first_of(std::string_view mode) const {
    for (const Part& part : parts_) {
      if (!part.scheme.starts_with(mode)) continue;
      return part.run.document ? &*part.run.document : nullptr;
    }
    return nullptr;
  }

  /// An interrupted comparison has no ratios to tell, only what each run measured by itself.
  Json document(bool interrupted) const {
    Json all = {{"schema_version", 1}};
    for (const char* mode : {"native", "nested"}) {
      if (const Json* const run = first_of(mode)) all[mode] = *run;
    }
    Json list = Json::array();
    for (std::size_t trace = 0; trace <= parts_.back().trace; ++trace) {
      const std::vector<NamedRun> runs = runs_of(trace);
      const std::vector<SchemeFigures> figures = scheme_figures(runs);
      for (std::size_t i = 0; i < runs.size(); ++i) {
        Json entry = {{"trace", runs[i].document.at("trace").at("path")}, {"scheme", runs[i].name}};
        if (!interrupted) entry["figures"] = to_json(figures[i]);
        entry["run"] = runs[i].document;
        list.push_back(std::move(entry));
      }
    }
    all["schemes"] = std::move(list);
    return all;
  }

  std::string text(bool interrupted) const {
    const Style style = Style::for_standard_output();
    std::string text;
    for (std::size_t trace = 0; trace <= parts_.back().trace; ++trace) {
      const std::vector<NamedRun> runs = runs_of(trace);
      if (interrupted) {
        for (const NamedRun& run : runs) {
          text += (text.empty() ? "" : "\n") + summary(run.document, style);
        }
      } else {
        text += (text.empty() ? "" : "\n") + comparison(runs, style);
      }
    }
    return text;
  }

  void write_folders(OutputFolder& folder, std::vector<std::unique_ptr<OutputFolder>>& folders,
                     bool interrupted) const {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const Part& part = parts_[i];
      if (!part.run.document) continue;
      write_results(*folders[i], part.request.settings.machine, *part.run.document);
      folders[i]->write("report.html", run_report_html(*part.run.document));
    }
    std::vector<NamedRun> runs;
    for (const Part& part : parts_) {
      if (part.run.document) runs.push_back({part.scheme, *part.run.document});
    }
    if (!interrupted && runs.size() > 1) {
      folder.write("report.html", comparison_report_html(runs));
    }
  }

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

  RunOptions options_;
  std::optional<std::string> schemes_;
  std::optional<std::uint64_t> jobs_;
  std::vector<Part> parts_;
};

}  // namespace

std::unique_ptr<Command> make_compare_command() { return std::make_unique<CompareCommand>(); }

}  // namespace eptsim::sim
