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
  if ((entry & (page ? reserved.page : reserved.table)[level]) != 0) {
    return {EntryKind::kBad, Reason::kEptReservedBit};
  }
  if (!page) return {EntryKind::kTable};
  if (!arch::is_valid_ept_memory_type(arch::ept_entry::kMemoryType.get(entry))) {
    return {EntryKind::kBad, Reason::kEptMemoryType};
  }
  return {EntryKind::kPage};
}

/// The rights of one entry. Without mode-based execute bit 2 stands for both kinds of address, so
/// a user of rights may always ask for the kind that the address is of.
inline EptRights ept_entry_rights(const WalkContext& context, std::uint64_t entry) {
  const bool execute = arch::ept_entry::kExecute.any(entry);
  return {.read = arch::ept_entry::kRead.any(entry),
          .write = arch::ept_entry::kWrite.any(entry),
          .execute = execute,
          .user_execute =
              context.mode_based_execute ? arch::ept_entry::kUserExecute.any(entry) : execute};
}

constexpr EptRights operator&(EptRights a, EptRights b) {
  return {.read = a.read && b.read,
          .write = a.write && b.write,
          .execute = a.execute && b.execute,
          .user_execute = a.user_execute && b.user_execute};
}

/// What an access wants of the EPT.
struct EptDemand {
  bool read = false;
  bool write = false;
  bool fetch = false;
  bool user_address = false;  ///< of a fetch: from a user-mode linear address
};

/// The demand of the access itself on its guest-physical address. `user_address`: the linear
/// address is user-mode, by U/S of the guest entries and not by CPL (SDM 31.3.3.2).
constexpr EptDemand ept_demand(arch::AccessKind access, bool user_address) {
  const bool fetch = access == arch::AccessKind::kFetch;
  const bool write = arch::is_write(access);
  const bool read = (!fetch && !write) || access == arch::AccessKind::kReadModifyWrite;
  return {.read = read, .write = write, .fetch = fetch, .user_address = user_address};
}

/// Why `rights` refuse `demand`; kNone if they do not.
constexpr Reason ept_refusal(EptDemand demand, EptRights rights) {
  if (demand.read && !rights.read) return Reason::kEptNotReadable;
  if (demand.write && !rights.write) return Reason::kEptNotWritable;
  if (demand.fetch && !(demand.user_address ? rights.user_execute : rights.execute)) {
    return Reason::kEptNotExecutable;
  }
  return Reason::kNone;
}

/// Exit qualification bits 0 to 6: the access, and the rights found (SDM 30.2.1, table 30-7).
std::uint64_t violation_bits(const WalkContext& context, EptDemand demand, EptRights rights);

/// Exit qualification bits 9 to 11, advanced information on the guest's rights; 0 without the
/// capability.
std::uint64_t advanced_violation_bits(const WalkContext& context, GuestRights rights);

}  // namespace eptsim::mmu
