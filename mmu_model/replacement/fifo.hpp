#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace eptsim::mmu {

/// First in, first out: the way whose fill lies furthest back; hits change nothing.
class Fifo {
 public:
  Fifo(unsigned sets, unsigned ways) : ways_(ways), fill_(std::size_t{sets} * ways) {}

  void used(std::size_t, unsigned) {}
  void filled(std::size_t set, unsigned way) { fill_[set * ways_ + way] = ++fills_; }
  unsigned victim(std::size_t set) {
    const std::uint64_t* first = &fill_[set * ways_];
    return static_cast<unsigned>(std::min_element(first, first + ways_) - first);
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(fills_, fill_);
  }

 private:
  unsigned ways_;
  std::uint64_t fills_ = 0;
  std::vector<std::uint64_t> fill_;
};

}  // namespace eptsim::mmu
