#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "ept/arch/access.hpp"
#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "sim/tests/walk_image.hpp"

namespace eptsim::sim::test {

/// Memory and the context, which an access finds and a change changes.
struct World {
  WalkImage image;
  mmu::Context context;
};

/// A copy of an image's bytes.
class Memory final : public arch::PhysicalMemory {
 public:
  explicit Memory(const WalkImage& image) : bytes_(image.bytes()) {}

  std::uint64_t read64(arch::Hpa address) const override {
    std::uint64_t value = 0;
    if (address.value() < bytes_.size()) {
      std::memcpy(&value, bytes_.data() + address.value(), sizeof value);
    }
    return value;
  }
  void write64(arch::Hpa address, std::uint64_t value) override {
    std::memcpy(bytes_.data() + address.value(), &value, sizeof value);
  }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    const std::uint64_t found = read64(address);
    if (found == expected) write64(address, desired);
    return found;
  }

 private:
  std::string bytes_;
};

/// An access that is refused, and what its diagnosis must lead to.
struct Case {
  mmu::Reason reason;
  World world;
  mmu::Request request{.address = 0x5000};
  mmu::Reason then = mmu::Reason::kNone;  ///< after the changes; kNone: it is translated
};

/// Linear page 5 is mapped to 0x20000.
WalkImage image();

/// A 4-level guest on the EPT of an image.
mmu::Context context();

/// Of one byte in page 5.
mmu::Request request(arch::AccessKind access, bool user = false, std::uint64_t address = 0x5000);

/// Accesses refused for each reason there is.
std::vector<Case> all_cases();

}  // namespace eptsim::sim::test
