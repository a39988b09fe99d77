#include "ept/pending_invalidation.hpp"

#include <algorithm>

namespace eptsim::ept {

void PendingInvalidation::add(GpaRange range) {
  if (range.begin >= range.end) return;
  // Ranges usually come in ascending order: only the last can touch the new one.
  auto first = ranges_.end();
  if (!ranges_.empty() && range.begin <= ranges_.back().end) {
    first = std::ranges::lower_bound(ranges_, range.begin, {}, &GpaRange::end);
  }
  auto last = first;
  while (last != ranges_.end() && last->begin <= range.end) {
    range.begin = std::min(range.begin, last->begin);
    range.end = std::max(range.end, last->end);
    ++last;
  }
  if (first == last) {
    ranges_.insert(first, range);
  } else {
    *first = range;
    ranges_.erase(first + 1, last);
  }
}

void PendingInvalidation::merge(PendingInvalidation other) {
  for (const GpaRange& range : other.ranges_) add(range);
  frames_.insert(frames_.end(), other.frames_.begin(), other.frames_.end());
}

}  // namespace eptsim::ept
