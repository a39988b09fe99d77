#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace eptsim::sim {

/// JSON text under construction, for results that come by the million a second: bytes are stored
/// where they belong, and whoever writes says first how much may come.
class JsonWriter {
 public:
  /// Makes room for `bytes` more. Nothing else checks: a hexadecimal or decimal number takes 20.
  void reserve(std::size_t bytes) {
    if (capacity_ - size_ < bytes + kSlack) grow(bytes + kSlack);
  }

  void text(std::string_view text) {
    std::memcpy(end(), text.data(), text.size());
    size_ += text.size();
  }

  /// As above for short text that lies in `Room` readable bytes: a copy of fixed length is a few
  /// stores.
  template <std::size_t Room>
  void short_text(const char (&bytes)[Room], std::size_t size) {
    static_assert(Room <= kSlack);
    std::memcpy(end(), bytes, Room);
    size_ += size;
  }

  /// Digits alone, without leading zeros.
  void hex(std::uint64_t value) {
    const unsigned digits = (static_cast<unsigned>(std::bit_width(value | 1)) + 3) / 4;
    value <<=
        64 - 4 * digits;  // the first digit goes to the top, and what is stored behind is lost
    const std::uint64_t words[] = {hex_digits(static_cast<std::uint32_t>(value >> 32)),
                                   hex_digits(static_cast<std::uint32_t>(value))};
    std::memcpy(end(), words, sizeof words);
    size_ += digits;
  }

  void decimal(std::uint64_t value) {
    char digits[20];
    char* first = digits + sizeof digits;
    do {
      *--first = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    text({first, static_cast<std::size_t>(digits + sizeof digits - first)});
  }

  std::string_view view() const { return {bytes_.get(), size_}; }
  std::size_t size() const { return size_; }
  void clear() { size_ = 0; }

 private:
  /// Room that is always there behind what was reserved, for copies of fixed length.
  static constexpr std::size_t kSlack = 64;

  char* end() { return bytes_.get() + size_; }

  void grow(std::size_t bytes) {
    const std::size_t capacity = std::bit_ceil(size_ + bytes);
    std::unique_ptr<char[]> larger(new char[capacity]);
    if (size_ != 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  /// The eight digits of `half` as they stand in memory, the first in the lowest byte: all nibbles
  /// are spread to bytes at once, then those above 9 moved on to 'a'.
  static std::uint64_t hex_digits(std::uint32_t half) {
    static_assert(std::endian::native == std::endian::little);
    std::uint64_t nibbles = half;
    nibbles = (nibbles | nibbles << 16) & 0x0000ffff0000ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff00ff00ff00ff;
    nibbles = (nibbles | nibbles << 4) & 0x0f0f0f0f0f0f0f0f;
    nibbles = __builtin_bswap64(nibbles);
    const std::uint64_t letters = ((nibbles + 0x0606060606060606) >> 4) & 0x0101010101010101;
    return nibbles + 0x3030303030303030 + letters * ('a' - '9' - 1);
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace eptsim::sim
