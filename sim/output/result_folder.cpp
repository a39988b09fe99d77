#include "sim/output/result_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#include "sim/input_error.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kExpected = "expected a folder that `eptsim run --output` wrote";

/// Folders with results below `folder`: of the schemes of a comparison, and of its traces.
std::vector<std::string> runs_below(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied,
                                         error);
  for (const fs::recursive_directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (entry.depth() > 1) entry.disable_recursion_pending();
    if (entry->path().filename() == "stats.json") {
      found.push_back(entry->path().parent_path().string());
    }
  }
  std::ranges::sort(found);
  return found;
}

[[noreturn]] void refuse_without_stats(const std::string& folder) {
  std::error_code ignored;
  const fs::path path(folder);
  if (fs::is_directory(path / "points", ignored) && fs::exists(path / "results.json", ignored)) {
    throw InputError(folder, fmt::format("holds a sweep, whose points have reports of their own: "
                                         "{}/points/…, and {}/report.html shows them all",
                                         folder, folder));
  }
  const std::vector<std::string> runs = runs_below(path);
  if (runs.empty()) {
    throw InputError(folder, fmt::format("has no stats.json, {}", kExpected));
  }
  std::string some = runs.front();
  if (runs.size() > 1) some += " " + runs[1];
  throw InputError(folder, fmt::format("holds several runs, each in a folder of its own; to see "
                                       "two of them: eptsim report {}",
                                       some));
}

std::string content_of(const std::string& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) throw InputError(folder, fmt::format("isn't there, {}", kExpected));
  if (!fs::is_directory(status)) {
    throw InputError(folder, fmt::format("isn't a folder, {}", kExpected));
  }
  const fs::path path = fs::path(folder) / "stats.json";
  if (!fs::exists(path, error)) refuse_without_stats(folder);
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file.good()) {
    throw InputError(path.string(), std::string("can't be read: ") + std::strerror(errno));
  }
  return content;
}

}  // namespace

Json read_stats(const std::string& folder) {
  const std::string content = content_of(folder);
  const std::string place = (fs::path(folder) / "stats.json").string();
  Json document;
  try {
    document = Json::parse(content);
  } catch (const Json::parse_error& error) {
    const std::size_t at = std::min(error.byte > 0 ? error.byte - 1 : 0, content.size());
    const std::string_view before = std::string_view(content).substr(0, at);
    const auto line = 1 + std::ranges::count(before, '\n');
    const std::size_t column = at - (before.rfind('\n') + 1) + 1;
    throw InputError(fmt::format("{}:{}:{}", place, line, column),
                     at >= content.size()
                         ? "the file ends too early: run it again with --output"
                         : "isn't JSON here, so the file is damaged: run it again with --output");
  }
  const Json version = document.is_object() ? document.value("schema_version", Json()) : Json();
  if (version.is_null()) {
    throw InputError(place,
                     fmt::format("has no schema_version, so no run wrote it; {}", kExpected));
  }
  if (version != kSchemaVersion) {
    throw InputError(place, fmt::format("has schema_version {}, and this program reads {}: use the "
                                        "version of eptsim that wrote it, or run it again",
                                        version.dump(), kSchemaVersion));
  }
  return document;
}

}  // namespace eptsim::sim
