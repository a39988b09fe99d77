#include "sim/run/pcids.hpp"

#include <algorithm>
#include <utility>

namespace eptsim::sim {

Pcids::Use Pcids::use(const Space& space) {
  if (slots_.empty()) return {};
  auto slot = std::ranges::find(slots_, space, &Slot::space);
  if (slot == slots_.end()) {
    slot = slots_.begin() + static_cast<std::ptrdiff_t>(next_);
    next_ = (next_ + 1) % slots_.size();
    *slot = {.space = space, .stale = true};
  }
  return {.pcid = static_cast<std::uint16_t>(slot - slots_.begin() + 1),
          .flush = std::exchange(slot->stale, false)};
}

std::optional<std::uint16_t> Pcids::of(const Space& space) const {
  const auto slot = std::ranges::find(slots_, space, &Slot::space);
  if (slot == slots_.end()) return std::nullopt;
  return static_cast<std::uint16_t>(slot - slots_.begin() + 1);
}

void Pcids::forget(const Space& space) {
  const auto slot = std::ranges::find(slots_, space, &Slot::space);
  if (slot != slots_.end()) slot->stale = true;
}

}  // namespace eptsim::sim
