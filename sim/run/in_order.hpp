#pragma once

#include <cstdint>

#include "mmu_model/cycle.hpp"

namespace eptsim::sim {

/// Instructions that go by in order, `width` a cycle: where they have got to.
class InOrder {
 public:
  explicit InOrder(unsigned width) : width_(width) {}

  /// The cycle in which the next may go by, not before `earliest`.
  mmu::Cycle next(mmu::Cycle earliest) const {
    return earliest > cycle_ ? earliest : used_ < width_ ? cycle_ : cycle_ + 1;
  }
  /// Lets it.
  mmu::Cycle pass(mmu::Cycle earliest) {
    const mmu::Cycle cycle = next(earliest);
    used_ = cycle == cycle_ ? used_ + 1 : 1;
    cycle_ = cycle;
    return cycle;
  }
  /// The same of those numbered `begin` up to `end`, one after the other: `earliest(number)`, and
  /// `put(number, cycle)` for each.
  template <class Earliest, class Put>
  void pass_all(std::uint64_t begin, std::uint64_t end, Earliest earliest, Put put) {
    mmu::Cycle cycle = cycle_;
    unsigned used = used_;
    for (std::uint64_t number = begin; number != end; ++number) {
      const mmu::Cycle from = earliest(number);
      if (from > cycle) {
        cycle = from;
        used = 0;
      } else if (used == width_) {
        ++cycle;
        used = 0;
      }
      ++used;
      put(number, cycle);
    }
    cycle_ = cycle;
    used_ = used;
  }
  /// The cycle of the last.
  mmu::Cycle cycle() const { return cycle_; }
  /// None goes by before `cycle`.
  void hold_until(mmu::Cycle cycle) {
    if (cycle <= cycle_) return;
    cycle_ = cycle;
    used_ = 0;
  }
  /// Lets `count` go by one after the other, at full width.
  void skip(std::uint64_t count) {
    const std::uint64_t place = used_ + count - 1;
    cycle_ += place / width_;
    used_ = static_cast<unsigned>(place % width_) + 1;
  }
  /// The next is the first of `cycle`, which may lie before what passed already.
  void restart(mmu::Cycle cycle) {
    cycle_ = cycle;
    used_ = 0;
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cycle_, used_);
  }

 private:
  unsigned width_;
  mmu::Cycle cycle_ = 0;
  unsigned used_ = 0;  ///< of that cycle
};

}  // namespace eptsim::sim
