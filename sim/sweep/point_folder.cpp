#include "sim/sweep/point_folder.hpp"

#include <fmt/format.h>

#include <fstream>

#include "sim/output/output_file.hpp"
#include "sim/statistics/run_report.hpp"
#include "sim/sweep/shell.hpp"
#include "sim/temporary_folder.hpp"
#include "sim/trace/generate/workload.hpp"

namespace eptsim::sim::sweep {
namespace fs = std::filesystem;
namespace {

/// The machine as resolved has the settings and the scheme's pages; what is left are options.
std::string command_of(const Point& point) {
  const RunRequest& request = point.request;
  const RunSettings& settings = request.settings;
  std::string command = quoted(program_path()) + " run";
  for (const std::string& trace : request.trace_paths) {
    const bool is_file = !generate::is_generated(trace);
    command += " " + quoted(is_file ? fs::absolute(trace).lexically_normal().string() : trace);
  }
  command += " --machine \"$(dirname \"$0\")/machine.toml\"";
  command +=
      fmt::format(" --mode {} --detail {} --walker {} --seed {}", name(settings.mode),
                  name(settings.detail), name(settings.walker), settings.machine.hardware.seed);
  if (settings.warmup != 0) command += fmt::format(" --warmup {}", settings.warmup);
  if (settings.limit) command += fmt::format(" --limit {}", *settings.limit);
  if (request.fetch) command += *request.fetch ? " --fetch on" : " --fetch off";
  if (request.format) command += " --format " + *request.format;
  return command;
}

}  // namespace

PointFolder::PointFolder(const fs::path& sweep, const std::string& id)
    : path_(sweep / "points" / id) {}

bool PointFolder::done() const {
  std::error_code ignored;
  return fs::exists(path_ / "stats.json", ignored);
}

std::optional<Json> PointFolder::document() const {
  if (!done()) return std::nullopt;
  Json document = Json::parse(bytes_of(path_ / "stats.json"), nullptr, false);
  if (document.is_object() && document.contains("stats")) return document;
  std::error_code ignored;
  fs::remove(path_ / "stats.json", ignored);
  return std::nullopt;
}

void PointFolder::describe(const Point& point) const {
  OutputFolder folder(path_.string());
  folder.write("machine.toml", machine_as_toml(point.request.settings.machine));
  folder.write("command",
               "#!/bin/sh\n# Runs this point of a sweep by itself, and prints what comes out. "
               "Further options of\n# `eptsim run` may follow: sh command --json -\nexec " +
                   command_of(point) + " \"$@\"\n");
}

void PointFolder::note(const std::string& line) const {
  std::ofstream(log(), std::ios::app) << line + "\n";
}

std::string PointFolder::end_of_log(std::size_t most) const {
  const std::string text = bytes_of(log());
  std::size_t begin = text.size();
  for (std::size_t lines = 0; begin > 0; --begin) {
    if (text[begin - 1] == '\n' && begin < text.size() && ++lines == most) break;
  }
  return text.substr(begin);
}

void remove_remains(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::error_code ignored;
    if (entry.path().filename().string().starts_with('.')) fs::remove(entry.path(), ignored);
  }
}

}  // namespace eptsim::sim::sweep
