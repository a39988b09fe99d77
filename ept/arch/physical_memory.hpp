#pragma once

#include <cstdint>
#include <span>

#include "ept/arch/address.hpp"

namespace eptsim::arch {

/// Host-physical memory as table software and a walk run at once see it. The one seam between the
/// EPT software, the simulated DRAM and memory images: each of them meets the others' bytes here.
/// Addresses are multiples of 8. Memory that was never written reads as zero.
class PhysicalMemory {
 public:
  virtual ~PhysicalMemory() = default;

  virtual std::uint64_t read64(Hpa address) const = 0;
  virtual void write64(Hpa address, std::uint64_t value) = 0;

  /// Stores `desired` if the word equals `expected`. Returns the word found; it was stored if, and
  /// only if, that equals `expected`.
  virtual std::uint64_t compare_exchange64(Hpa address, std::uint64_t expected,
                                           std::uint64_t desired) = 0;

  /// A direct view of the 512 entries of the table at `address` (a multiple of 4096), or an empty
  /// span where this memory offers none. Valid until the memory is next written elsewhere.
  virtual std::span<std::uint64_t> table_view(Hpa address) {
    static_cast<void>(address);
    return {};
  }
};

}  // namespace eptsim::arch
