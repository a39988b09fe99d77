#include "mmu_model/tlb/tlb_entry.hpp"

#include "ept/arch/registers.hpp"
#include "mmu_model/walk/ept_rules.hpp"
#include "mmu_model/walk/guest_rules.hpp"

namespace eptsim::mmu {

TlbSpace space_of(const WalkContext& context) {
  const Context& raw = context.raw;
  TlbSpace space{.vpid = raw.vpid};
  if (context.ept) space.word = TlbSpace::kEpt | context.ept_root;
  if (context.guest_levels == 0) space.word |= TlbSpace::kNoPaging;
  if (arch::cr4::kPcide.any(raw.cr4)) space.word |= arch::cr3::kPcid.get(raw.cr3);
  return space;
}

bool fits(const InvalidationScope& scope, const TlbSpace& space, bool global) {
  const bool combined = (space.word & TlbSpace::kEpt) != 0;
  if (!(combined ? scope.combined_mappings : scope.linear_mappings)) return false;
  if (scope.vpid && *scope.vpid != space.vpid) return false;
  if (scope.keep_vpid_zero && space.vpid == 0) return false;
  if (scope.keep_globals && global) return false;
  if (scope.pcid && !global && *scope.pcid != (space.word & TlbSpace::kPcid)) return false;
  constexpr std::uint64_t kRoot = TlbSpace::kEpt | TlbSpace::kEptRoot;
  return !scope.ept_root || (space.word & kRoot) == (TlbSpace::kEpt | *scope.ept_root);
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
  entry.walk_size = size;
  entry.ept_size = outcome.ept_page_size.value_or(size);
  entry.memory_type = outcome.memory_type;
  entry.guest_rights = outcome.guest_rights;
  entry.ept_rights = outcome.ept_rights;
  entry.protection_key = outcome.protection_key;
  entry.dirty = outcome.dirty;
  entry.global = outcome.global;
  entry.shadow_stack = outcome.shadow_stack;
  entry.mode_based_execute = context.mode_based_execute;
  entry.verified = context.verifies_guest_paging;
  return entry;
}

Outcome outcome_of(const WalkContext& context, const TlbEntry& entry, std::uint64_t linear) {
  Outcome outcome{.gpa = entry.gpa_of(linear), .hpa = entry.hpa_of(linear)};
  if (context.guest_levels != 0) outcome.guest_page_size = entry.guest_size;
  if (context.ept) outcome.ept_page_size = entry.ept_size;
  outcome.page_size = entry.walk_size;
  outcome.memory_type = context.caches_off ? arch::MemoryType::kUC : entry.memory_type;
  outcome.guest_rights = entry.guest_rights;
  outcome.ept_rights = entry.ept_rights;
  outcome.dirty = entry.dirty;
  outcome.global = entry.global;
  outcome.shadow_stack = entry.shadow_stack;
  outcome.protection_key = entry.protection_key;
  return outcome;
}

TlbEntry piece_of(const TlbEntry& entry, std::uint64_t linear, arch::PageSize size) {
  TlbEntry piece = entry;
  piece.frame = entry.hpa_of(linear) & ~(arch::bytes(size) - 1);
  piece.gpa = entry.gpa_of(linear) & ~(arch::bytes(size) - 1);
  piece.size = size;
  piece.group_bits = 0;
  piece.pages = 1;
  return piece;
}

TlbEntry group_of(const TlbEntry& entry, std::uint64_t linear, unsigned group_bits) {
  constexpr std::uint64_t kPage = arch::bytes(arch::PageSize::k4K);
  const std::uint64_t offset = linear & ((kPage << group_bits) - kPage);
  TlbEntry group = piece_of(entry, linear, arch::PageSize::k4K);
  group.frame -= offset;
  group.gpa -= offset;
  group.group_bits = static_cast<std::uint8_t>(group_bits);
  group.pages = 0;
  const std::uint64_t first = linear - (linear & (kPage - 1)) - offset;
  for (unsigned i = 0; i < 1u << group_bits; ++i) {
    const std::uint64_t page = first + i * kPage;
    const bool within = ((page ^ linear) & ~(entry.bytes() - 1)) == 0;
    const std::uint64_t index = (page & (entry.bytes() - 1)) / arch::bytes(entry.size);
    if (within && (entry.pages >> index & 1) != 0)
      group.pages |= static_cast<std::uint8_t>(1u << i);
  }
  return group;
}

bool can_join(const TlbEntry& a, const TlbEntry& b) {
  return ((a.frame | a.gpa) & (a.bytes() - 1)) == 0 && a.frame == b.frame && a.gpa == b.gpa &&
         a.space == b.space && a.space_mask == b.space_mask && a.guest_size == b.guest_size &&
         a.ept_size == b.ept_size && a.walk_size == b.walk_size && a.memory_type == b.memory_type &&
         a.guest_rights == b.guest_rights && a.ept_rights == b.ept_rights &&
         a.protection_key == b.protection_key && a.dirty == b.dirty && a.global == b.global &&
         a.shadow_stack == b.shadow_stack && a.mode_based_execute == b.mode_based_execute &&
         a.verified == b.verified;
}

bool allows(const WalkContext& context, const TlbEntry& entry, const Request& request) {
  if (is_shadow_stack_access(request)) return false;
  if (arch::is_write(request.access) && !entry.dirty) return false;
  if (linear_address_refusal(context, request) != Reason::kNone) return false;
  if (context.verifies_guest_paging && !entry.verified) return false;
  const bool paging = context.guest_levels != 0;
  if (paging &&
      guest_refusal(context, request, entry.guest_rights, entry.protection_key) != Reason::kNone) {
    return false;
  }
  const EptDemand demand = ept_demand(request.access, !paging || entry.guest_rights.user);
  if (demand.fetch && demand.user_address && context.mode_based_execute &&
      !entry.mode_based_execute) {
    return false;
  }
  return ept_refusal(demand, entry.ept_rights) == Reason::kNone;
}

}  // namespace eptsim::mmu
