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
WalkContext::ReservedBits guest_reserved_bits(std::uint64_t high, const Capabilities& cpu) {
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

  const bool paging = arch::cr0::kPg.any(raw.cr0);
  const bool pae = arch::cr4::kPae.any(raw.cr4);
  const bool nxe = arch::efer::kNxe.any(raw.efer);
  long_mode = arch::efer::kLma.any(raw.efer);
  const bool la57 = long_mode && arch::cr4::kLa57.any(raw.cr4);
  guest_levels = paging ? (la57 ? 5 : 4) : 0;
  guest_root = raw.cr3 & arch::cr3::kAddress.mask();
  linear_mask = long_mode ? ~std::uint64_t{0} : bits(31, 0);
  linear_width = long_mode ? (la57 ? 57 : 48) : 32;
  execute_disable = nxe ? arch::guest_entry::kExecuteDisable.mask() : 0;
  guest_reserved = guest_reserved_bits(
      address_high | (nxe ? 0 : arch::guest_entry::kExecuteDisable.mask()), raw.cpu);

  write_protect = arch::cr0::kWp.any(raw.cr0);
  smep = arch::cr4::kSmep.any(raw.cr4);
  smap = arch::cr4::kSmap.any(raw.cr4);
  lass = long_mode && arch::cr4::kLass.any(raw.cr4);
  user_keys = long_mode && arch::cr4::kPke.any(raw.cr4);
  supervisor_keys = long_mode && arch::cr4::kPks.any(raw.cr4);
  reports_fetch = (pae && nxe) || smep;
  global_pages = arch::cr4::kPge.any(raw.cr4);
  alignment_override = raw.rflags_ac;

  caches_off = arch::cr0::kCd.any(raw.cr0);
  for (unsigned index = 0; index < pat_types.size(); ++index) {
    pat_types[index] = static_cast<arch::MemoryType>((raw.pat >> (8 * index)) & 7);
  }
}

}  // namespace eptsim::mmu
