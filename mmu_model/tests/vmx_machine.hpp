#pragma once

#include <cstdint>
#include <initializer_list>

#include "ept/arch/vmcs.hpp"
#include "ept/arch/vmx_controls.hpp"
#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/vmx/logical_processor.hpp"

/// A logical processor in VMX root operation, with a VMCS for a guest and an EPT whose tables the
/// test writes. The host runs without paging: its linear addresses are host-physical.
namespace eptsim::mmu::test {

namespace vmcs = arch::vmcs;
namespace entry = arch::entry_controls;
namespace exit_control = arch::exit_controls;
namespace pin = arch::pin_controls;
namespace primary = arch::primary_controls;
namespace secondary = arch::secondary_controls;
namespace tertiary = arch::tertiary_controls;
using arch::BitField;
using arch::ExitReason;
using arch::Vector;
using arch::VmInstructionError;

/// Every structure on, and large enough to forget nothing in a test.
CacheSettings full_caches();

class VmxMachine {
 public:
  explicit VmxMachine(unsigned guest_levels = 4, unsigned ept_levels = 4,
                      const VmxCapabilities& capabilities = {});

  WalkTables tables;
  Vmcs vmcs;
  LogicalProcessor cpu;

  /// Writes the VMCS for the guest that `tables.context` describes: unrestricted, with VPID 1,
  /// saving and loading EFER.
  void set_up();
  /// Sets bits of a control field.
  void set(vmcs::Field field, BitField bits, std::uint64_t value = 1) {
    vmcs.set(field, bits.set(vmcs.get(field), value));
  }
  /// VMLAUNCH or VMRESUME, whichever is due, which must succeed.
  void enter();
  /// Leaves the guest: CPUID.
  void leave();

  std::uint64_t at(vmcs::Field field) const { return vmcs.get(field); }
  std::uint64_t reason() const { return at(vmcs::kExitReason); }
  std::uint64_t qualification() const { return at(vmcs::kExitQualification); }

  Completion load(std::uint64_t gva) { return cpu.access({.address = gva}); }
  Completion store(std::uint64_t gva, std::uint64_t value) {
    return cpu.access({.kind = AccessKind::kWrite, .address = gva, .value = value});
  }
  Completion fetch(std::uint64_t gva) {
    return cpu.access({.kind = AccessKind::kFetch, .address = gva, .size = 1});
  }

  /// Writes a 128-bit operand for INVEPT or INVVPID where the host finds it; returns its address.
  std::uint64_t descriptor(std::uint64_t low, std::uint64_t high = 0);

  /// Lets the EPT leaf that maps the 4 KiB at `page` lead to a fresh page whose first word is
  /// `value`, without telling the processor.
  void remap(const PageAddress& page, std::uint64_t value);
};

}  // namespace eptsim::mmu::test
