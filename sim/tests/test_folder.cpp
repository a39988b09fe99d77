#include "sim/tests/test_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace eptsim::sim::test {
namespace fs = std::filesystem;

std::string TestFolder::write(const std::string& name, const std::string& content) const {
  std::ofstream(path() / name, std::ios::binary) << content;
  return (path() / name).string();
}

std::vector<std::string> TestFolder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(path())) {
    names.push_back(fs::relative(entry.path(), path()).string());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace eptsim::sim::test
