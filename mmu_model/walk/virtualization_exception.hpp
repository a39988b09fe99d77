#pragma once

#include <cstdint>

#include "ept/arch/fault.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

/// The virtualization-exception information area, at a host-physical address of the VMCS (SDM
/// 28.5.7.2).
namespace eptsim::mmu::virtualization_exception {

/// The dword that is not zero while the guest handles an exception: then a violation is an exit.
inline constexpr unsigned kBusyOffset = 4;
inline constexpr std::uint8_t kBusySize = 4;

struct Field {
  std::uint8_t offset;
  std::uint8_t size;  ///< bytes
  std::uint64_t value;
};

inline constexpr unsigned kFieldCount = 6;

/// Field `index`, in the order of offsets, of what tells of `violation`. `linear`: the linear
/// address that was being translated; 0 where there was none.
inline Field field(unsigned index, const WalkContext& context, const Outcome& violation,
                   std::uint64_t linear) {
  switch (index) {
    case 0: return {0, 4, static_cast<std::uint64_t>(arch::ExitReason::kEptViolation)};
    case 1: return {kBusyOffset, kBusySize, 0xffff'ffff};
    case 2: return {8, 8, violation.qualification};
    case 3: return {16, 8, linear};
    case 4: return {24, 8, violation.gpa};
    default: return {32, 2, context.raw.eptp_index};
  }
}

}  // namespace eptsim::mmu::virtualization_exception
