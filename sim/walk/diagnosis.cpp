#include "sim/walk/diagnosis.hpp"

#include <fmt/format.h>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"
#include "sim/walk/doctor.hpp"

namespace eptsim::sim {

using mmu::Reason;

void Doctor::reserved_bits(const Visit& visit) {
  const mmu::WalkContext::ReservedBits& reserved =
      visit.is_guest() ? rules_.guest_reserved : rules_.ept_reserved;
  const std::uint64_t set =
      visit.reference.value & (visit.leaf ? reserved.page : reserved.table)[visit.level];
  const bool several = (set & (set - 1)) != 0;
  it_.why = fmt::format("{} {} {} reserved and set in the {}, which {}.", several ? "Bits" : "Bit",
                        numbers_of(set), several ? "are" : "is", visit.name(),
                        visit.leaf ? "maps a page" : "leads to a table");
  it_.changes.push_back(clear_bits(visit, set));
  it_.afterwards = kNeverCached;
  if (visit.is_guest() && (set & arch::guest_entry::kExecuteDisable.mask()) != 0) {
    it_.why += " Bit 63 is EXECUTE_DISABLE only with EFER.NXE = 1.";
    if (!several) {
      it_.changes.push_back("or instead " +
                            register_change("EFER.NXE", arch::efer::kNxe.low, true));
    }
  }
  if ((set & rules_.address_high) != 0) {
    it_.why += fmt::format(" Physical addresses have {} bits here.", context_.cpu.maxphyaddr);
  }
  if ((set & arch::ept_entry::kPageSize.mask()) != 0 && !visit.leaf) {
    if (visit.level > 3) {
      it_.why += " Bit 7 asks for a page, and no entry of this level maps one.";
    } else {
      it_.why += fmt::format(" Bit 7 asks for a {} page, which this processor lacks.",
                             arch::name(arch::page_of_level(visit.level)));
      it_.changes.push_back(
          "and its address bits to those of a table that maps the same range in smaller pages");
    }
  }
}

/// What an entry lacks that is made present.
void Doctor::missing_address(std::uint64_t entry, unsigned level, bool large_pages) {
  if ((entry & arch::ept_entry::kAddress.mask()) != 0) return;
  it_.changes.push_back(fmt::format(
      "and its address bits, which are 0, to those of {}",
      level == 1 ? "a page"
                 : (large_pages ? "a table, or of a large page with bit 7" : "a table")));
}

Diagnosis Doctor::diagnose() {
  const Visit* decided = deciding();
  const Visit entry = decided != nullptr ? *decided : Visit{};
  switch (answer_.outcome.reason) {
    case Reason::kNone: break;
    case Reason::kNotCanonical:
    case Reason::kLass: linear_address(); break;
    case Reason::kGuestNotPresent:
      decided != nullptr ? guest_not_present(entry) : register_not_present();
      break;
    case Reason::kEptNotPresent: ept_not_present(entry); break;
    case Reason::kGuestReservedBit:
    case Reason::kEptReservedBit: reserved_bits(entry); break;
    case Reason::kGuestNotWritable:
      missing_guest_right("The guest maps the page read-only: WRITABLE must be 1 at every level.",
                          {1, "WRITABLE", true});
      if (!user() && !arch::cr4::kCet.any(context_.cr4)) {  // CR4.CET needs CR0.WP
        it_.changes.push_back("or instead " + register_change("CR0.WP", arch::cr0::kWp.low, false));
      }
      break;
    case Reason::kGuestSupervisorPage:
      missing_guest_right(
          "A user-mode access to the supervisor's page: USER must be 1 at every level.",
          {2, "USER", true});
      break;
    case Reason::kGuestExecuteDisable:
      missing_guest_right("The guest forbids execution: EXECUTE_DISABLE must be 0 at every level.",
                          {63, "EXECUTE_DISABLE", false});
      break;
    case Reason::kGuestSmep:
      page_of_the_user("A supervisor-mode fetch from a user-mode page, which CR4.SMEP forbids.",
                       "CR4.SMEP", arch::cr4::kSmep.low);
      break;
    case Reason::kGuestSmap:
      page_of_the_user("A supervisor-mode data access to a user-mode page, which CR4.SMAP forbids.",
                       "CR4.SMAP", arch::cr4::kSmap.low);
      if (!request_.implicit) {
        it_.changes.push_back(register_change("RFLAGS.AC", 18, true) + ", as STAC does");
      }
      break;
    case Reason::kGuestProtectionKey: protection_key(); break;
    case Reason::kGuestShadowStack: guest_shadow_stack(); break;
    case Reason::kEptAddressTooWide: address_too_wide(); break;
    case Reason::kEptNotReadable: missing_ept_right("read", {0, "READ", true}); break;
    case Reason::kEptNotWritable: ept_write(); break;
    case Reason::kEptNotExecutable: ept_execute(); break;
    case Reason::kEptShadowStack: ept_shadow_stack(); break;
    case Reason::kEptPagingVerification: paging_verification(); break;
    case Reason::kEptWriteWithoutRead:
      ept_without_read("WRITE without READ is no valid combination.", entry, {1, "WRITE", false});
      break;
    case Reason::kEptExecuteOnlyUnsupported:
      it_ = {
          "The entry allows execution without READ, and this processor has no execute-only "
          "pages (IA32_VMX_EPT_VPID_CAP bit 0).",
          {change(entry, {{0, "READ", true}})},
          false,
          kNeverCached};
      break;
    case Reason::kEptPagingWriteWithoutRead:
      ept_without_read("PAGING_WRITE_ACCESS without READ is no valid combination.", entry,
                       {58, "PAGING_WRITE_ACCESS", false});
      break;
    case Reason::kEptMemoryType: memory_type(entry); break;
    case Reason::kPmlIndex:
      it_.why = fmt::format(
          "The walk had to set an accessed or dirty flag in the EPT, and the page-modification log "
          "has no entry left: its index is {:#x}, above 511. No EPT flag was set for this address.",
          context_.pml_index);
      it_.changes.push_back(
          "the PML index (VMCS field 0x812): to 511, once the log was read and cleared");
      break;
    case Reason::kSppMiss:
    case Reason::kSppMisconfiguration: sub_page_table(entry); break;
  }
  virtualization_exception();
  return it_;
}

Diagnosis diagnose(const mmu::Context& context, const mmu::Request& request,
                   const WalkAnswer& answer, const std::vector<WalkColumn>& path) {
  return Doctor(context, request, answer, path).diagnose();
}

}  // namespace eptsim::sim
