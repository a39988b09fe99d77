#include "mmu_model/walk/walk_context.hpp"

#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::mmu {
namespace {

using arch::BitField;

constexpr std::uint64_t bits(unsigned high, unsigned low) {
  return BitField{static_cast<std::uint8_t>(high), static_cast<std::uint8_t>(low)}.mask();
}

/// SDM tables 31-1 to 31-6. Where a page size does not exist, bit 7 is one more reserved bit.
WalkContext::ReservedBits ept_reserved_bits(std::uint64_t high, const Capabilities& cpu) {
  const std::uint64_t leaf_only = bits(6, 3);  // memory type and ignore-PAT
  const std::uint64_t size = arch::ept_entry::kPageSize.mask();
  WalkContext::ReservedBits reserved;
  reserved.large[3] = cpu.page_1g;
  reserved.large[2] = cpu.page_2m;
  for (unsigned level = 2; level <= 5; ++level) {
    reserved.table[level] = high | leaf_only | (reserved.large[level] ? 0 : size);
  }
  reserved.page[3] = high | bits(29, 12);
  reserved.page[2] = high | bits(20, 12);
  reserved.page[1] = high;
  return reserved;
}

/// SDM 5.5.4, tables 5-14 to 5-20. Bit 12 of a large page is its PAT bit.
WalkContext::ReservedBits long_mode_reserved_bits(std::uint64_t high, const Capabilities& cpu) {
  const std::uint64_t size = arch::guest_entry::kPageSize.mask();
  WalkContext::ReservedBits reserved;
  reserved.large[3] = cpu.guest_page_1g;
  reserved.large[2] = true;
  for (unsigned level = 2; level <= 5; ++level) {
    reserved.table[level] = high | (reserved.large[level] ? 0 : size);
  }
  reserved.page[3] = high | bits(29, 13);
  reserved.page[2] = high | bits(20, 13);
  reserved.page[1] = high;
  return reserved;
}

/// SDM 5.4.2, tables 5-9 to 5-11. CR4.PSE does not matter.
WalkContext::ReservedBits pae_reserved_bits(std::uint64_t high) {
  WalkContext::ReservedBits reserved;
  reserved.large[2] = true;
  reserved.table[2] = high;
  reserved.page[2] = high | bits(20, 13);
  reserved.page[1] = high;
  return reserved;
}

/// SDM 5.3, tables 5-4 to 5-6. Bits 20:13 of a 4 MiB page's entry are bits 39:32 of its address,
/// as far as the processor has them.
WalkContext::ReservedBits narrow_reserved_bits(bool large_pages, unsigned maxphyaddr) {
  WalkContext::ReservedBits reserved;
  reserved.large[2] = large_pages;
  reserved.page[2] = bits(21, (maxphyaddr < 40 ? maxphyaddr : 40) - 19);
  return reserved;
}

}  // namespace

WalkContext::WalkContext(const Context& context) : raw(context) {
  const unsigned width = raw.cpu.maxphyaddr;
  address_high = width < 52 ? bits(51, width) : 0;

  ept = raw.ept_enabled;
  if (ept) {
    ept_accessed_dirty = arch::eptp::kAccessedDirty.any(raw.eptp);
    ept_levels = static_cast<unsigned>(arch::eptp::kWalkLength.get(raw.eptp)) + 1;
    ept_root = raw.eptp & arch::eptp::kAddress.mask();
  }
  mode_based_execute = raw.controls.mode_based_execute;
  execute_only = raw.cpu.execute_only;
  ept_execute = arch::ept_entry::kExecute.mask() |
                (mode_based_execute ? arch::ept_entry::kUserExecute.mask() : 0);
  ept_present = arch::ept_entry::kRead.mask() | arch::ept_entry::kWrite.mask() | ept_execute;
  ept_reserved = ept_reserved_bits(address_high, raw.cpu);
  const Controls& controls = raw.controls;
  if (ept) {
    ept_paging_write = controls.paging_write ? arch::ept_entry::kPagingWriteAccess.mask() : 0;
    ept_shadow_stacks = arch::eptp::kSupervisorShadowStack.any(raw.eptp);
    verifies_guest_paging = controls.guest_paging_verification && controls.paging_write;
    sub_page_permissions = controls.sub_page_permission;
    sub_page_root = raw.sppt_pointer;
    page_modification_log = controls.pml && ept_accessed_dirty;
    virtualization_exceptions = controls.ept_violation_ve && arch::cr0::kPe.any(raw.cr0);
  }

  const bool paging = arch::cr0::kPg.any(raw.cr0);
  const bool wide = arch::cr4::kPae.any(raw.cr4);
  const bool nxe = arch::efer::kNxe.any(raw.efer);
  long_mode = arch::efer::kLma.any(raw.efer);
  const bool la57 = long_mode && arch::cr4::kLa57.any(raw.cr4);
  pae = paging && wide && !long_mode;
  wide_guest_entries = !paging || wide;
  guest_entry_size = wide_guest_entries ? 8 : 4;
  guest_levels = !paging ? 0 : !long_mode ? 2 : la57 ? 5 : 4;
  guest_root = raw.cr3 & (wide_guest_entries ? arch::cr3::kAddress.mask() : bits(31, 12));
  if (pae && raw.pdptes) pdptes = *raw.pdptes;
  hlat = controls.hlat && ept && guest_levels >= 4;
  hlat_upper_half_only = raw.hlat_prefix_size != 0;
  hlat_root = raw.hlat_pointer & arch::cr3::kAddress.mask();
  linear_mask = long_mode ? ~std::uint64_t{0} : bits(31, 0);
  linear_width = long_mode ? (la57 ? 57 : 48) : 32;
  const std::uint64_t xd = arch::guest_entry::kExecuteDisable.mask();
  execute_disable = wide && nxe ? xd : 0;
  guest_reserved = !wide_guest_entries ? narrow_reserved_bits(arch::cr4::kPse.any(raw.cr4), width)
                   : pae               ? pae_reserved_bits(bits(62, width) | (nxe ? 0 : xd))
                         : long_mode_reserved_bits(address_high | (nxe ? 0 : xd), raw.cpu);

  write_protect = arch::cr0::kWp.any(raw.cr0);
  smep = arch::cr4::kSmep.any(raw.cr4);
  smap = arch::cr4::kSmap.any(raw.cr4);
  lass = long_mode && arch::cr4::kLass.any(raw.cr4);
  user_keys = long_mode && arch::cr4::kPke.any(raw.cr4);
  supervisor_keys = long_mode && arch::cr4::kPks.any(raw.cr4);
  reports_fetch = (wide && nxe) || smep;
  global_pages = arch::cr4::kPge.any(raw.cr4);
  alignment_override = raw.rflags_ac;

  caches_off = arch::cr0::kCd.any(raw.cr0);
  for (unsigned index = 0; index < pat_types.size(); ++index) {
    pat_types[index] = static_cast<arch::MemoryType>((raw.pat >> (8 * index)) & 7);
  }
}

std::optional<ContextError> load_pdptes(WalkContext& context, const arch::PhysicalMemory& memory) {
  if (!context.pae || context.ept) return {};
  const arch::Hpa table{context.raw.cr3 & arch::cr3::kPaeAddress.mask()};
  std::array<std::uint64_t, 4> loaded;
  for (unsigned index = 0; index < loaded.size(); ++index) {
    loaded[index] = memory.read64(table + 8 * index);
    if (arch::guest_entry::kPresent.any(loaded[index]) &&
        (loaded[index] & pdpte_reserved_bits(context.raw.cpu.maxphyaddr)) != 0) {
      return ContextError{ContextError::Kind::kRefused, "cr3",
                          "a PDPTE that is present must have bits 2:1, 8:5 and those from the "
                          "physical-address width up 0 (SDM 5.4.1)"};
    }
  }
  context.pdptes = loaded;
  return {};
}

}  // namespace eptsim::mmu
