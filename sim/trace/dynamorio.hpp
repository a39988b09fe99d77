#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/trace/byte_stream.hpp"
#include "sim/trace/record_reader.hpp"
#include "sim/trace/zip.hpp"

namespace eptsim::sim {

/// DynamoRIO's offline traces, post-processed: a zip a thread, whose members chunk.NNNN, one after
/// the other, are packed records of 12 bytes (type, size, address). The trace of several threads is
/// several such files. The vCPU of all records is 0.
class DynamorioReader final : public RecordReader {
 public:
  static constexpr std::string_view kName = "dynamorio";

  /// `name` is what errors call the archive. Throws InputError if it has no such members, or if
  /// they don't begin with a header.
  DynamorioReader(std::unique_ptr<RandomAccessBytes> archive, std::string name,
                  unsigned linear_bits);

  std::string_view format() const override { return kName; }
  bool has_fetches() const override { return true; }
  std::optional<double> fraction_read() const override;

 private:
  struct Entry {
    std::uint16_t type = 0;
    std::uint16_t size = 0;
    std::uint64_t address = 0;
  };

  bool next(Record& record) override;
  bool next_entry(Entry& entry);
  bool open_next_chunk();
  [[noreturn]] void fail(const std::string& problem) const;

  std::unique_ptr<RandomAccessBytes> archive_;
  std::string name_;
  unsigned linear_bits_;
  std::vector<ZipMember> chunks_;
  std::size_t next_chunk_ = 0;
  std::optional<ByteStream> chunk_;
  std::uint64_t entry_ = 0;  ///< number of the one read last, from 1
  std::uint64_t entry_offset_ = 0;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t ip_ = 0;
  bool ended_ = false;  ///< the footer came
};

}  // namespace eptsim::sim
