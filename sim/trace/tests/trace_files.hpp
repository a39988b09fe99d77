#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/input_error.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {

/// A folder for a test's files, removed at its end.
class TestFolder {
 public:
  TestFolder() {
    auto pattern = (std::filesystem::temp_directory_path() / "eptsim-trace-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  /// Writes a file and gives its path.
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A number's bytes, little-endian.
template <class Number>
std::string bytes_of(Number value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

/// What reading a trace to its end gave: records, and the error that stopped it.
struct ReadResult {
  std::vector<Record> records;
  std::optional<InputError> error;

  std::string message() const { return error ? error->what() : ""; }
};

inline ReadResult read_trace(const std::string& path,
                             std::optional<std::string_view> format = std::nullopt,
                             unsigned linear_bits = 57, std::size_t batch = 7) {
  ReadResult result;
  try {
    const auto reader = open_trace(path, format, linear_bits);
    std::vector<Record> records(batch);
    while (const auto count = reader->read(records))
      result.records.insert(result.records.end(), records.begin(),
                            records.begin() + static_cast<std::ptrdiff_t>(count));
  } catch (const InputError& error) {
    result.error = error;
  }
  return result;
}

inline bool same(const Record& a, const Record& b) {
  return a.address == b.address && a.ip == b.ip && a.instructions == b.instructions &&
         a.depends_on == b.depends_on && a.size == b.size && a.asid == b.asid && a.kind == b.kind &&
         a.vcpu == b.vcpu && a.vm == b.vm;
}

inline bool same(const std::vector<Record>& a, const std::vector<Record>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](const Record& x, const Record& y) { return same(x, y); });
}

inline Record make_record(RecordKind kind, std::uint64_t address, std::uint16_t size,
                          std::uint64_t ip, std::uint32_t instructions,
                          std::uint32_t depends_on = 0) {
  Record record;
  record.kind = kind;
  record.address = address;
  record.size = size;
  record.ip = ip;
  record.instructions = instructions;
  record.depends_on = depends_on;
  return record;
}

}  // namespace eptsim::sim
