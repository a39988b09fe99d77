#include "sim/walk/doctor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ept/arch/access.hpp"
#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"

namespace eptsim::sim {

using arch::BitField;
using mmu::Reason;

void Doctor::missing_ept_right(std::string_view verb, BitChange right) {
  std::size_t levels = 0;
  for (const Visit& entry : last_ept_entries()) {
    if ((entry.reference.value & right.mask()) != 0) continue;
    std::vector<BitChange> bits = {right};
    // WRITE alone would make a misconfiguration of an entry that only allows execution.
    if (right.bit == 1 && !arch::ept_entry::kRead.any(entry.reference.value)) {
      bits.insert(bits.begin(), {0, "READ", true});
    }
    it_.changes.push_back(change(entry, bits));
    ++levels;
  }
  it_.why =
      fmt::format("The EPT maps {}, but does not let it be {}: {} is 0 in {}.", subject(), verb,
                  right.name, levels == 1 ? "one entry" : fmt::format("{} entries", levels));
  it_.afterwards = kNoInveptOwed;
}

void Doctor::ept_not_present(const Visit& visit) {
  const bool mode_based = context_.controls.mode_based_execute;
  it_.why = fmt::format(
      "The EPT maps nothing there: none of {} is set in the {}, so guest-physical {:#x} has no "
      "memory.",
      mode_based ? "READ, WRITE, EXECUTE and USER_EXECUTE" : "READ, WRITE and EXECUTE",
      visit.name(), answer_.outcome.gpa);
  std::vector<BitChange> bits = {{0, "READ", true}};
  const BitChange write{1, "WRITE", true};
  if (!at_the_access()) {
    if (rules_.ept_accessed_dirty) bits.push_back(write);
  } else if (needs_supervisor_shadow_stack()) {
    bits.push_back(visit.leaf ? BitChange{60, "SUPERVISOR_SHADOW_STACK", true} : write);
  } else if (arch::is_write(request_.access)) {
    bits.push_back(write);
  } else if (request_.access == arch::AccessKind::kFetch) {
    bits.push_back(execute_bit());
  }
  it_.changes.push_back(change(visit, bits));
  missing_address(visit.reference.value, visit.level, visit.level <= 3);
  it_.afterwards = kNeverCached;
}

/// `other` and no READ: what is not valid. A fetch needs no READ, so it may lose `other` instead.
void Doctor::ept_without_read(std::string_view why, const Visit& visit, BitChange other) {
  it_.why = why;
  it_.changes.push_back(change(visit, {{0, "READ", true}}));
  if (at_the_access() && request_.access == arch::AccessKind::kFetch &&
      (visit.reference.value & execute_bit().mask()) != 0 && context_.cpu.execute_only) {
    it_.changes.push_back(change(visit, {other}));
    it_.one_is_enough = true;
  }
  it_.afterwards = kNeverCached;
}

void Doctor::ept_shadow_stack() {
  it_.why =
      "EPTP bit 7 is set: a supervisor shadow-stack access needs READ in every EPT entry, WRITE in "
      "all but the last, and SUPERVISOR_SHADOW_STACK in the last.";
  for (const Visit& entry : last_ept_entries()) {
    const std::uint64_t value = entry.reference.value;
    std::vector<BitChange> bits;
    if (!arch::ept_entry::kRead.any(value)) bits.push_back({0, "READ", true});
    if (!entry.leaf && !arch::ept_entry::kWrite.any(value)) bits.push_back({1, "WRITE", true});
    if (entry.leaf && !arch::ept_entry::kSupervisorShadowStack.any(value)) {
      bits.push_back({60, "SUPERVISOR_SHADOW_STACK", true});
    }
    if (!bits.empty()) it_.changes.push_back(change(entry, bits));
  }
  it_.afterwards = kNoInveptOwed;
}

void Doctor::paging_verification() {
  it_.why =
      "VERIFY is set in the EPT leaf of the page, so each guest entry that led to it must lie in a "
      "page whose EPT leaf has PAGING_WRITE_ACCESS.";
  // Entries of HLAT tables count, but not where the walk then restarted from CR3.
  const std::vector<Visit> counted = guest_entries();
  for (const WalkColumn& column : path_) {
    if (column.guest_level == 0 || column.linear != path_.back().linear || counted.empty() ||
        column.table != counted.back().table) {
      continue;
    }
    for (const Visit& visit : column.visits) {
      if (visit.table != TableKind::kEpt || !visit.leaf ||
          arch::ept_entry::kPagingWriteAccess.any(visit.reference.value)) {
        continue;
      }
      std::string text = change(visit, {{58, "PAGING_WRITE_ACCESS", true}});
      // One large page may hold several of the guest's tables.
      if (std::find(it_.changes.begin(), it_.changes.end(), text) == it_.changes.end()) {
        it_.changes.push_back(std::move(text));
      }
    }
  }
  it_.afterwards = kNoInveptOwed;
}

void Doctor::ept_write() {
  const BitChange write{1, "WRITE", true};
  missing_ept_right("written", write);
  if (at_the_access()) {
    if (!path_.empty() && !path_.back().visits.empty() &&
        path_.back().visits.back().table == TableKind::kSpp) {
      sub_pages(path_.back().visits.back());
    }
    return;
  }
  it_.why += rules_.ept_accessed_dirty
                 ? " With EPTP bit 6 set every access to a guest paging structure counts as a "
                   "write."
                 : " The walk had to set an accessed or dirty flag in the guest's entry.";
  if (!context_.controls.paging_write) return;
  // Paging-write access of the leaf stands in for its WRITE, and only for that (SDM 31.3.3.2).
  const Visit leaf = last_ept_entries().back();
  if (arch::ept_entry::kPagingWriteAccess.any(leaf.reference.value)) {
    std::erase(it_.changes, change(leaf, {write}));
    it_.why += " PAGING_WRITE_ACCESS makes up for WRITE in the last entry, but in none above it.";
  } else if (it_.changes.size() == 1 && !arch::ept_entry::kWrite.any(leaf.reference.value)) {
    it_.changes.push_back("or instead " + change(leaf, {{58, "PAGING_WRITE_ACCESS", true}}));
  }
}

/// The vector was reached, and refused one of the sub-pages that the write touches.
void Doctor::sub_pages(const Visit& visit) {
  const std::uint64_t offset = answer_.outcome.gpa & 0xfff;
  const std::uint64_t bytes = std::min<std::uint64_t>(request_.size, 0x1000 - offset);
  it_.why =
      "The EPT forbids writes to the page but for single sub-pages of 128 bytes, and the sub-page "
      "vector does not allow each one that the write touches.";
  std::vector<BitChange> bits;
  for (std::uint64_t sub_page = offset >> 7; sub_page <= (offset + bytes - 1) >> 7; ++sub_page) {
    const BitChange allow{static_cast<unsigned>(2 * sub_page), fmt::format("sub-page {}", sub_page),
                          true};
    if ((visit.reference.value & allow.mask()) == 0) bits.push_back(allow);
  }
  it_.changes = {change(visit, bits)};
  it_.afterwards = kInveptOwed;
}

/// The sub-page permission tables can't be walked.
void Doctor::sub_page_table(const Visit& visit) {
  const std::uint64_t reserved =
      visit.leaf ? 0xaaaa'aaaa'aaaa'aaaa
                 : BitField{11, 1}.mask() | ~std::uint64_t{0} << context_.cpu.maxphyaddr;
  const std::uint64_t set = visit.reference.value & reserved;
  const bool miss = answer_.outcome.reason == Reason::kSppMiss;
  it_.why = fmt::format(
      "The EPT forbids writes to the page, but bit 61 of its leaf leaves single sub-pages to the "
      "sub-page permission tables, and the {} {}.",
      visit.name(),
      miss ? "is not valid"
           : fmt::format("has {} {} set, which must be 0", (set & (set - 1)) == 0 ? "bit" : "bits",
                         numbers_of(set)));
  if (miss) {
    it_.changes.push_back(change(visit, {{0, "VALID", true}}));
    missing_address(visit.reference.value, visit.level, false);
  } else {
    it_.changes.push_back(clear_bits(visit, set));
  }
  it_.afterwards = kInveptOwed;
}

void Doctor::ept_execute() {
  const BitChange execute = execute_bit();
  if (!context_.controls.mode_based_execute) return missing_ept_right("executed", execute);
  const bool user_address = execute.bit == 10;
  missing_ept_right(user_address ? "executed from a user-mode address"
                                 : "executed from a supervisor-mode address",
                    execute);
  if (!user_address) return;
  it_.why += guest_entries().empty()
                 ? " With mode-based execute control bit 10 decides: without guest paging every "
                   "address is one of user mode."
                 : " With mode-based execute control bit 10 decides, for the guest's own entries "
                   "all say USER; CPL plays no part.";
}

void Doctor::address_too_wide() {
  it_.why = fmt::format(
      "A 4-level EPT translates 48 bits, and guest-physical {:#x} has some of bits 51:48 set. "
      "No EPT entry was read for it.",
      answer_.outcome.gpa);
  it_.changes.push_back("EPTP bits 5:3 from 3 to 4, with a level-5 table as the root");
  const std::vector<Visit> entries = guest_entries();
  if (!entries.empty()) {
    it_.changes.push_back(
        "or instead " +
        clear_bits(entries.back(), entries.back().reference.value & BitField{51, 48}.mask()));
  }
  it_.afterwards = "INVEPT is owed if the root of the EPT stays where it is.";
}

void Doctor::memory_type(const Visit& visit) {
  const std::uint64_t type = arch::ept_entry::kMemoryType.get(visit.reference.value);
  it_.why = fmt::format("Bits 5:3 of the {}, the memory type, are {}, which is reserved.",
                        visit.name(), type);
  it_.changes.push_back(
      fmt::format("{}: bits 5:3 from {} to 6 (WB), 5 (WP), 4 (WT), 1 (WC) or 0 (UC); WB makes it "
                  "{:#x}",
                  at(visit), type, arch::ept_entry::kMemoryType.set(visit.reference.value, 6)));
  it_.afterwards = kNeverCached;
}

/// Who is told of a violation where it may become an exception (SDM 28.5.7.1).
void Doctor::virtualization_exception() {
  if (answer_.outcome.kind == mmu::OutcomeKind::kVirtualizationException) {
    it_.why += fmt::format(
        " SUPPRESS_VE (bit 63) is 0 in the {}, so the guest is told by #VE and no VM exit occurs.",
        last_ept_entries().back().name());
  }
  if (answer_.outcome.kind != mmu::OutcomeKind::kEptViolation ||
      !context_.controls.ept_violation_ve) {
    return;
  }
  it_.why += " It is a VM exit and no #VE, because ";
  if (!rules_.virtualization_exceptions) {
    it_.why += "CR0.PE is 0.";
  } else if (answer_.outcome.reason == Reason::kEptAddressTooWide) {
    it_.why += "no EPT entry was read that could ask for one.";
  } else if (const Visit last = last_ept_entries().back();
             arch::ept_entry::kSuppressVe.any(last.reference.value)) {
    it_.why += fmt::format("SUPPRESS_VE (bit 63) is 1 in the {}.", last.name());
  } else {
    it_.why += fmt::format(
        "the dword at host-physical {:#x} of the #VE information is not 0: the guest has not yet "
        "cleared it after the one before.",
        context_.ve_info_address + 4);
  }
}

}  // namespace eptsim::sim
