#pragma once

#include <cstdint>

#include "ept/arch/access.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/memory_type.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

/// The rules for one EPT entry, and for the rights that a walk of them leaves.
namespace eptsim::mmu {

/// What an entry of either dimension is found to be.
enum class EntryKind : std::uint8_t {
  kNotPresent,
  kBad,    ///< misconfigured (EPT), a reserved bit set (guest)
  kTable,  ///< leads to another table
  kPage,   ///< maps a page
};

struct EptVerdict {
  EntryKind kind;
  Reason reason = Reason::kNone;  ///< why, for kNotPresent and kBad
};

/// The EPT entry check: present, misconfigured, table or page (SDM 31.3.3.1).
inline EptVerdict judge_ept_entry(const WalkContext& context, unsigned level, std::uint64_t entry) {
  if ((entry & context.ept_present) == 0) return {EntryKind::kNotPresent, Reason::kEptNotPresent};
  if (!arch::ept_entry::kRead.any(entry)) {
    if (arch::ept_entry::kWrite.any(entry)) return {EntryKind::kBad, Reason::kEptWriteWithoutRead};
    if (!context.execute_only) return {EntryKind::kBad, Reason::kEptExecuteOnlyUnsupported};
  }
  const WalkContext::ReservedBits& reserved = context.ept_reserved;
  const bool page = level == 1 || (reserved.large[level] && arch::ept_entry::kPageSize.any(entry));
  if (page && !arch::ept_entry::kRead.any(entry) && (entry & context.ept_paging_write) != 0) {
    return {EntryKind::kBad, Reason::kEptPagingWriteWithoutRead};
  }
  if ((entry & (page ? reserved.page : reserved.table)[level]) != 0) {
    return {EntryKind::kBad, Reason::kEptReservedBit};
  }
  if (!page) return {EntryKind::kTable};
  if (!arch::is_valid_ept_memory_type(arch::ept_entry::kMemoryType.get(entry))) {
    return {EntryKind::kBad, Reason::kEptMemoryType};
  }
  return {EntryKind::kPage};
}

/// The entries that translate a guest-physical address, as far as rights are concerned.
struct EptPath {
  std::uint64_t above;  ///< AND of the entries above the last one
  std::uint64_t last;   ///< the leaf, or one that leads to a table
};

/// The rights that the entries leave; `page`: the last is a leaf. Without mode-based execute bit 2
/// stands for both kinds of address, so a user of rights may always ask for the kind that the
/// address is of.
inline EptRights ept_rights(const WalkContext& context, EptPath path, bool page = true) {
  using namespace arch;
  const std::uint64_t all = path.above & path.last;
  const bool execute = ept_entry::kExecute.any(all);
  const bool write_above = ept_entry::kWrite.any(path.above);
  return {.read = ept_entry::kRead.any(all),
          .write = ept_entry::kWrite.any(all),
          .execute = execute,
          .user_execute = context.mode_based_execute ? ept_entry::kUserExecute.any(all) : execute,
          .paging_write = ept_entry::kWrite.any(all) ||
                          (page && write_above && (path.last & context.ept_paging_write) != 0),
          .supervisor_shadow_stack =
              ept_entry::kRead.any(all) && write_above &&
              (page ? ept_entry::kSupervisorShadowStack : ept_entry::kWrite).any(path.last)};
}

/// What an access wants of the EPT.
struct EptDemand {
  bool read = false;
  bool write = false;
  bool fetch = false;
  bool user_address = false;  ///< of a fetch: from a user-mode linear address
  bool paging = false;        ///< made by a walk on a guest paging structure
  bool shadow_stack = false;  ///< a shadow-stack access
  /// A supervisor shadow-stack access under supervisor shadow-stack control: its own right decides.
  bool supervisor_shadow_stack = false;
};

/// The demand of the access itself on its guest-physical address. `user_address`: the linear
/// address is user-mode, by U/S of the guest entries and not by CPL (SDM 31.3.3.2).
constexpr EptDemand ept_demand(arch::AccessKind access, bool user_address) {
  const bool fetch = access == arch::AccessKind::kFetch;
  const bool write = arch::is_write(access);
  const bool read = (!fetch && !write) || access == arch::AccessKind::kReadModifyWrite;
  return {.read = read, .write = write, .fetch = fetch, .user_address = user_address};
}

/// The same, for shadow-stack accesses too.
constexpr EptDemand ept_demand(const WalkContext& context, const Request& request,
                               bool user_address) {
  EptDemand demand = ept_demand(request.access, user_address);
  if (is_shadow_stack_access(request)) {
    demand.shadow_stack = true;
    demand.supervisor_shadow_stack = context.ept_shadow_stacks && !is_user_access(request);
  }
  return demand;
}

/// An update of a guest entry's flags is a data write.
inline constexpr EptDemand kTableUpdate{.read = true, .write = true, .paging = true};

/// The demand of a walk that reads a guest entry: a data read. With EPT accessed and dirty flags it
/// counts as a write too, whether or not a guest flag changes (SDM 31.3.3.2).
inline EptDemand table_demand(const WalkContext& context) {
  return context.ept_accessed_dirty ? kTableUpdate : EptDemand{.read = true, .paging = true};
}

/// Why `rights` refuse `demand`; kNone if they do not.
constexpr Reason ept_refusal(EptDemand demand, EptRights rights) {
  if (demand.supervisor_shadow_stack) {
    return rights.supervisor_shadow_stack ? Reason::kNone : Reason::kEptShadowStack;
  }
  if (demand.read && !rights.read) return Reason::kEptNotReadable;
  if (demand.write && !(demand.paging ? rights.paging_write : rights.write)) {
    return Reason::kEptNotWritable;
  }
  if (demand.fetch && !(demand.user_address ? rights.user_execute : rights.execute)) {
    return Reason::kEptNotExecutable;
  }
  return Reason::kNone;
}

/// Exit qualification bits 0 to 6 and 13: the access, and the rights found (SDM 30.2.1, table
/// 30-7).
std::uint64_t violation_bits(const WalkContext& context, EptDemand demand, EptRights rights);

/// Exit qualification bits 9 to 11, advanced information on the guest's rights; 0 without the
/// capability.
std::uint64_t advanced_violation_bits(const WalkContext& context, GuestRights rights);

}  // namespace eptsim::mmu
