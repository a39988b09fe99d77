#include "mmu_model/memory/line_array.hpp"

#include <algorithm>
#include <bit>

namespace eptsim::mmu {
namespace {

/// An array that is off has one set without ways.
std::size_t sets_of(const MemoryCacheSettings& settings) {
  return settings.bytes == 0 ? 1 : settings.bytes / (std::uint64_t{kLineBytes} * settings.ways);
}

}  // namespace

LineArray::LineArray(const MemoryCacheSettings& settings, std::uint64_t seed)
    : ways_(settings.bytes == 0 ? 0 : settings.ways),
      words_((ways_ + 7) / 8),
      set_mask_(sets_of(settings) - 1),
      set_bits_(static_cast<unsigned>(std::countr_zero(sets_of(settings)))),
      marks_(std::max<std::size_t>(1, sets_of(settings) * words_)),
      tags_(std::max<std::size_t>(1, sets_of(settings) * ways_)),  // look-ups read one at least
      recent_(sets_of(settings)),
      arrivals_(sets_of(settings) * ways_),
      replacement_(settings.replacement, static_cast<unsigned>(sets_of(settings)),
                   static_cast<unsigned>(ways_), seed) {
  if (ways_ % 8 == 0) return;
  for (std::size_t set = 0; set <= set_mask_; ++set) {
    for (std::size_t way = ways_; way < 8 * words_; ++way) set_mark(set, way, kNoWay);
  }
}

std::optional<LineArray::Line> LineArray::insert(std::uint64_t line, LineState state) {
  const std::size_t place = take_place(line);
  std::optional<Line> victim;
  if (tags_[place] != 0) {
    victim = Line{(tags_[place] << kFlagBits >> kFlagBits) - 1, this->state(place)};
  }
  tags_[place] = (line + 1) | (state.dirty ? kDirty : 0);
  if (state.arrives != 0) {
    tags_[place] |= kUnderWay;
    arrivals_[place] = {state.arrives, state.source};
  }
  return victim;
}

}  // namespace eptsim::mmu
