#include "sim/run/intervals.hpp"

namespace eptsim::sim {
namespace {

template <typename Function>
void for_each_member(Interval& to, const Interval& from, Function function) {
  function(to.accesses, from.accesses);
  function(to.instructions, from.instructions);
  function(to.cycles, from.cycles);
  function(to.translation_cycles, from.translation_cycles);
  function(to.exit_cycles, from.exit_cycles);
  function(to.lookups, from.lookups);
  function(to.first_level_misses, from.first_level_misses);
  function(to.tlb_misses, from.tlb_misses);
  function(to.walks, from.walks);
  function(to.walk_cycles, from.walk_cycles);
}

Interval difference(Interval total, const Interval& before) { return total -= before; }

}  // namespace

Interval& Interval::operator+=(const Interval& other) {
  for_each_member(*this, other, [](std::uint64_t& to, std::uint64_t from) { to += from; });
  return *this;
}

Interval& Interval::operator-=(const Interval& other) {
  for_each_member(*this, other, [](std::uint64_t& to, std::uint64_t from) { to -= from; });
  return *this;
}

void Intervals::end(const Interval& total) {
  intervals_.push_back(difference(total, before_));
  before_ = total;
  if (intervals_.size() == kIntervals) {
    for (std::size_t i = 0; i < kIntervals / 2; ++i) {
      intervals_[i] = intervals_[2 * i];
      intervals_[i] += intervals_[2 * i + 1];
    }
    intervals_.resize(kIntervals / 2);
    length_ *= 2;
  }
  end_ = total.accesses + length_;
}

std::vector<Interval> Intervals::up_to(const Interval& total) const {
  std::vector<Interval> all = intervals_;
  if (all.empty() || total.accesses != before_.accesses) all.emplace_back();
  all.back() += difference(total, before_);
  return all;
}

}  // namespace eptsim::sim
