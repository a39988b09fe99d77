#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "sim/cli/commands.hpp"
#include "sim/output/output_file.hpp"
#include "sim/output/result_folder.hpp"
#include "sim/output/summary.hpp"
#include "sim/output/two_runs.hpp"
#include "sim/report/report.hpp"

namespace eptsim::sim {
namespace {

/// The last part of a path that has a name: "native" of "results/native/".
std::string last_name(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(folder, ignored), ignored).filename().string();
}

/// Short names that tell two folders apart.
std::pair<std::string, std::string> labels_of(const std::string& left, const std::string& right) {
  if (last_name(left) != last_name(right)) return {last_name(left), last_name(right)};
  if (left != right) return {left, right};
  return {left, left + " again"};
}

/// A page, and what the terminal says of it.
struct Told {
  std::string page;
  std::string text;
};

/// Throws InputError if a stats document of `folder` lacks what a report shows: another version of
/// the program wrote it, or somebody changed it.
template <typename Tell>
Told told_of(const std::string& folder, const Tell& tell) {
  try {
    return tell();
  } catch (const Json::exception& error) {
    const std::string what = error.what();
    throw InputError(folder + "/stats.json", "doesn't hold what this version shows (" +
                                                 what.substr(what.find(']') + 2) +
                                                 "): run it again with --output");
  } catch (const std::logic_error&) {
    throw InputError(folder + "/stats.json",
                     "has a number that no run counts: run it again with --output");
  }
}

Told told_of_one(const std::string& folder, const Json& document) {
  return told_of(folder, [&] {
    return Told{run_report_html(document), summary(document, Style::for_standard_output())};
  });
}

class ReportCommand : public Command {
 public:
  std::string name() const override { return "report"; }
  std::string help() const override {
    return "Write the report of a run anew, or of two runs side by side";
  }

  void declare(Options& options) override {
    options.arguments("DIR", folders_,
                      "What `eptsim run --output` wrote; with a second one, what differs is shown");
    options.text("--output", "FILE|-", output_,
                 "Write the page there: DIR/report.html by default, comparison.html of two runs; "
                 "- is standard output");
    options.footer(
        "Examples:\n"
        "  eptsim report results\n"
        "  eptsim report results/native results/nested\n"
        "  eptsim report before after --output change.html\n"
        "  eptsim report results --output - > page.html\n"
        "Two runs may be of other machines, options and traces. Their page begins with\n"
        "what came of it and what was set otherwise, and ends with every statistic that\n"
        "differs.");
  }

  Status run() override {
    if (folders_.size() > 2) {
      throw InputError("eptsim report", fmt::format("expected one folder or two, got {}; several "
                                                    "schemes side by side: eptsim compare --output",
                                                    folders_.size()));
    }
    const Told told = folders_.size() == 1 ? of_one() : of_two();
    const std::string place = output_.value_or(
        folders_.size() == 1 ? (std::filesystem::path(folders_.front()) / "report.html").string()
                             : "comparison.html");
    if (place == "-") {
      write_standard_output(told.page);
    } else {
      OutputFile(place).write(told.page);
      write_standard_output(told.text + "\nThe report is in " + place + ".\n");
    }
    return Status::kDone;
  }

 private:
  Told of_one() const { return told_of_one(folders_[0], read_stats(folders_[0])); }

  Told of_two() const {
    const auto [left_label, right_label] = labels_of(folders_[0], folders_[1]);
    const NamedRun left{left_label, read_stats(folders_[0])};
    const NamedRun right{right_label, read_stats(folders_[1])};
    // So that a message names the one that is to blame.
    told_of_one(folders_[0], left.document);
    told_of_one(folders_[1], right.document);
    return told_of(folders_[1], [&] {
      return Told{two_runs_report_html(left, right),
                  differences_summary(left, right, Differences(left.document, right.document),
                                      Style::for_standard_output())};
    });
  }

  std::vector<std::string> folders_;
  std::optional<std::string> output_;
};

}  // namespace

std::unique_ptr<Command> make_report_command() { return std::make_unique<ReportCommand>(); }

}  // namespace eptsim::sim
