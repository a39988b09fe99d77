#include "ept/mapping.hpp"

#include <algorithm>

namespace eptsim::ept {

Mappings::Iterator::Iterator(const Mappings& pages)
    : pages_(&pages), level_(pages.settings_.depth), next_gpa_(pages.range_.begin.value()) {
  path_[level_] = pages.root_;
  find_next();
}

Mappings::Iterator& Mappings::Iterator::operator++() {
  find_next();
  return *this;
}

void Mappings::Iterator::find_next() {
  const Settings& settings = pages_->settings_;
  const std::uint64_t end =
      std::min(pages_->range_.end.value(), std::uint64_t{1} << settings.guest_physical_width());
  while (next_gpa_ < end) {
    const arch::Hpa address = path_[level_] + 8 * arch::table_index(next_gpa_, level_);
    const std::uint64_t entry = pages_->memory_->read64(address);
    const bool present = format::is_present(entry, settings);
    if (present && !format::maps_page(entry, level_)) {
      --level_;
      path_[level_] = format::address(entry, level_ + 1, settings);
      continue;
    }
    const std::uint64_t begin = next_gpa_ & ~(format::coverage(level_) - 1);
    if (present) {
      current_ = {arch::Gpa(begin), format::address(entry, level_, settings),
                  arch::page_of_level(level_), entry, address};
    }
    next_gpa_ = begin + format::coverage(level_);
    while (level_ < settings.depth && (next_gpa_ & (format::coverage(level_ + 1) - 1)) == 0) {
      ++level_;
    }
    if (present) return;
  }
  done_ = true;
}

}  // namespace eptsim::ept
