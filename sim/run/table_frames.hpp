#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "ept/frame_allocator.hpp"
#include "sim/run/physical_frames.hpp"

namespace eptsim::sim {

/// The frames of paging structures, taken from a memory that holds other things too. The table
/// software of ept/ asks here.
template <class Address>
class TableFrames final : public ept::BasicFrameAllocator<Address> {
 public:
  explicit TableFrames(PhysicalFrames& memory) : memory_(memory) {}

  /// The next structure lies at `frame`, which `memory` keeps for it; one behind those prescribed
  /// before.
  void prescribe(Address frame) { prescribed_.push_back(frame); }
  /// Whether every frame that was prescribed has been given out.
  bool is_as_prescribed() const { return prescribed_.empty(); }

  std::optional<Address> allocate() override {
    if (!prescribed_.empty()) {
      const Address frame = prescribed_.front();
      prescribed_.pop_front();
      bytes_ += arch::bytes(arch::PageSize::k4K);
      return frame;
    }
    const auto frame = memory_.take(arch::PageSize::k4K);
    if (!frame) return std::nullopt;
    bytes_ += arch::bytes(arch::PageSize::k4K);
    return Address(*frame);
  }

  void free(Address frame) override {
    memory_.give_back(frame.value(), arch::PageSize::k4K);
    bytes_ -= arch::bytes(arch::PageSize::k4K);
  }

  /// Bytes of all tables that are in use.
  std::uint64_t bytes() const { return bytes_; }

  /// What changes, for checkpoints, beside the memory's own frames, while all is as prescribed.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(bytes_);
  }

 private:
  PhysicalFrames& memory_;
  std::deque<Address> prescribed_;
  std::uint64_t bytes_ = 0;
};

}  // namespace eptsim::sim
