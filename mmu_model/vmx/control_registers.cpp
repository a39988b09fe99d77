#include "mmu_model/vmx/control_registers.hpp"

#include "ept/arch/exit_reason.hpp"
#include "mmu_model/vmx/logical_processor.hpp"

/// MOV to CR0, CR3 and CR4, and the MSRs that translation depends on (SDM volume 2, MOV: move to
/// and from control registers; volume 3, 5.4.1, 28.1.3).
namespace eptsim::mmu {

namespace vmcs = arch::vmcs;
namespace primary = arch::primary_controls;
using arch::ExitReason;
using arch::Vector;

namespace {

/// CR0 and CR4 bits whose change reloads the PDPTE registers (SDM 5.4.1): CD, NW, PG; PSE, PAE,
/// PGE, SMEP.
constexpr std::uint64_t kCr0ReloadsPdptes =
    arch::cr0::kCd.mask() | kCr0NotWriteThrough | arch::cr0::kPg.mask();
constexpr std::uint64_t kCr4ReloadsPdptes = arch::cr4::kPse.mask() | arch::cr4::kPae.mask() |
                                            arch::cr4::kPge.mask() | arch::cr4::kSmep.mask();

/// Whether CR0 may go from `old` to `wanted` (SDM volume 2).
bool is_valid_cr0(const Registers& old, std::uint64_t wanted) {
  const bool paging = arch::cr0::kPg.any(wanted);
  if (wanted >> 32 != 0) return false;
  if (paging && !arch::cr0::kPe.any(wanted)) return false;
  if ((wanted & kCr0NotWriteThrough) != 0 && !arch::cr0::kCd.any(wanted)) return false;
  if (paging && !old.paging() && arch::efer::kLme.any(old.efer) &&
      (!arch::cr4::kPae.any(old.cr4) || old.code_64_bit)) {
    return false;
  }
  if (!paging && old.paging() && (old.long_64_bit() || arch::cr4::kPcide.any(old.cr4))) {
    return false;
  }
  return arch::cr0::kWp.any(wanted) || !arch::cr4::kCet.any(old.cr4);
}

/// Whether CR4 may go from its value to `wanted` (SDM volume 2).
bool is_valid_cr4(const Registers& old, std::uint64_t wanted) {
  if ((wanted & ~kCr4Bits) != 0) return false;
  if (old.long_mode() && !arch::cr4::kPae.any(wanted)) return false;
  if (old.long_mode() && arch::cr4::kLa57.any(old.cr4 ^ wanted)) return false;
  if (arch::cr4::kPcide.any(wanted & ~old.cr4) &&
      (!old.long_mode() || arch::cr3::kPcid.any(old.cr3))) {
    return false;
  }
  return !arch::cr4::kCet.any(wanted) || arch::cr0::kWp.any(old.cr0);
}

constexpr std::uint64_t kNoFlush = std::uint64_t{1} << 63;

constexpr std::uint32_t kMsrEfer = 0xc000'0080;
constexpr std::uint32_t kMsrPat = 0x277;
constexpr std::uint32_t kMsrPkrs = 0x6e1;

}  // namespace

LogicalProcessor::Refused LogicalProcessor::begin_control_register_move() {
  instruction_ = {.length = 3};
  if (registers_.cpl > 0) return raise(Vector::kGeneralProtection);
  return std::nullopt;
}

// SDM 28.1.3: bits that the hypervisor owns may be written only as the guest sees them.
LogicalProcessor::Refused LogicalProcessor::exits_for_masked_bits(unsigned number,
                                                                  std::uint64_t value,
                                                                  vmcs::Field mask,
                                                                  vmcs::Field shadow) {
  if (!in_non_root()) return std::nullopt;
  if (((value ^ vmcs_->get(shadow)) & vmcs_->get(mask)) == 0) return std::nullopt;
  return exit(ExitReason::kControlRegister,
              {.qualification = arch::qualification::kControlRegister.set(0, number)});
}

// SDM 5.4.1, 31.3.1: a read of 32 bytes through the EPT, without a linear address.
LogicalProcessor::Refused LogicalProcessor::load_pdptes(Registers& registers) {
  const Request request{.address = registers.cr3 & arch::cr3::kPaeAddress.mask(),
                        .linear = false,
                        .access = arch::AccessKind::kRead,
                        .size = 32};
  const Outcome outcome = translate(context(), request).outcome;
  if (outcome.kind != OutcomeKind::kTranslated) return refuse(request, outcome, false);
  for (unsigned i = 0; i < registers.pdptes.size(); ++i) {
    registers.pdptes[i] = memory_->read64(arch::Hpa(outcome.hpa + 8 * i));
    if (!is_valid_pdpte(registers.pdptes[i], capabilities_.cpu)) {
      return raise(Vector::kGeneralProtection);
    }
  }
  return std::nullopt;
}

Completion LogicalProcessor::complete_move(const Registers& registers,
                                           const InvalidationScopes& scopes) {
  change(registers);
  invalidate(scopes);
  return complete();
}

Completion LogicalProcessor::mov_to_cr0(std::uint64_t value) {
  if (Refused refused = begin_control_register_move()) return *refused;
  if (Refused exited = exits_for_masked_bits(0, value, vmcs::kCr0Mask, vmcs::kCr0ReadShadow)) {
    return *exited;
  }
  const std::uint64_t masked = in_non_root() ? vmcs_->get(vmcs::kCr0Mask) : 0;
  Registers after = registers_;
  after.cr0 = (registers_.cr0 & masked) | (value & ~masked);
  if (!is_valid_cr0(registers_, after.cr0)) return raise(Vector::kGeneralProtection);
  // PE and PG are fixed to 1 in VMX operation, but for unrestricted guests (SDM 26.8).
  if (in_non_root() && !(after.protection() && after.paging()) &&
      !secondary_control(*vmcs_, arch::secondary_controls::kUnrestrictedGuest)) {
    return raise(Vector::kGeneralProtection);
  }
  after.efer = arch::efer::kLma.set(after.efer, after.paging() && arch::efer::kLme.any(after.efer));
  if (after.pae_paging() && ((after.cr0 ^ registers_.cr0) & kCr0ReloadsPdptes) != 0) {
    if (Refused refused = load_pdptes(after)) return *refused;
  }
  return complete_move(
      after, invalidation::mov_to_cr0(current_tags(context()), registers_.cr0, after.cr0));
}

Completion LogicalProcessor::mov_to_cr3(std::uint64_t value) {
  if (Refused refused = begin_control_register_move()) return *refused;
  if (in_non_root() && primary_control(*vmcs_, primary::kCr3LoadExiting)) {
    return exit(ExitReason::kControlRegister,
                {.qualification = arch::qualification::kControlRegister.set(0, 3)});
  }
  const bool pcide = arch::cr4::kPcide.any(registers_.cr4);
  Registers after = registers_;
  after.cr3 = value & registers_.linear_mask();
  const std::uint64_t source = after.cr3;
  if (pcide) after.cr3 &= ~kNoFlush;
  if ((after.cr3 & beyond_physical(capabilities_.cpu)) != 0) {
    return raise(Vector::kGeneralProtection);
  }
  if (after.pae_paging()) {
    if (Refused refused = load_pdptes(after)) return *refused;
  }
  return complete_move(after, invalidation::mov_to_cr3(current_tags(context()), source, pcide));
}

Completion LogicalProcessor::mov_to_cr4(std::uint64_t value) {
  if (Refused refused = begin_control_register_move()) return *refused;
  if (Refused exited = exits_for_masked_bits(4, value, vmcs::kCr4Mask, vmcs::kCr4ReadShadow)) {
    return *exited;
  }
  const std::uint64_t masked = in_non_root() ? vmcs_->get(vmcs::kCr4Mask) : 0;
  Registers after = registers_;
  after.cr4 = (registers_.cr4 & masked) | (value & ~masked);
  if (!is_valid_cr4(registers_, after.cr4)) return raise(Vector::kGeneralProtection);
  if (after.pae_paging() && ((after.cr4 ^ registers_.cr4) & kCr4ReloadsPdptes) != 0) {
    if (Refused refused = load_pdptes(after)) return *refused;
  }
  return complete_move(
      after, invalidation::mov_to_cr4(current_tags(context()), registers_.cr4, after.cr4));
}

// SDM 27.6.9, 28.1.3: without bitmaps every WRMSR exits; the bitmaps cover MSRs 0 to 1FFFH and
// C0000000H to C0001FFFH, writes in the upper half of the page.
bool LogicalProcessor::msr_write_exits(std::uint32_t msr) const {
  if (!primary_control(*vmcs_, primary::kMsrBitmaps)) return true;
  constexpr std::uint32_t kCovered = 0x2000;
  constexpr std::uint32_t kHigh = 0xc000'0000;
  const bool high = msr >= kHigh;
  const std::uint32_t bit = high ? msr - kHigh : msr;
  if (bit >= kCovered) return true;
  const std::uint64_t bitmap =
      vmcs_->get(vmcs::kMsrBitmapAddress) + (high ? 3072 : 2048) + bit / 64 * 8;
  return (memory_->read64(arch::Hpa(bitmap)) >> bit % 64 & 1) != 0;
}

Completion LogicalProcessor::wrmsr(std::uint32_t msr, std::uint64_t value) {
  instruction_ = {.length = 2};
  if (registers_.cpl > 0) return raise(Vector::kGeneralProtection);
  if (in_non_root() && msr_write_exits(msr)) return exit(ExitReason::kWrmsr);
  Registers after = registers_;
  switch (msr) {
    case kMsrEfer:
      if ((value & ~kEferBits) != 0) return raise(Vector::kGeneralProtection);
      if (registers_.paging() && arch::efer::kLme.any(value ^ registers_.efer)) {
        return raise(Vector::kGeneralProtection);
      }
      after.efer = arch::efer::kLma.set(value, registers_.long_mode());
      break;
    case kMsrPat:
      if (!is_valid_pat(value)) return raise(Vector::kGeneralProtection);
      after.pat = value;
      break;
    case kMsrPkrs:
      if (value >> 32 != 0) return raise(Vector::kGeneralProtection);
      after.pkrs = static_cast<std::uint32_t>(value);
      break;
    default: return raise(Vector::kGeneralProtection);
  }
  change(after);
  return complete();
}

Completion LogicalProcessor::wrpkru(std::uint32_t value) {
  instruction_ = {.length = 3};
  if (!arch::cr4::kPke.any(registers_.cr4)) return raise(Vector::kInvalidOpcode);
  Registers after = registers_;
  after.pkru = value;
  change(after);
  return complete();
}

}  // namespace eptsim::mmu
