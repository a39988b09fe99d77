#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/trace/own_format.hpp"

struct ZSTD_DCtx_s;

namespace eptsim::sim::own {

/// A block's header as it stands in the file.
struct BlockHeader {
  struct ColumnSize {
    std::uint32_t raw = 0;
    std::uint32_t stored = 0;
  };
  std::uint32_t records = 0;
  std::uint64_t first_record = 0;
  Counts counts;
  std::array<ColumnSize, kColumns> columns;
  std::uint64_t payload_checksum = 0;
  std::uint64_t header_checksum = 0;

  std::uint64_t payload_bytes() const;
};

/// Reads a header of kBlockHeaderBytes bytes. Throws InputError with `place` if it is damaged:
/// after that its sizes can be trusted not to ask for more memory than such a block may need.
BlockHeader parse_block_header(std::span<const std::byte> bytes, const std::string& place);

/// Gives the records of a block back.
class BlockDecoder {
 public:
  BlockDecoder();
  BlockDecoder(const BlockDecoder&) = delete;
  BlockDecoder& operator=(const BlockDecoder&) = delete;
  ~BlockDecoder();

  /// Begins a block. `payload` isn't needed afterwards; `place` is what errors name. Throws
  /// InputError if the payload is damaged.
  void begin(const BlockHeader& header, std::span<const std::byte> payload, std::string place);

  /// Fills `records` from its start and returns how many, 0 at the end of the block. Throws
  /// InputError if the columns contradict each other.
  std::size_t decode(std::span<Record> records);
  /// Of what `decode` gave last: a bit for each in which an address, or an event's operand, differs
  /// from its own bit 63.
  std::uint64_t bits_unlike_sign() const { return unlike_sign_; }

 private:
  struct Cursor {
    const std::uint8_t* at = nullptr;
    const std::uint8_t* end = nullptr;
  };

  [[noreturn]] void fail(const char* problem) const;
  std::uint64_t varint(Column column);
  void check_moves() const;
  std::uint32_t new_site();
  std::uint32_t take_jump();
  void next_run();

  ZSTD_DCtx_s* decompressor_;
  std::string place_;
  std::array<std::vector<std::uint8_t>, kColumns> columns_;
  std::array<Cursor, kColumns> cursors_;
  std::vector<Site> sites_;
  std::uint32_t site_count_ = 0;
  Expectation expected_;
  std::uint32_t left_ = 0;     ///< records not given yet
  std::uint64_t run_ = 0;      ///< records before the next jump
  std::uint32_t current_ = 0;  ///< site of the last record
  std::uint64_t last_address_ = 0;
  std::uint64_t last_move_ = 0;
  std::uint64_t unlike_sign_ = 0;
};

}  // namespace eptsim::sim::own
