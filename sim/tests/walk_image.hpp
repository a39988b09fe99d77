#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace eptsim::sim::test {

/// 256 KiB of host-physical memory whose tables are written word by word. EPT of four levels at
/// 0x1000 to 0x4fff: identity with 4 KiB pages, write-back, read, write and execute. Guest tables
/// of four levels at 0x10000 to 0x13fff, everything allowed, the last of them empty.
class WalkImage {
 public:
  static constexpr std::uint64_t kAll = 7;
  static constexpr std::uint64_t kWriteBack = 6 << 3;

  WalkImage() : bytes_(0x40000, '\0') {
    store(0x1000, 0x2000 | kAll);
    store(0x2000, 0x3000 | kAll);
    store(0x3000, 0x4000 | kAll);
    for (std::uint64_t page = 0; page < 512; ++page) ept_page(page, kAll);
    store(0x10000, 0x11000 | kAll);
    store(0x11000, 0x12000 | kAll);
    store(0x12000, 0x13000 | kAll);
  }

  WalkImage& store(std::size_t address, std::uint64_t value, std::size_t size = 8) {
    std::memcpy(bytes_.data() + address, &value, size);
    return *this;
  }
  /// The EPT's entry for page number `page`: `bits` beside its address and type.
  WalkImage& ept_page(std::uint64_t page, std::uint64_t bits) {
    return store(0x4000 + 8 * page, (page << 12) | kWriteBack | bits);
  }
  /// The guest's entry for linear page number `page`.
  WalkImage& guest_page(std::uint64_t page, std::uint64_t entry) {
    return store(0x13000 + 8 * page, entry);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace eptsim::sim::test
