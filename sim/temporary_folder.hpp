#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace eptsim::sim {

/// A folder for files on their way, removed with all that is in it.
class TemporaryFolder {
 public:
  /// `purpose`: part of its name. Throws InputError if there is no place for it.
  explicit TemporaryFolder(std::string_view purpose);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// All of a file's bytes; none if it can't be read.
std::string bytes_of(const std::filesystem::path& file);

}  // namespace eptsim::sim
