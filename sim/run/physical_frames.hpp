#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "ept/arch/page_size.hpp"
#include "sim/run/page_list.hpp"

namespace eptsim::sim {

/// How much of a memory isn't free in large blocks, for others hold a part of them.
struct Fragmentation {
  unsigned percent = 0;    ///< of the blocks of 2M, and of those of 1G
  std::uint64_t seed = 1;  ///< which ones
};

/// Free frames of a physical memory, host's or guest's. A frame is aligned to its size. Frames are
/// given out lowest first, a larger free block is split only when nothing smaller is left, and a
/// frame that came back is the next to go: the same requests always get the same addresses.
///
/// In a fragmented memory some blocks are broken: good for smaller frames alone. Whoever asks for a
/// large frame and comes to a broken block gets none, and the block is there for smaller frames
/// from then on. So large frames are refused as often as blocks are broken, however large the
/// memory is: it stands for one that is nearly full, where there is no choice of blocks. A block of
/// 1G that is divided has broken blocks of 2M in the same share. Which blocks are broken is
/// computed from their addresses, and costs no memory.
class PhysicalFrames {
 public:
  /// All of `bytes` but the first 4 KiB, so that no table and no page lies at address 0.
  explicit PhysicalFrames(std::uint64_t bytes, Fragmentation fragmentation = {});

  /// Keeps `ranges`, ascending and apart, for what lies there from the beginning: they count as
  /// taken for good. Of a memory of which nothing is taken yet.
  void reserve(std::vector<FrameRange> ranges);

  /// A frame of 4K, 2M or 1G; nothing if no block of free memory is large enough, or the next one
  /// is broken.
  std::optional<std::uint64_t> take(arch::PageSize size);
  /// Takes back a frame that `take(size)` gave. One that is reserved stays so.
  void give_back(std::uint64_t frame, arch::PageSize size);

  /// The memory's size.
  std::uint64_t bytes() const { return bytes_; }
  /// Bytes of all frames that are out.
  std::uint64_t taken_bytes() const { return taken_bytes_; }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(free_, taken_bytes_);
  }

 private:
  /// Free memory, cut into frames of one size.
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };

  std::optional<std::uint64_t> take_level(unsigned level);
  bool is_reserved(std::uint64_t frame) const;
  bool is_broken(std::uint64_t frame, unsigned level) const;
  void add(std::uint64_t begin, std::uint64_t end, unsigned level);

  std::array<std::deque<Range>, 3> free_;  ///< of 4K, 2M and 1G; the back is used first
  std::uint64_t bytes_;
  Fragmentation fragmentation_;
  std::vector<FrameRange> reserved_;
  std::uint64_t taken_bytes_ = 0;
};

}  // namespace eptsim::sim
