#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/trace/block_encoder.hpp"
#include "sim/trace/own_header.hpp"
#include "sim/trace/trace_file.hpp"

namespace eptsim::sim {

/// Writes a trace in the own format, each block as it fills. Before finish() what is there of the
/// file can be read, but has no index.
class OwnTraceWriter {
 public:
  struct Options {
    int level = 3;  ///< of zstd, 1 to 19
    std::uint32_t block_records = own::kDefaultBlockRecords;
  };

  /// Throws InputError if the file can't be made. "-" is standard output.
  OwnTraceWriter(const std::string& path, const own::Header& header, Options options);
  OwnTraceWriter(const std::string& path, const own::Header& header)
      : OwnTraceWriter(path, header, Options{}) {}

  /// Throws InputError if a block can't be written (a full disk, a closed pipe).
  void add(const Record& record) {
    encoder_.add(record);
    if (encoder_.records() == options_.block_records) write_block();
  }
  void add(std::span<const Record> records) {
    for (const auto& record : records) add(record);
  }

  /// Records added so far.
  std::uint64_t records() const { return written_ + encoder_.records(); }

  /// Writes the last block and the index and gives the file its name. Throws InputError.
  own::Index finish();

 private:
  void write_block();

  Options options_;
  std::vector<std::uint8_t> header_;
  TraceFile file_;
  own::IndexBuilder index_;
  own::BlockEncoder encoder_;
  std::vector<std::uint8_t> block_;
  std::uint64_t written_ = 0;  ///< records
};

}  // namespace eptsim::sim
