#include "testbench/stimulus/refusal.hpp"

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/registers.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {
namespace {

using namespace arch;

/// One attempt: each function says whether its rule can be broken here.
class Spoiler {
 public:
  Spoiler(Random& random, TestCase& test)
      : random_(random),
        test_(test),
        context_(test.context),
        request_(test.request),
        too_high_(~std::uint64_t{0} << test.context.cpu.maxphyaddr) {}

  bool try_once() {
    switch (random_.below(5)) {
      case 0: return spoil_eptp();
      case 1: return spoil_registers();
      case 2: return context_.ept_enabled ? spoil_pointer() : turn_on_what_needs_ept();
      case 3: return spoil_pdpte();
      default: return spoil_request();
    }
  }

 private:
  bool spoil_eptp() {
    constexpr std::array<std::uint64_t, 6> kBadTypes{1, 2, 3, 4, 5, 7};
    constexpr std::array<std::uint64_t, 6> kBadLengths{0, 1, 2, 5, 6, 7};
    std::uint64_t& value = context_.eptp;
    if (!context_.ept_enabled) return false;
    switch (random_.below(5)) {
      case 0: value = eptp::kMemoryType.set(value, random_.pick(kBadTypes)); break;
      case 1: value = eptp::kWalkLength.set(value, random_.pick(kBadLengths)); break;
      case 2: value |= random_.bit_of(eptp::kReserved.mask()); break;
      case 3: value |= random_.bit_of(too_high_); break;
      default:
        value |= eptp::kSupervisorShadowStack.mask();
        context_.cpu.supervisor_shadow_stack = false;
        break;
    }
    return true;
  }

  bool spoil_registers() {
    constexpr std::array<std::uint64_t, 4> kBadPat{2, 3, 8, 0x86};
    const bool paging = cr0::kPg.any(context_.cr0);
    switch (random_.below(8)) {
      case 0: context_.cr3 |= random_.bit_of(too_high_); return true;
      case 1: {
        const auto at = static_cast<unsigned>(8 * random_.below(8));
        context_.pat = (context_.pat & ~(std::uint64_t{0xff} << at)) | random_.pick(kBadPat) << at;
        return true;
      }
      case 2: context_.efer ^= efer::kLma.mask(); return true;
      case 3: context_.cpu.maxphyaddr = random_.coin() ? 31 : 53; return true;
      case 4: context_.cr0 &= ~cr0::kPe.mask(); return paging;
      case 5:
        if (!efer::kLma.any(context_.efer)) return false;
        context_.cr4 &= ~cr4::kPae.mask();
        return true;
      case 6: context_.cr4 |= cr4::kLamSup.mask(); return true;
      default:
        context_.cr4 |= cr4::kCet.mask();
        context_.cr0 &= ~cr0::kWp.mask();
        return true;
    }
  }

  /// Of a page that the processor uses.
  bool spoil_pointer() {
    mmu::Controls& controls = context_.controls;
    std::uint64_t* pointer = nullptr;
    std::uint64_t unaligned = bits(11, 0);
    switch (random_.below(4)) {
      case 0: controls.pml = true, pointer = &context_.pml_address; break;
      case 1: controls.ept_violation_ve = true, pointer = &context_.ve_info_address; break;
      case 2: controls.sub_page_permission = true, pointer = &context_.sppt_pointer; break;
      default:
        controls.hlat = true, pointer = &context_.hlat_pointer;
        unaligned = bits(11, 5) | bits(2, 0);
        break;
    }
    *pointer &= ~too_high_ & ~unaligned;
    *pointer |= random_.bit_of(random_.coin() ? too_high_ : unaligned);
    return true;
  }

  bool turn_on_what_needs_ept() {
    mmu::Controls& controls = context_.controls;
    // Their pointers are faultless.
    context_.pml_address = context_.sppt_pointer = context_.hlat_pointer = 0;
    switch (random_.below(6)) {
      case 0: controls.mode_based_execute = true; break;
      case 1: controls.sub_page_permission = true; break;
      case 2: controls.pml = true; break;
      case 3: controls.paging_write = true; break;
      case 4: controls.guest_paging_verification = true; break;
      default: controls.hlat = true; break;
    }
    return true;
  }

  bool spoil_pdpte() {
    const bool pae =
        cr0::kPg.any(context_.cr0) && cr4::kPae.any(context_.cr4) && !efer::kLma.any(context_.efer);
    if (!pae) return false;
    const std::uint64_t index = random_.below(4);
    std::uint64_t& pdpte = context_.pdptes ? (*context_.pdptes)[index] : pdpte_in_memory(index);
    pdpte |= 1 | random_.bit_of(too_high_ | bits(8, 5) | bits(2, 1));
    return true;
  }

  std::uint64_t& pdpte_in_memory(std::uint64_t index) {
    const std::uint64_t address = cr3::kPaeAddress.get(context_.cr3) << 5 | index << 3;
    for (Word& word : test_.image) {
      if (word.address == address) return word.value;
    }
    return test_.image.emplace_back(Word{address, 0}).value;
  }

  bool spoil_request() {
    switch (random_.below(4)) {
      case 0:
        request_.size = random_.coin() ? 0 : static_cast<std::uint8_t>(65 + random_.below(191));
        return true;
      case 1:
        context_.cr4 &= ~cr4::kCet.mask();
        request_.access =
            random_.coin() ? AccessKind::kShadowStackRead : AccessKind::kShadowStackWrite;
        return true;
      case 2:
        if (request_.linear) return false;
        request_.user = random_.coin();
        request_.implicit = !request_.user;
        return true;
      default:
        if (request_.linear && efer::kLma.any(context_.efer)) return false;
        request_.address |= random_.bit_of(request_.linear ? bits(63, 32) : too_high_);
        return true;
    }
  }

  Random& random_;
  TestCase& test_;
  mmu::Context& context_;
  mmu::Request& request_;
  std::uint64_t too_high_;
};

}  // namespace

void spoil(Random& random, TestCase& test) {
  const TestCase whole = test;
  while (!Spoiler(random, test).try_once()) test = whole;
}

}  // namespace eptsim::tb
