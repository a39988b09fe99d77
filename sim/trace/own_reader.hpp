#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/trace/block_decoder.hpp"
#include "sim/trace/byte_stream.hpp"
#include "sim/trace/own_header.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {

constexpr std::string_view kOwnFormatName = "eptsim";

/// Reads the own format front to back, from a pipe too.
class OwnTraceReader final : public TraceReader {
 public:
  /// `linear_bits` is 48 or 57: an address that isn't canonical for it is an InputError.
  OwnTraceReader(ByteStream stream, unsigned linear_bits);

  std::size_t read(std::span<Record> records) override;
  std::string_view format() const override { return kOwnFormatName; }
  bool has_fetches() const override { return header_.fetches; }
  std::vector<LinearArea> areas() const override;
  std::optional<std::uint64_t> total_accesses() const override { return total_; }
  std::optional<double> fraction_read() const override { return stream_.fraction_read(); }

  const own::Header& header() const { return header_; }
  /// After the end: whether the trace ended with its index, as it does unless its writer was
  /// killed.
  bool found_index() const { return found_index_; }

 private:
  bool next_block();
  void check_index(std::uint64_t offset);
  std::size_t find_address_not_canonical(std::span<const Record> records) const;
  [[noreturn]] void fail_not_canonical(const Record& record) const;

  ByteStream stream_;
  unsigned linear_bits_;
  own::Header header_;
  std::optional<std::uint64_t> total_;
  std::unique_ptr<own::IndexBuilder> index_;
  own::BlockDecoder decoder_;
  std::uint64_t block_offset_ = 0;
  std::uint64_t records_ = 0;         ///< given so far
  std::optional<Record> bad_record_;  ///< found, but records before it were given first
  bool ended_ = false;
  bool found_index_ = false;
};

/// A file in the own format of which any block can be read, in any order and by several threads.
class OwnTraceFile {
 public:
  /// Reads header and index; a missing index is made again from the blocks' headers. The file must
  /// not be compressed as a whole. Throws InputError.
  explicit OwnTraceFile(const std::string& path);
  OwnTraceFile(const OwnTraceFile&) = delete;
  OwnTraceFile& operator=(const OwnTraceFile&) = delete;
  ~OwnTraceFile();

  const own::Header& header() const { return header_; }
  const own::Index& index() const { return index_; }
  bool had_index() const { return had_index_; }

  /// Whether any record may be of another address space, vCPU or VM than number 0: the blocks'
  /// headers tell. Throws InputError if one is damaged.
  bool has_contexts() const;

  /// All records of block `number`. Throws InputError if it is damaged. Safe in several threads.
  std::vector<Record> block(std::size_t number) const;

 private:
  std::vector<std::byte> bytes(std::uint64_t offset, std::uint64_t count) const;
  std::string place(std::uint64_t offset) const;
  bool load_index(std::uint64_t size);
  void rebuild_index(std::span<const std::byte> header, std::uint64_t size);

  std::string path_;
  int descriptor_;
  own::Header header_;
  own::Index index_;
  bool had_index_ = false;
};

}  // namespace eptsim::sim
