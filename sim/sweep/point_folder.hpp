#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "sim/statistics/statistic.hpp"
#include "sim/sweep/grid.hpp"

namespace eptsim::sim::sweep {

/// What a sweep keeps of a point, in a folder named for it:
///   stats.json    appears when the point is done, whole
///   report.html   the same drawn
///   machine.toml  the machine as resolved
///   command       runs it again, for people: `sh command`
///   log           each attempt: when it began, what it said, how it ended
class PointFolder {
 public:
  /// In the folder of a sweep.
  PointFolder(const std::filesystem::path& sweep, const std::string& id);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path log() const { return path_ / "log"; }
  bool done() const;
  /// The stats document, if the point is done. One that can't be read, as a disk that was full may
  /// leave it, is removed: the point isn't done then.
  std::optional<Json> document() const;
  /// Makes the folder, and the file `command`. Throws InputError.
  void describe(const Point& point) const;
  /// Appends a line to the log.
  void note(const std::string& line) const;
  /// The last lines of the log, at most `most`, each with its newline.
  std::string end_of_log(std::size_t most) const;

 private:
  std::filesystem::path path_;
};

/// Removes what processes that were killed have left half-written in a folder, which this process
/// holds.
void remove_remains(const std::filesystem::path& folder);

}  // namespace eptsim::sim::sweep
