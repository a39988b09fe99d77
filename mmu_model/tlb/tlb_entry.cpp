#include "mmu_model/tlb/tlb_entry.hpp"

#include "ept/arch/registers.hpp"
#include "mmu_model/walk/ept_rules.hpp"
#include "mmu_model/walk/guest_rules.hpp"

namespace eptsim::mmu {

TlbSpace space_of(const WalkContext& context) {
  const Context& raw = context.raw;
  TlbSpace space{.vpid = raw.vpid};
  if (context.ept) space.word = TlbSpace::kEpt | context.ept_root;
  if (arch::cr4::kPcide.any(raw.cr4)) space.word |= arch::cr3::kPcid.get(raw.cr3);
  return space;
}

TlbEntry make_tlb_entry(const WalkContext& context, const Outcome& outcome) {
  const arch::PageSize size = outcome.page_size;
  TlbEntry entry;
  entry.space = space_of(context).word;
  entry.space_mask = outcome.global ? ~TlbSpace::kPcid : ~std::uint64_t{0};
  entry.frame = outcome.hpa & ~(arch::bytes(size) - 1);
  entry.gpa = outcome.gpa & ~(arch::bytes(size) - 1);
  entry.size = size;
  entry.guest_size = outcome.guest_page_size.value_or(size);
  entry.memory_type = outcome.memory_type;
  entry.guest_rights = outcome.guest_rights;
  entry.ept_rights = outcome.ept_rights;
  entry.protection_key = outcome.protection_key;
  entry.dirty = outcome.dirty;
  entry.global = outcome.global;
  return entry;
}

TlbEntry piece_of(const TlbEntry& entry, std::uint64_t linear, arch::PageSize size) {
  TlbEntry piece = entry;
  piece.frame = entry.hpa_of(linear) & ~(arch::bytes(size) - 1);
  piece.gpa = entry.gpa_of(linear) & ~(arch::bytes(size) - 1);
  piece.size = size;
  return piece;
}

bool allows(const WalkContext& context, const TlbEntry& entry, const Request& request) {
  using arch::AccessKind;
  if (request.access == AccessKind::kShadowStackRead ||
      request.access == AccessKind::kShadowStackWrite) {
    return false;
  }
  if (arch::is_write(request.access) && !entry.dirty) return false;
  if (linear_address_refusal(context, request) != Reason::kNone) return false;
  const bool paging = context.guest_levels != 0;
  if (paging &&
      guest_refusal(context, request, entry.guest_rights, entry.protection_key) != Reason::kNone) {
    return false;
  }
  const EptDemand demand = ept_demand(request.access, !paging || entry.guest_rights.user);
  return ept_refusal(demand, entry.ept_rights) == Reason::kNone;
}

}  // namespace eptsim::mmu
