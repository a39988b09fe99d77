#pragma once

#include <array>
#include <cstdint>

#include "ept/arch/vmcs.hpp"
#include "ept/arch/vmx_capability.hpp"

namespace eptsim::mmu {

/// What a VMX instruction reports in RFLAGS and the VM-instruction error field (SDM 33.2).
struct VmxResult {
  enum class Kind : std::uint8_t { kSucceed, kFailInvalid, kFailValid };
  Kind kind = Kind::kSucceed;
  arch::VmInstructionError error{};  ///< of kFailValid

  static constexpr VmxResult fail(arch::VmInstructionError number) {
    return {Kind::kFailValid, number};
  }
  explicit constexpr operator bool() const { return kind == Kind::kSucceed; }
  friend constexpr bool operator==(VmxResult, VmxResult) = default;
};

/// A virtual-machine control structure (SDM chapter 27): the fields that ept/arch/vmcs.hpp lists,
/// all zero at first.
class Vmcs {
 public:
  /// What VMREAD gives.
  struct Read {
    VmxResult result;
    std::uint64_t value = 0;  ///< of fewer bits than 64: zero-extended
  };

  /// VMREAD: the field, or by its high-half encoding bits 63:32 of it. Error 12: there is no such
  /// field.
  Read vmread(std::uint64_t encoding) const;
  /// VMWRITE: as many bits of `value` as the field has. Error 12: there is no such field; error 13:
  /// it is exit information, and the processor does not write any field (`writes_any_field`).
  VmxResult vmwrite(std::uint64_t encoding, std::uint64_t value, bool writes_any_field = false);

  /// The processor's own accesses: any field, whole.
  std::uint64_t get(arch::vmcs::Field field) const { return values_[field.row]; }
  void set(arch::vmcs::Field field, std::uint64_t value) {
    values_[field.row] = value & arch::vmcs::mask_of(field.width());
  }

  /// The launch state (SDM 27.11.3).
  bool is_launched() const { return launched_; }
  void set_launched(bool launched) { launched_ = launched; }

 private:
  std::array<std::uint64_t, arch::vmcs::kFieldCount> values_{};
  bool launched_ = false;
};

}  // namespace eptsim::mmu
