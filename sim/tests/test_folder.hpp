#pragma once

#include <string>
#include <vector>

#include "sim/temporary_folder.hpp"

namespace eptsim::sim::test {

/// An empty folder that a test's files live in, and goes with it.
class TestFolder : public TemporaryFolder {
 public:
  TestFolder() : TemporaryFolder("test") {}

  /// Makes the file `name`, and gives its path.
  std::string write(const std::string& name, const std::string& content) const;
  /// Names of everything below, sorted.
  std::vector<std::string> names() const;
};

}  // namespace eptsim::sim::test
