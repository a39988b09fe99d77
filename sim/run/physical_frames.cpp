#include "sim/run/physical_frames.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace eptsim::sim {
namespace {

/// Level of the page-table entry that maps a frame, from 0: 4K, 2M, 1G.
unsigned level_of(arch::PageSize size) { return arch::leaf_level(size) - 1; }
std::uint64_t bytes_of_level(unsigned level) { return arch::bytes(arch::page_of_level(level + 1)); }

/// Spreads neighbours all over: the last step of SplitMix64.
constexpr std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58'476d'1ce4'e5b9;
  value = (value ^ (value >> 27)) * 0x94d0'49bb'1331'11eb;
  return value ^ (value >> 31);
}

}  // namespace

PhysicalFrames::PhysicalFrames(std::uint64_t bytes, Fragmentation fragmentation)
    : bytes_(bytes & ~(arch::bytes(arch::PageSize::k4K) - 1)), fragmentation_(fragmentation) {
  const std::uint64_t first = arch::bytes(arch::PageSize::k4K);
  if (bytes_ > first) add(first, bytes_, 2);
}

void PhysicalFrames::reserve(std::vector<FrameRange> ranges) {
  reserved_ = std::move(ranges);
  for (auto& free : free_) free.clear();
  // What lies between them, the last first: the lowest is used first.
  std::uint64_t end = bytes_;
  for (auto range = reserved_.rbegin(); range != reserved_.rend(); ++range) {
    if (range->end < end) add(range->end, end, 2);
    end = range->begin;
    taken_bytes_ += range->end - range->begin;
  }
  const std::uint64_t first = arch::bytes(arch::PageSize::k4K);
  if (first < end) add(first, end, 2);
}

bool PhysicalFrames::is_reserved(std::uint64_t frame) const {
  const auto after = std::ranges::upper_bound(reserved_, frame, {}, &FrameRange::begin);
  return after != reserved_.begin() && frame < std::prev(after)->end;
}

// Whole frames of `level` from the middle; what sticks out on either side serves smaller frames,
// the lower side before the upper one.
void PhysicalFrames::add(std::uint64_t begin, std::uint64_t end, unsigned level) {
  const std::uint64_t size = bytes_of_level(level);
  const std::uint64_t middle_begin = (begin + size - 1) & ~(size - 1);
  const std::uint64_t middle_end = end & ~(size - 1);
  if (middle_begin >= middle_end) {
    // No whole frame, but a boundary may lie in between.
    if (level > 0) add(begin, end, level - 1);
    return;
  }
  if (middle_end < end) add(middle_end, end, level - 1);
  free_[level].push_back({middle_begin, middle_end});
  if (begin < middle_begin) add(begin, middle_begin, level - 1);
}

std::optional<std::uint64_t> PhysicalFrames::take(arch::PageSize size) {
  const unsigned level = level_of(size);
  const auto frame = take_level(level);
  if (!frame) return std::nullopt;
  if (is_broken(*frame, level)) {
    free_[level - 1].push_front({*frame, *frame + arch::bytes(size)});
    return std::nullopt;
  }
  taken_bytes_ += arch::bytes(size);
  return frame;
}

bool PhysicalFrames::is_broken(std::uint64_t frame, unsigned level) const {
  if (level == 0 || fragmentation_.percent == 0) return false;
  // A frame's lowest bits are free to tell the sizes apart.
  return mixed(mixed(fragmentation_.seed) + (frame | level)) % 100 < fragmentation_.percent;
}

std::optional<std::uint64_t> PhysicalFrames::take_level(unsigned level) {
  auto& ranges = free_[level];
  if (ranges.empty()) {
    if (level + 1 == free_.size()) return std::nullopt;
    const auto larger = take_level(level + 1);
    if (!larger) return std::nullopt;
    ranges.push_back({*larger, *larger + bytes_of_level(level + 1)});
  }
  Range& range = ranges.back();
  const std::uint64_t frame = range.begin;
  range.begin += bytes_of_level(level);
  if (range.begin == range.end) ranges.pop_back();
  return frame;
}

void PhysicalFrames::give_back(std::uint64_t frame, arch::PageSize size) {
  if (is_reserved(frame)) return;
  free_[level_of(size)].push_back({frame, frame + arch::bytes(size)});
  taken_bytes_ -= arch::bytes(size);
}

}  // namespace eptsim::sim
