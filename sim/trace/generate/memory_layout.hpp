#pragma once

#include <cstdint>
#include <vector>

#include "sim/trace/generate/emitter.hpp"
#include "sim/trace/generate/random.hpp"

/// Where a generated program's data lie, and how the program fills them before it begins.
namespace eptsim::sim::generate {

/// Where the arrays begin: at a boundary of every page size, far from code.
constexpr std::uint64_t kData = 0x1000'0000'0000;
constexpr std::uint64_t kPageBytes = 4096;

constexpr std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + kPageBytes - 1) & ~(kPageBytes - 1);
}

/// What a program writes of an array before it begins: `count` stores of `size` bytes, each
/// `stride` bytes after the one before.
struct InitialStores {
  std::uint64_t begin = 0;
  std::uint64_t count = 0;
  std::uint64_t stride = 0;
  std::uint16_t size = 8;
  /// How many lines a store may stand behind the start of its stride: see line_of_node().
  std::uint64_t lines = 1;
};

/// Node i's line in its page, of `lines`. Neighbours take successive lines, so that nodes fall
/// evenly on the sets of a first-level cache, which pages don't choose; and each 64 pages begin at
/// a random one, so that no order in which the system gives out frames brings lines together in the
/// sets of a larger cache.
constexpr std::uint64_t line_of_node(std::uint64_t i, std::uint64_t lines) {
  return (i + random_at(0, i >> 6)) & (lines - 1);
}

/// Arrays one after another, each from a page's start.
class MemoryLayout {
 public:
  enum class Init : std::uint8_t { kOff, kTouch, kFull };

  explicit MemoryLayout(Init init) : init_(init) {}

  /// An array that the program doesn't fill before it begins. Returns its address.
  std::uint64_t array(std::uint64_t bytes) {
    const auto begin = end_;
    end_ += whole_pages(bytes);
    return begin;
  }
  /// An array of `count` elements that it does fill, element by element.
  std::uint64_t filled_array(std::uint64_t count, std::uint16_t element) {
    const auto begin = array(count * element);
    if (init_ == Init::kFull) stores_.push_back({begin, count, element, element});
    if (init_ == Init::kTouch)
      stores_.push_back({begin, whole_pages(count * element) / kPageBytes, kPageBytes, element});
    return begin;
  }
  /// Nodes of which the program writes a word each.
  std::uint64_t nodes(std::uint64_t count, std::uint64_t stride, std::uint64_t lines) {
    const auto begin = array(count * stride);
    if (init_ == Init::kFull || (init_ == Init::kTouch && stride >= kPageBytes))
      stores_.push_back({begin, count, stride, 8, lines});
    else if (init_ == Init::kTouch)
      stores_.push_back({begin, whole_pages(count * stride) / kPageBytes, kPageBytes, 8});
    return begin;
  }

  const std::vector<InitialStores>& initial_stores() const { return stores_; }

 private:
  Init init_;
  std::uint64_t end_ = kData;
  std::vector<InitialStores> stores_;
};

/// The phase before the program proper: its initial stores, in the order of their addresses.
class InitPhase {
 public:
  explicit InitPhase(std::vector<InitialStores> stores) : stores_(std::move(stores)) {}

  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const auto& stores : stores_) sum += stores.count;
    return sum;
  }

  bool done() const { return array_ == stores_.size(); }

  void step(Emitter& out) {
    // mov [reg], reg; add; cmp; jne
    const Site site = {kInitCode + 16 * array_, RecordKind::kWrite, stores_[array_].size, 4};
    const auto& stores = stores_[array_];
    out.access(site,
               stores.begin + index_ * stores.stride + 64 * line_of_node(index_, stores.lines));
    if (++index_ < stores.count) return;
    index_ = 0;
    ++array_;
  }

 private:
  std::vector<InitialStores> stores_;
  std::size_t array_ = 0;
  std::uint64_t index_ = 0;
};

}  // namespace eptsim::sim::generate
