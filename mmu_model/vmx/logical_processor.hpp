#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "ept/arch/access.hpp"
#include "ept/arch/physical_memory.hpp"
#include "mmu_model/caches/translation_caches.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/vmx/completion.hpp"
#include "mmu_model/vmx/registers.hpp"
#include "mmu_model/vmx/vm_entry.hpp"
#include "mmu_model/vmx/vmcs.hpp"
#include "mmu_model/vmx/vmx_capabilities.hpp"

namespace eptsim::mmu {

/// An access to memory by an instruction, or by the processor on its behalf.
struct MemoryAccess {
  arch::AccessKind kind = arch::AccessKind::kRead;
  std::uint64_t address = 0;  ///< linear
  std::uint8_t size = 8;      ///< bytes, 1 to 8
  std::uint64_t value = 0;    ///< what a write stores; little-endian
  bool implicit = false;      ///< a supervisor access at whatever CPL: to a descriptor table
  bool user = false;          ///< a user access at whatever CPL: WRUSS
  bool stack = false;         ///< through SS: what would be #GP is #SS
  bool iret = false;          ///< of an IRET, which ends the blocking of NMIs
  std::uint8_t instruction_length = 4;
  std::optional<Event> delivering{};  ///< the event whose delivery makes the access
};

/// What the processor has done so far.
struct Activity {
  std::uint64_t translations = 0;   ///< of a page each
  std::uint64_t walks = 0;          ///< those of them that the TLBs did not answer
  std::uint64_t references = 0;     ///< reads of paging-structure entries by the walks
  std::uint64_t vm_entries = 0;     ///< that succeeded
  std::uint64_t invalidations = 0;  ///< instructions and transitions that removed translations
};

/// One logical processor with VMX, without time: instructions go in, and what they come to comes
/// out. In VMX root operation it runs the hypervisor, translating without EPT; VM entry makes it
/// run the guest of the current VMCS until a VM exit. Translations come from `TranslationCaches`
/// and so from the step machine; no rule of the walk stands here.
///
/// An instruction that completes moves RIP by its length (`length`, `instruction_length`); a fetch
/// moves RIP to its address. One that faults or exits moves nothing. Interrupts, timers, SMM, task
/// switches, event injection at VM entry, and the delivery of a fault through the guest's IDT are
/// not modelled: a fault is handed out, and `MemoryAccess::delivering` lets a caller play delivery.
class LogicalProcessor {
 public:
  /// `memory` outlives it. `host`: the registers that it starts with; a context of theirs must pass
  /// `check`.
  LogicalProcessor(const VmxCapabilities& capabilities, const CacheSettings& settings,
                   arch::PhysicalMemory& memory, const Registers& host = {},
                   std::uint64_t seed = 1);

  const VmxCapabilities& capabilities() const { return capabilities_; }
  const Registers& registers() const { return registers_; }
  bool in_non_root() const { return mode_ == Mode::kNonRoot; }
  const Activity& activity() const { return activity_; }
  TranslationCaches& caches() { return caches_; }
  /// Why the last VMLAUNCH or VMRESUME that reached its checks was refused; empty if it was not.
  const std::optional<VmEntryRefusal>& entry_refusal() const { return entry_refusal_; }

  // --- VMX instructions (SDM chapter 33). Each: #UD where VMX instructions do not exist, a VM exit
  // in VMX non-root operation, #GP(0) above CPL 0; then its own checks. -------------------------

  Completion vmxon();
  Completion vmxoff();
  /// Makes `vmcs` current. It outlives its time as such.
  Completion vmptrld(Vmcs& vmcs);
  /// Makes `vmcs` one to be launched, and no longer current if it was.
  Completion vmclear(Vmcs& vmcs);
  Completion vmread(std::uint64_t encoding);
  Completion vmwrite(std::uint64_t encoding, std::uint64_t value);
  /// Done: the processor runs the guest. VM exit 33: the guest's state was refused.
  Completion vmlaunch() { return enter(arch::ExitReason::kVmlaunch); }
  Completion vmresume() { return enter(arch::ExitReason::kVmresume); }
  /// `descriptor`: the linear address of the 128-bit operand; `stack`: in the segment SS.
  Completion invept(std::uint64_t type, std::uint64_t descriptor, bool stack = false);
  Completion invvpid(std::uint64_t type, std::uint64_t descriptor, bool stack = false);
  Completion vmcall();
  /// VM function EAX with the argument ECX (SDM 28.5.6).
  Completion vmfunc(std::uint32_t eax, std::uint32_t ecx);

  // --- Other instructions -----------------------------------------------------------------------

  Completion access(const MemoryAccess& access);
  Completion mov_to_cr0(std::uint64_t value);
  Completion mov_to_cr3(std::uint64_t value);
  Completion mov_to_cr4(std::uint64_t value);
  Completion invlpg(std::uint64_t linear);
  Completion invpcid(std::uint64_t type, std::uint64_t descriptor, bool stack = false);
  /// EFER (C0000080H), PAT (277H) and PKRS (6E1H); #GP(0) for others.
  Completion wrmsr(std::uint32_t msr, std::uint64_t value);
  Completion wrpkru(std::uint32_t value);
  Completion cpuid();
  Completion hlt();
  /// A far transfer to code of another privilege or mode: CPL, and CS.L.
  void set_code_segment(std::uint8_t cpl, bool code_64_bit);
  /// POPF, CLAC, STAC and the like: bit 1 stays 1.
  void set_rflags(std::uint64_t value);

 private:
  enum class Mode : std::uint8_t { kOutside, kRoot, kNonRoot };

  /// What is known of the instruction in hand while it may still fault or exit.
  struct Instruction {
    std::uint8_t length = 0;
    bool iret = false;
    std::optional<Event> delivering{};
  };
  /// What a VM exit reports (SDM 30.2).
  struct ExitInformation {
    std::uint64_t qualification = 0;
    std::optional<std::uint64_t> gpa{};
    std::optional<std::uint64_t> linear{};
    std::uint64_t interruption = 0;
    std::uint64_t interruption_error = 0;
    bool fault_like = false;       ///< not an instruction that exits by itself: RF is saved as 1
    bool during_delivery = false;  ///< the event being delivered, if there is one, is reported
  };
  /// Where the bytes of an operand lie in memory: a piece for each page.
  struct Operand {
    struct Piece {
      std::uint64_t hpa = 0;
      unsigned size = 0;
    };
    std::array<Piece, 2> pieces{};
    unsigned count = 0;
  };
  using Refused = std::optional<Completion>;

  // State (logical_processor.cpp).
  const WalkContext& context();
  void change(const Registers& registers);
  Completion complete(std::uint64_t value = 0);
  Refused begin_vmx_instruction(std::uint8_t length, arch::ExitReason reason);
  Completion vmx_result(VmxResult result);
  Completion enter(arch::ExitReason instruction);
  void invalidate(const InvalidationScopes& scopes);

  // Accesses (memory_access.cpp).
  TranslationCaches::Answer translate(const WalkContext& context, const Request& request);
  Refused locate(const Request& request, bool stack, Operand& operand);
  Completion refuse(const Request& request, const Outcome& outcome, bool stack);
  std::uint64_t load(const Operand& operand, unsigned first, unsigned size) const;
  void store(const Operand& operand, unsigned size, std::uint64_t value);
  Refused read_descriptor(std::uint64_t linear, bool stack, std::array<std::uint64_t, 2>& words);

  // Exceptions and VM exits (exception.cpp, vm_exit.cpp).
  Completion raise(const Fault& fault);
  Completion raise(arch::Vector vector);
  Completion exit(arch::ExitReason reason, const ExitInformation& information);
  Completion exit(arch::ExitReason reason) { return exit(reason, {}); }
  void save_guest(bool resume_flag);
  Completion load_host(arch::ExitReason reason);
  Completion fail_entry();
  bool unblocks_nmis();

  // Control registers (control_registers.cpp).
  Refused begin_control_register_move();
  Refused exits_for_masked_bits(unsigned number, std::uint64_t value, arch::vmcs::Field mask,
                                arch::vmcs::Field shadow);
  Refused load_pdptes(Registers& registers);
  Completion complete_move(const Registers& registers, const InvalidationScopes& scopes);
  bool msr_write_exits(std::uint32_t msr) const;

  VmxCapabilities capabilities_;
  TranslationCaches caches_;
  arch::PhysicalMemory* memory_;
  Registers registers_;
  Mode mode_ = Mode::kOutside;
  Vmcs* vmcs_ = nullptr;                ///< the current VMCS
  std::optional<WalkContext> context_;  ///< of the registers and controls as they are, if asked for
  Instruction instruction_;
  std::optional<VmEntryRefusal> entry_refusal_;
  Activity activity_;
};

}  // namespace eptsim::mmu
