#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace eptsim::sim {

/// A place in text under construction, where there is room: nothing here checks. A local copy stays
/// in registers, whereas a byte stored through a writer's own might be one of that writer.
class JsonCursor {
 public:
  JsonCursor() = default;
  explicit JsonCursor(char* at) : at_(at) {}
  char* at() const { return at_; }

  void text(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }

  /// As above for short text that lies in `Room` readable bytes: a copy of fixed length is a few
  /// stores.
  template <std::size_t Room>
  void short_text(const char (&bytes)[Room], std::size_t size) {
    static_assert(Room <= kSlack);
    std::memcpy(at_, bytes, Room);
    at_ += size;
  }

  /// Takes back the last bytes.
  void drop(std::size_t bytes) { at_ -= bytes; }

  /// Digits alone, without leading zeros.
  void hex(std::uint64_t value) {
    const unsigned digits = (static_cast<unsigned>(std::bit_width(value | 1)) + 3) / 4;
    value <<=
        64 - 4 * digits;  // the first digit goes to the top, and what is stored behind is lost
    const Digits text = hex_digits(value);
    std::memcpy(at_, &text, sizeof text);
    at_ += digits;
  }

  void decimal(std::uint64_t value) {
    if (value < 10) {
      *at_++ = static_cast<char>('0' + value);
      return;
    }
    char digits[20];
    char* first = digits + sizeof digits;
    do {
      *--first = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    text({first, static_cast<std::size_t>(digits + sizeof digits - first)});
  }

  /// Room behind what is written that copies of fixed length may touch.
  static constexpr std::size_t kSlack = 64;

 private:
  using Digits [[gnu::vector_size(16)]] = signed char;
  using Halves [[gnu::vector_size(16)]] = std::uint64_t;

  /// The sixteen digits of `value` as they stand in memory, the first in front: nibbles become
  /// bytes, and those above 9 are moved on to 'a', all at once.
  static Digits hex_digits(std::uint64_t value) {
    static_assert(std::endian::native == std::endian::little);
    constexpr std::uint64_t kNibbles = 0x0f0f0f0f0f0f0f0f;
    value = __builtin_bswap64(value);
    const auto high = std::bit_cast<Digits>(Halves{value >> 4 & kNibbles, 0});
    const auto low = std::bit_cast<Digits>(Halves{value & kNibbles, 0});
    const Digits nibbles =
        __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return nibbles + '0' + ((nibbles > 9) & ('a' - '9' - 1));
  }

  char* at_ = nullptr;
};

/// JSON text under construction, for results that come by the million a second: bytes are stored
/// where they belong, and whoever writes says first how much may come.
class JsonWriter {
 public:
  /// Makes room for `bytes` more. Nothing else checks: a hexadecimal or decimal number takes 20.
  void reserve(std::size_t bytes) {
    if (capacity_ - size() < bytes + JsonCursor::kSlack) grow(bytes + JsonCursor::kSlack);
  }

  void text(std::string_view text) { end_.text(text); }
  void hex(std::uint64_t value) { end_.hex(value); }
  void decimal(std::uint64_t value) { end_.decimal(value); }

  /// For loops that write much: where the text ends, and that it has gone on to `end`.
  JsonCursor end() const { return end_; }
  void go_on_to(JsonCursor end) { end_ = end; }

  std::string_view view() const { return {bytes_.get(), size()}; }
  std::size_t size() const { return static_cast<std::size_t>(end_.at() - bytes_.get()); }
  void clear() { end_ = JsonCursor(bytes_.get()); }

 private:
  void grow(std::size_t bytes) {
    const std::size_t size = this->size();
    const std::size_t capacity = std::bit_ceil(size + bytes);
    std::unique_ptr<char[]> larger(new char[capacity]);
    if (size != 0) std::memcpy(larger.get(), bytes_.get(), size);
    bytes_ = std::move(larger);
    end_ = JsonCursor(bytes_.get() + size);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  JsonCursor end_;
  std::size_t capacity_ = 0;
};

}  // namespace eptsim::sim
