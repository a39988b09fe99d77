#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace eptsim::sim {

/// A trace being written to a file. Until finish() it is called PATH.part, unless PATH is a device
/// or a pipe, which is written directly; "-" is standard output.
class TraceFile {
 public:
  /// Throws InputError if the file can't be made.
  explicit TraceFile(const std::string& path);
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;
  /// Without finish() removes what was written.
  ~TraceFile();

  /// Throws InputError if it can't be written (a full disk, a closed pipe).
  void write(std::span<const std::uint8_t> bytes);
  /// Bytes so far.
  std::uint64_t offset() const { return offset_; }
  /// Gives the file its name. Throws InputError.
  void finish();

 private:
  [[noreturn]] void fail() const;

  std::string path_;
  std::string working_path_;  ///< PATH.part, or empty
  int descriptor_ = -1;
  std::uint64_t offset_ = 0;
};

}  // namespace eptsim::sim
