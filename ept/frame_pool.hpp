#pragma once

#include <cstdint>
#include <vector>

#include "ept/frame_allocator.hpp"

namespace eptsim::ept {

/// The frames of one region of memory, given out from its low end upwards; frames given back are
/// used again first, the latest first.
template <class Address>
class BasicFramePool final : public BasicFrameAllocator<Address> {
 public:
  /// `begin` and `end` are multiples of 4096.
  BasicFramePool(Address begin, Address end) : next_(begin), end_(end) {}

  std::optional<Address> allocate() override {
    if (!returned_.empty()) {
      const Address frame = returned_.back();
      returned_.pop_back();
      ++in_use_;
      return frame;
    }
    if (next_ == end_) return std::nullopt;
    const Address frame = next_;
    next_ = next_ + 4096;
    ++in_use_;
    return frame;
  }

  void free(Address frame) override {
    returned_.push_back(frame);
    --in_use_;
  }

  /// Frames given out and not given back.
  std::uint64_t in_use() const { return in_use_; }

 private:
  Address next_;
  Address end_;
  std::vector<Address> returned_;
  std::uint64_t in_use_ = 0;
};

using FramePool = BasicFramePool<arch::Hpa>;
using GuestFramePool = BasicFramePool<arch::Gpa>;

}  // namespace eptsim::ept
