#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace eptsim::mmu {

/// Least recently used: the way whose last use lies furthest back.
class Lru {
 public:
  Lru(unsigned sets, unsigned ways) : ways_(ways), last_use_(std::size_t{sets} * ways) {}

  void used(std::size_t set, unsigned way) { last_use_[set * ways_ + way] = ++uses_; }
  void filled(std::size_t set, unsigned way) { used(set, way); }
  void prefetch(std::size_t set) const {
    for (unsigned way = 0; way < ways_; way += 8) __builtin_prefetch(&last_use_[set * ways_ + way]);
  }
  unsigned victim(std::size_t set) {
    const std::uint64_t* first = &last_use_[set * ways_];
    return static_cast<unsigned>(std::min_element(first, first + ways_) - first);
  }

 private:
  unsigned ways_;
  std::uint64_t uses_ = 0;
  std::vector<std::uint64_t> last_use_;
};

}  // namespace eptsim::mmu
