#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eptsim::mmu {

/// Tree pseudo-LRU: a binary tree over the ways of a set, each node one bit that points away from
/// the half used last. `ways` is a power of two.
class TreePlru {
 public:
  TreePlru(unsigned sets, unsigned ways) : ways_(ways), points_right_(std::size_t{sets} * ways) {}

  void used(std::size_t set, unsigned way) {
    std::uint8_t* tree = &points_right_[set * ways_];
    for (unsigned node = ways_ + way; node > 1; node /= 2) tree[node / 2] = node % 2 == 0;
  }
  void filled(std::size_t set, unsigned way) { used(set, way); }
  unsigned victim(std::size_t set) {
    const std::uint8_t* tree = &points_right_[set * ways_];
    unsigned node = 1;
    while (node < ways_) node = 2 * node + tree[node];
    return node - ways_;
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(points_right_);
  }

 private:
  unsigned ways_;
  /// Nodes as in a heap: the root is 1, the children of n are 2n and 2n + 1, and way w would be
  /// node ways + w.
  std::vector<std::uint8_t> points_right_;
};

}  // namespace eptsim::mmu
