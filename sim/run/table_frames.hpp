#pragma once

#include <cstdint>
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

  std::optional<Address> allocate() override {
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

  /// What changes, for checkpoints, beside the memory's own frames.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(bytes_);
  }

 private:
  PhysicalFrames& memory_;
  std::uint64_t bytes_ = 0;
};

}  // namespace eptsim::sim
