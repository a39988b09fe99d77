#include "sim/run/intervals.hpp"

#include <algorithm>

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

Course Intervals::up_to(const Interval& total) const {
  Course course{.length = length_, .intervals = intervals_};
  std::vector<Interval>& all = course.intervals;
  if (all.empty() || total.accesses != before_.accesses) all.emplace_back();
  all.back() += difference(total, before_);
  return course;
}

std::vector<Interval> side_by_side(const std::vector<Course>& cores) {
  std::uint64_t length = 1;
  for (const Course& core : cores) length = std::max(length, core.length);
  std::vector<Interval> sum;
  for (const Course& core : cores) {
    const std::uint64_t each = length / core.length;
    for (std::size_t at = 0; at < core.intervals.size(); ++at) {
      const std::size_t place = at / each;
      if (place == sum.size()) sum.emplace_back();
      sum[place] += core.intervals[at];
    }
  }
  return sum;
}

}  // namespace eptsim::sim
