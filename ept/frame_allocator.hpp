#pragma once

#include <optional>

#include "ept/arch/address.hpp"

namespace eptsim::ept {

/// Gives out frames of 4 KiB, aligned to 4 KiB, for paging structures. A frame's old content does
/// not matter: whoever takes it fills it whole.
template <class Address>
class BasicFrameAllocator {
 public:
  virtual ~BasicFrameAllocator() = default;

  /// A frame that nobody uses, or nothing if there is none left.
  virtual std::optional<Address> allocate() = 0;
  /// Takes back a frame that `allocate` gave out.
  virtual void free(Address frame) = 0;
};

/// Frames of host-physical memory: for EPT tables.
using FrameAllocator = BasicFrameAllocator<arch::Hpa>;
/// Frames of guest-physical memory: for a guest's own paging structures.
using GuestFrameAllocator = BasicFrameAllocator<arch::Gpa>;

}  // namespace eptsim::ept
