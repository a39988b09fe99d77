#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace eptsim::sim::test {

/// An empty folder that a test's files live in, and goes with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Makes the file `name`, and gives its path.
  std::string write(const std::string& name, const std::string& content) const;
  /// Names of everything below, sorted.
  std::vector<std::string> names() const;

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::filesystem::path& path);

}  // namespace eptsim::sim::test
