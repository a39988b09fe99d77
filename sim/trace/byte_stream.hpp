#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/trace/byte_source.hpp"

namespace eptsim::sim {

/// A buffered ByteSource that can look ahead, and knows where it is: what every reader reads from.
class ByteStream {
 public:
  /// Opens `path` ("-" is standard input) and decompresses what is compressed. Throws InputError.
  explicit ByteStream(const std::string& path);
  /// Reads `source`; `name` is what errors call it.
  ByteStream(std::unique_ptr<ByteSource> source, std::string name);

  /// The next `bytes` bytes, fewer only at the end. Valid until the next call of any function that
  /// isn't const.
  std::span<const std::byte> peek(std::size_t bytes) {
    if (end_ - begin_ < bytes) refill(bytes);
    return std::span(buffer_).subspan(begin_, std::min(bytes, end_ - begin_));
  }
  /// All that is in the buffer, at least one byte unless at the end.
  std::span<const std::byte> peek_some() {
    if (begin_ == end_) refill(kRefill);
    return std::span(buffer_).subspan(begin_, end_ - begin_);
  }
  /// Goes on by `bytes` bytes, which were peeked.
  void consume(std::size_t bytes) { begin_ += bytes; }

  /// Bytes consumed so far, of the decompressed data.
  std::uint64_t offset() const { return before_ + begin_; }
  /// "path: byte 128" or, of compressed files, "path: byte 128 of the decompressed data".
  std::string place(std::uint64_t offset) const;
  /// The same with ", record 3".
  std::string place(std::uint64_t offset, std::uint64_t record) const;

  const std::string& name() const { return name_; }
  /// "gzip", "xz", "zstd", or empty.
  const std::string& compression() const { return compression_; }
  std::optional<double> fraction_read() const { return source_->fraction_read(); }

 private:
  static constexpr std::size_t kRefill = std::size_t{256} * 1024;

  void refill(std::size_t bytes);

  std::string name_;
  std::string compression_;
  std::unique_ptr<ByteSource> source_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t before_ = 0;  ///< offset of the buffer's start
  bool source_ended_ = false;
};

/// A little-endian number at the start of `bytes`.
template <class Number>
Number load_little(const std::byte* bytes) {
  static_assert(std::endian::native == std::endian::little);
  Number value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// Whether `address` is canonical for linear addresses of `bits` bits: the bits above are copies of
/// the highest (SDM 3.3.7.1).
constexpr bool is_canonical(std::uint64_t address, unsigned bits) {
  return ((address + (std::uint64_t{1} << (bits - 1))) >> bits) == 0;
}

}  // namespace eptsim::sim
