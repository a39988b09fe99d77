#include "sim/sweep/slurm_executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "sim/input_error.hpp"
#include "sim/output/output_file.hpp"
#include "sim/sweep/identity.hpp"
#include "sim/sweep/shell.hpp"
#include "sim/temporary_folder.hpp"

namespace eptsim::sim::sweep {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostTasks = 500;     // of an array: Slurm takes 1000 unless told otherwise
constexpr double kSecondsOfATask = 10;      // at least; starting one takes a part of a second
constexpr unsigned kFailuresOfSqueue = 20;  // in a row: a controller may be busy, or start anew
constexpr auto kLookAgain = 500ms;
constexpr auto kLookAgainLater = 5s;

std::string without_newline(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

/// What went wrong with `command`, in one line.
std::string trouble_of(const std::string& command, const Finished& run) {
  std::string said = without_newline(run.err.empty() ? run.out : run.err);
  std::ranges::replace(said, '\n', ' ');
  return fmt::format("{}: {}", command,
                     said.empty() ? fmt::format("exit status {}", run.status) : said);
}

/// Slurm takes % in the names of outputs for a pattern's beginning.
std::string without_patterns(const std::string& path) {
  std::string text;
  for (const char letter : path) text += letter == '%' ? "%%" : std::string(1, letter);
  return text;
}

}  // namespace

SlurmExecutor::SlurmExecutor(Settings settings)
    : settings_(std::move(settings)), job_name_("eptsim-" + short_hash(settings_.folder.string())) {
  for (const char* command : {"sbatch", "squeue", "scancel"}) {
    const Finished run = finished({command, "--version"});
    if (run.status != 0) {
      throw InputError("--executor slurm", trouble_of(command, run),
                       "is Slurm installed, and is it in PATH?");
    }
  }
}

SlurmExecutor::Tasks SlurmExecutor::tasks() const {
  for (unsigned failures = 0;; ++failures) {
    const Finished run =
        finished({"squeue", "--noheader", "--array", "--me", "--name=" + job_name_, "--format=%T"});
    if (run.status == 0) {
      Tasks tasks;
      std::istringstream lines(run.out);
      for (std::string state; std::getline(lines, state); ++tasks.all) {
        if (state == "RUNNING") ++tasks.running;
      }
      return tasks;
    }
    if (failures == kFailuresOfSqueue) throw std::runtime_error(trouble_of("squeue", run));
    std::this_thread::sleep_for(kLookAgain);
  }
}

void SlurmExecutor::submit(const Work& work, const std::vector<std::size_t>& points) const {
  const fs::path folder = settings_.folder / "slurm";
  std::size_t size = (points.size() + kMostTasks - 1) / kMostTasks;
  if (settings_.seconds_per_point > 0) {
    size = std::max(
        size, static_cast<std::size_t>(std::ceil(kSecondsOfATask / settings_.seconds_per_point)));
    if (settings_.jobs) {  // but not so large that some of them would have nothing to do
      const std::size_t share = (points.size() + *settings_.jobs - 1) / *settings_.jobs;
      size = std::max<std::size_t>(1, std::min(size, share));
    }
  }
  std::string tasks;
  for (std::size_t i = 0; i < points.size(); ++i) {
    tasks += "--point " + work.points[points[i]].id;
    tasks += (i + 1) % size == 0 || i + 1 == points.size() ? "\n" : " ";
  }
  const std::size_t count = (points.size() + size - 1) / size;

  std::error_code ignored;
  fs::remove_all(folder, ignored);
  OutputFolder files(folder.string());
  files.write("tasks", tasks);
  files.write("task.sh",
              fmt::format("#!/bin/sh\n# A task of the array: the points of its line in the file "
                          "tasks.\nexec {} sweep {} --paths-from {} --output {} --progress never "
                          "\\\n  $(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" {})\n",
                          quoted(program_path()), quoted(settings_.sweep_file.string()),
                          quoted(settings_.paths_from.string()), quoted(settings_.folder.string()),
                          quoted((folder / "tasks").string())));
  std::string array = fmt::format("--array=0-{}", count - 1);
  if (settings_.jobs) array += fmt::format("%{}", *settings_.jobs);
  const Finished run =
      finished({"sbatch", "--parsable", array, "--job-name=" + job_name_,
                "--output=" + without_patterns(folder.string()) + "/task-%a.log",
                "--chdir=" + fs::current_path().string(), (folder / "task.sh").string()});
  if (run.status != 0) throw InputError("--executor slurm", trouble_of("sbatch", run));
}

void SlurmExecutor::cancel() const { finished({"scancel", "--me", "--name=" + job_name_}); }

void SlurmExecutor::wait(const Work& work, std::vector<std::size_t>& open,
                         const std::atomic<bool>& stop, Watcher& watcher) const {
  const auto begin = std::chrono::steady_clock::now();
  auto look_again = begin;
  bool cancelled = false;
  Tasks tasks;
  for (bool over = false; !over;) {
    if (stop && !cancelled) {
      cancel();
      cancelled = true;
    }
    const auto now = std::chrono::steady_clock::now();
    if (now >= look_again || cancelled) {
      tasks = this->tasks();  // asked first, for a task leaves its results before it ends
      std::erase_if(open, [&](std::size_t point) {
        if (!work.folders[point].done()) return false;
        watcher.ended(point, {});
        return true;
      });
      over = tasks.all == 0;
      // Often while it is young, for a sweep of seconds; then rarely, for the controller's sake.
      const bool young = now - begin < 60s;
      look_again = now + (young ? std::chrono::milliseconds(kLookAgain) : kLookAgainLater);
    }
    watcher.time_passes(tasks.running);
    if (!over) std::this_thread::sleep_for(100ms);
  }
}

void SlurmExecutor::run(const Work& work, const std::atomic<bool>& stop, Watcher& watcher) {
  std::vector<std::size_t> open = work.numbers;
  for (const std::size_t point : open) watcher.began(point);
  wait(work, open, stop, watcher);
  if (stop || open.empty()) return;
  submit(work, open);
  wait(work, open, stop, watcher);
  if (stop) return;
  for (const std::size_t point : open) {
    const std::string last = without_newline(work.folders[point].end_of_log(1));
    watcher.ended(point, last.empty() || last.starts_with("begun")
                             ? "its task was killed, slurm/task-*.log may say why"
                             : last);
  }
}

}  // namespace eptsim::sim::sweep
