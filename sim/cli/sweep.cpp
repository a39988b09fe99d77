#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

#include "sim/cli/commands.hpp"
#include "sim/input_text.hpp"
#include "sim/interrupt.hpp"
#include "sim/output/output_file.hpp"
#include "sim/sweep/campaign.hpp"
#include "sim/sweep/folder_lock.hpp"
#include "sim/sweep/local_executor.hpp"
#include "sim/sweep/slurm_executor.hpp"
#include "sim/sweep/sweep_file.hpp"

namespace eptsim::sim {
namespace {

using namespace sweep;
namespace fs = std::filesystem;

constexpr std::size_t kLinesOfLog = 10;

class SweepCommand : public Command {
 public:
  std::string name() const override { return "sweep"; }
  std::string help() const override {
    return "Run a grid of machines, settings, schemes and traces, and merge the results";
  }

  void declare(Options& options) override {
    options.argument("SWEEP.toml", file_,
                     "The sweep; - is standard input. docs/sweeps.md says what can stand in it");
    options.text("--output", "DIR", output_,
                 "Results; a folder that has some already is gone on with");
    options.text("--executor", "NAME", executor_,
                 "local (the default): processes of this machine; slurm: a job array");
    options.number("--jobs", jobs_,
                   "Points at a time, as many as there are cores by default; of Slurm, tasks at a "
                   "time, as many as it starts by default");
    options.flag("--list", list_, "List the points and what is done of them, and run nothing");
    options.texts("--point", "ID", points_,
                  "Run this point alone, once, and merge nothing; may be repeated");
    options.text("--paths-from", "DIR", paths_from_,
                 "Where relative paths in SWEEP.toml start, its own folder by default");
    options.text("--progress", "WHEN", progress_,
                 "auto (the default: on a terminal a line that is written over, else one now and "
                 "then), always or never");
    options.values("--executor", {"local", "slurm"});
    options.values("--progress", {"auto", "always", "never"});
    options.footer(
        "Examples:\n"
        "  eptsim sweep pages.toml --output results\n"
        "  eptsim sweep pages.toml --output results --jobs 4\n"
        "  eptsim sweep pages.toml --output results --executor slurm --jobs 32\n"
        "  eptsim sweep pages.toml --output results --list\n"
        "A sweep:\n"
        "  machines = [\"golden-cove\", \"zen4\"]\n"
        "  schemes = [\"native:4K\", \"nested:4K/4K\"]\n"
        "  traces = [\"program.trace\", \"generate:gups,footprint=1GiB\"]\n"
        "  [vary]\n"
        "  nested_tlb.entries = [16, 64]\n"
        "Points that are done aren't run again, also when the file has grown. A point that fails\n"
        "is tried once more, and its log shown. Interrupt it, start it again, and it goes on.\n"
        "results/sweep.html draws what came out; results.csv and results.json have the numbers.");
  }

  Status run() override {
    check_options();
    const fs::path file = *file_;
    const std::string text = read_text(*file_);
    const fs::path paths_from = paths_from_ ? fs::path(*paths_from_) : file.parent_path();
    const Sweep sweep = read_sweep(text, input_name(*file_), paths_from);
    const Grid grid = grid_of(sweep);
    if (list_) return list(sweep, grid);

    OutputFolder folder(*output_);
    const Interrupt interrupt;
    if (!points_.empty()) return run_points(grid, interrupt.asked());

    const FolderLock lock(*output_);
    folder.write("sweep.toml", text);
    Campaign campaign(sweep, grid, *output_);
    const std::size_t before = campaign.points_done();
    const std::unique_ptr<Executor> executor = make_executor(campaign, paths_from);
    const std::vector<Failure> failures =
        campaign.run(*executor, at_a_time_, progress_mode_, interrupt.asked());
    campaign.write_results();
    return report(sweep, grid, campaign, failures, before, interrupt.asked());
  }

 private:
  void check_options() {
    if (!output_ && !list_) {
      throw InputError("eptsim sweep", "--output is missing, expected a folder for the results");
    }
    if (jobs_ && (*jobs_ == 0 || *jobs_ > 1024)) {
      throw InputError("--jobs " + std::to_string(*jobs_), "expected a number from 1 to 1024");
    }
    by_slurm_ = word_of<bool>("--executor", executor_, {{"local", false}, {"slurm", true}}, false);
    progress_mode_ = word_of<ProgressMode>("--progress", progress_,
                                           {{"auto", ProgressMode::kAuto},
                                            {"always", ProgressMode::kAlways},
                                            {"never", ProgressMode::kNever}},
                                           ProgressMode::kAuto);
    const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    at_a_time_ = jobs_.value_or(by_slurm_ ? 0 : cores);
  }

  std::unique_ptr<Executor> make_executor(const Campaign& campaign,
                                          const fs::path& paths_from) const {
    if (!by_slurm_) return std::make_unique<LocalExecutor>(static_cast<unsigned>(at_a_time_));
    const fs::path folder = fs::canonical(*output_);
    return std::make_unique<SlurmExecutor>(
        SlurmExecutor::Settings{.folder = folder,
                                .sweep_file = folder / "sweep.toml",
                                .paths_from = fs::current_path() / paths_from,
                                .jobs = jobs_,
                                .seconds_per_point = campaign.seconds_per_point()});
  }

  Status list(const Sweep& sweep, const Grid& grid) const {
    std::string text;
    for (const Row& row : grid.rows) {
      const std::string& id = grid.points[row.point].id;
      const bool done = output_ && PointFolder(*output_, id).done();
      text += fmt::format("{}  {}  {}\n", id, done ? "done" : "open", described(sweep, row));
    }
    write_standard_output(text);
    return Status::kDone;
  }

  /// What a task of Slurm does, and whoever wants to see a point run.
  Status run_points(const Grid& grid, const std::atomic<bool>& stop) const {
    class Listener : public Watcher {
     public:
      void began(std::size_t) override {}
      void ended(std::size_t point, const std::string& trouble) override {
        if (!trouble.empty()) failures.push_back({point, trouble});
      }
      void time_passes(std::size_t) override {}
      std::vector<Failure> failures;
    };
    std::vector<PointFolder> folders;
    for (const Point& point : grid.points) folders.emplace_back(*output_, point.id);
    Work work{grid.points, folders, {}};
    for (const std::string& id : points_) {
      const auto found = std::ranges::find(grid.points, id, &Point::id);
      if (found == grid.points.end()) {
        throw InputError("--point " + id,
                         "is no point of this sweep, as its file, its machines "
                         "and its traces are now",
                         "--list lists them");
      }
      work.numbers.push_back(static_cast<std::size_t>(found - grid.points.begin()));
    }
    Listener listener;
    LocalExecutor(static_cast<unsigned>(jobs_.value_or(1))).run(work, stop, listener);
    for (const Failure& failure : listener.failures) {
      const PointFolder& folder = folders[failure.point];
      std::fprintf(stderr, "%s: %s\n", folder.log().c_str(), failure.trouble.c_str());
    }
    if (stop) return Status::kInterrupted;
    return listener.failures.empty() ? Status::kDone : Status::kFailed;
  }

  Status report(const Sweep& sweep, const Grid& grid, const Campaign& campaign,
                const std::vector<Failure>& failures, std::size_t before, bool interrupted) const {
    for (const Failure& failure : failures) {
      const PointFolder& folder = campaign.folders()[failure.point];
      std::string log = folder.end_of_log(kLinesOfLog);
      std::fprintf(stderr, "eptsim sweep: %s: failed twice, at last %s; the end of %s:\n%s",
                   described(sweep, grid.row_of(failure.point)).c_str(), failure.trouble.c_str(),
                   folder.log().c_str(), indented(log).c_str());
    }
    const std::size_t done = campaign.points_done();
    std::string text = fmt::format("{} of {} points are done", done, grid.points.size());
    if (before > 0) text += fmt::format(", {} of them were before", before);
    if (grid.rows.size() > grid.points.size()) {
      text += fmt::format("; {} rows, for some are the same", grid.rows.size());
    }
    if (!failures.empty()) text += fmt::format("; {} failed", failures.size());
    const std::string place = (fs::path(*output_) / "").string();
    text += fmt::format(".\nResults are in {0}sweep.html, {0}results.csv and {0}results.json.\n",
                        place);
    write_standard_output(text);
    if (interrupted) {
      std::fprintf(stderr, "eptsim sweep: interrupted; start it again, and it goes on\n");
      return Status::kInterrupted;
    }
    return failures.empty() ? Status::kDone : Status::kFailed;
  }

  static std::string indented(const std::string& lines) {
    std::string text;
    for (std::size_t begin = 0; begin < lines.size();) {
      const std::size_t end = std::min(lines.find('\n', begin), lines.size());
      text += "    " + lines.substr(begin, end - begin) + "\n";
      begin = end + 1;
    }
    return text;
  }

  std::optional<std::string> file_;
  std::optional<std::string> output_;
  std::optional<std::string> executor_;
  std::optional<std::uint64_t> jobs_;
  bool list_ = false;
  std::vector<std::string> points_;
  std::optional<std::string> paths_from_;
  std::optional<std::string> progress_;
  bool by_slurm_ = false;
  std::size_t at_a_time_ = 0;  ///< 0: as many as Slurm starts
  ProgressMode progress_mode_ = ProgressMode::kAuto;
};

}  // namespace

std::unique_ptr<Command> make_sweep_command() { return std::make_unique<SweepCommand>(); }

}  // namespace eptsim::sim
