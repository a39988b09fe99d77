#include "mmu_model/memory/line_array.hpp"

#include <algorithm>

namespace eptsim::mmu {
namespace {

/// An array that is off has one set without ways.
std::size_t sets_of(const MemoryCacheSettings& settings) {
  return settings.bytes == 0 ? 1 : settings.bytes / (std::uint64_t{kLineBytes} * settings.ways);
}

}  // namespace

LineArray::LineArray(const MemoryCacheSettings& settings, std::uint64_t seed)
    : ways_(settings.bytes == 0 ? 0 : settings.ways),
      set_mask_(sets_of(settings) - 1),
      tags_(std::max<std::size_t>(1, sets_of(settings) * ways_)),  // `find` reads one at least
      recent_(sets_of(settings)),
      states_(sets_of(settings) * ways_),
      replacement_(settings.replacement, static_cast<unsigned>(sets_of(settings)),
                   static_cast<unsigned>(ways_), seed) {}

std::optional<LineArray::Line> LineArray::insert(std::uint64_t line, LineState state) {
  const std::size_t set = line & set_mask_;
  const std::uint64_t* const tags = &tags_[set * ways_];
  auto way = static_cast<unsigned>(std::find(tags, tags + ways_, 0u) - tags);
  if (way == ways_) way = replacement_.victim(set);
  const std::size_t place = set * ways_ + way;
  std::optional<Line> victim;
  if (tags_[place] != 0) victim = Line{tags_[place] - 1, states_[place]};
  tags_[place] = line + 1;
  states_[place] = state;
  recent_[set] = way;
  replacement_.filled(set, way);
  return victim;
}

}  // namespace eptsim::mmu
