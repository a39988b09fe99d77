#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace eptsim::sim {

/// A file that appears whole or not at all: written beside its place and renamed. Devices and
/// pipes, which a rename would replace, are written to as they are.
class OutputFile {
 public:
  /// Finds out now, before a long run, whether `path` can be written. Throws InputError, also for
  /// "-": who can write to standard output does so without a file.
  explicit OutputFile(const std::string& path);

  /// Makes the file, or replaces it. Throws InputError, and leaves what was there before.
  void write(std::string_view content) const;

 private:
  std::string shown_;           ///< as the user wrote it
  std::filesystem::path path_;  ///< links followed
  bool in_place_ = false;
};

/// A folder for results, made if it isn't there.
class OutputFolder {
 public:
  /// Throws InputError if `path` can't be made or nothing can be written in it, or is "-".
  explicit OutputFolder(const std::string& path);
  /// Takes the folder away again if this made it and nothing was written.
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// Writes the file `name`. Throws InputError.
  void write(const std::string& name, std::string_view content);

 private:
  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  ///< folders that weren't there before, deepest first
  bool used_ = false;
};

/// What messages call the file at `path`: standard output has no name of its own.
inline std::string output_name(const std::string& path) {
  return path == "-" ? "standard output" : path;
}

/// Writes to standard output at once. Throws InputError if it is closed or full.
void write_standard_output(std::string_view text);

}  // namespace eptsim::sim
