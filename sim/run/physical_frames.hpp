#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "ept/arch/page_size.hpp"

namespace eptsim::sim {

/// Free frames of a physical memory, host's or guest's. A frame is aligned to its size. Frames are
/// given out lowest first, a larger free block is split only when nothing smaller is left, and a
/// frame that came back is the next to go: the same requests always get the same addresses.
class PhysicalFrames {
 public:
  /// All of `bytes` but the first 4 KiB, so that no table and no page lies at address 0.
  explicit PhysicalFrames(std::uint64_t bytes);

  /// A frame of 4K, 2M or 1G; nothing if no block of free memory is large enough.
  std::optional<std::uint64_t> take(arch::PageSize size);
  /// Takes back a frame that `take(size)` gave.
  void give_back(std::uint64_t frame, arch::PageSize size);

  /// The memory's size.
  std::uint64_t bytes() const { return bytes_; }
  /// Bytes of all frames that are out.
  std::uint64_t taken_bytes() const { return taken_bytes_; }

 private:
  /// Free memory, cut into frames of one size.
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };

  std::optional<std::uint64_t> take_level(unsigned level);
  void add(std::uint64_t begin, std::uint64_t end, unsigned level);

  std::array<std::vector<Range>, 3> free_;  ///< of 4K, 2M and 1G; the back is used first
  std::uint64_t bytes_;
  std::uint64_t taken_bytes_ = 0;
};

}  // namespace eptsim::sim
