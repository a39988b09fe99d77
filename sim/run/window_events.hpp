#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <vector>

#include "mmu_model/cycle.hpp"
#include "sim/run/window_access.hpp"

namespace eptsim::sim::window {

/// What is due when to the accesses of a window, one event each at most: in the order of cycles,
/// those of one cycle in that of the program.
///
/// Most lie a few cycles ahead. Those of the next kNear cycles are lists by cycle, linked through
/// their accesses, which wait for nothing else; the few others are a heap.
class Events {
 public:
  /// `accesses`: the window's ring, of a power of two.
  explicit Events(std::vector<Access>& accesses) : accesses_(accesses) {}

  /// The first cycle with an event, kNever if there is none.
  mmu::Cycle next() const { return std::min(next_near(), next_far()); }
  /// Takes the first event, which is of cycle `next`.
  Position pop(mmu::Cycle next) {
    begin_ = std::max(begin_, next);
    if (next_near() != next || (next_far() == next && far_.front().position < first_of(next))) {
      const Position position = far_.front().position;
      std::ranges::pop_heap(far_, std::greater<>{});
      far_.pop_back();
      return position;
    }
    Position& first = first_of(next);
    const Position position = first;
    first = link_of(position);
    if (first == kNowhere) near_ &= ~bit_of(next);
    return position;
  }
  /// `now`: none will be sooner, as a rule.
  void push(mmu::Cycle cycle, Position position, mmu::Cycle now) {
    if (near_ == 0) begin_ = now;
    if (cycle - begin_ >= kNear) {  // or sooner, against the rule
      far_.push_back({cycle, position});
      std::ranges::push_heap(far_, std::greater<>{});
      return;
    }
    Position* link = &first_of(cycle);
    if ((near_ & bit_of(cycle)) == 0) *link = kNowhere;
    near_ |= bit_of(cycle);
    while (*link < position) link = &link_of(*link);
    link_of(position) = *link;
    *link = position;
  }
  void clear() {
    near_ = 0;
    far_.clear();
  }

 private:
  static constexpr unsigned kNear = 64;
  static_assert(kNowhere == ~Position{0});  // beyond all others in the order of a list

  struct Far {
    mmu::Cycle cycle;
    Position position;
    friend bool operator>(const Far& a, const Far& b) {
      return a.cycle != b.cycle ? a.cycle > b.cycle : a.position > b.position;
    }
  };

  static std::uint64_t bit_of(mmu::Cycle cycle) { return std::uint64_t{1} << cycle % kNear; }
  Position& first_of(mmu::Cycle cycle) { return first_[cycle % kNear]; }
  Position& link_of(Position position) {
    return accesses_[position & (accesses_.size() - 1)].next_waiting;
  }
  mmu::Cycle next_near() const {
    if (near_ == 0) return mmu::kNever;
    return begin_ + static_cast<unsigned>(
                        std::countr_zero(std::rotr(near_, static_cast<int>(begin_ % kNear))));
  }
  mmu::Cycle next_far() const { return far_.empty() ? mmu::kNever : far_.front().cycle; }

  std::vector<Access>& accesses_;
  std::uint64_t near_ = 0;             ///< a bit for each cycle from `begin_` on that has events
  mmu::Cycle begin_ = 0;               ///< no near event is sooner
  std::array<Position, kNear> first_;  ///< by cycle, where `near_` says so
  std::vector<Far> far_;
};

}  // namespace eptsim::sim::window
