#include "ept/check.hpp"

namespace eptsim::ept {

std::string_view name(FindingKind kind) {
  switch (kind) {
    case FindingKind::kWriteWithoutRead: return "write_without_read";
    case FindingKind::kExecuteOnly: return "execute_only";
    case FindingKind::kPagingWriteWithoutRead: return "paging_write_without_read";
    case FindingKind::kReservedAddressBits: return "reserved_address_bits";
    case FindingKind::kReservedLowBits: return "reserved_low_bits";
    case FindingKind::kPageSizeNotSupported: return "page_size_not_supported";
    case FindingKind::kReservedPageAddressBits: return "reserved_page_address_bits";
    case FindingKind::kReservedMemoryType: return "reserved_memory_type";
    case FindingKind::kTableUsedTwice: return "table_used_twice";
    case FindingKind::kTableAtTwoLevels: return "table_at_two_levels";
    case FindingKind::kTableCycle: return "table_cycle";
    case FindingKind::kUnreachableTable: return "unreachable_table";
    case FindingKind::kTableOutsideMemory: return "table_outside_memory";
    case FindingKind::kPageOutOfReach: return "page_out_of_reach";
    case FindingKind::kNoAccess: return "no_access";
    case FindingKind::kBitsInAbsentEntry: return "bits_in_absent_entry";
    case FindingKind::kDirtyWithoutAccessed: return "dirty_without_accessed";
    case FindingKind::kTablesWritable: return "tables_writable";
    case FindingKind::kMemoryTypesDiffer: return "memory_types_differ";
  }
  return "?";
}

std::string_view explain(FindingKind kind) {
  switch (kind) {
    case FindingKind::kWriteWithoutRead: return "WRITE is set without READ (SDM 31.3.3.1)";
    case FindingKind::kExecuteOnly:
      return "execute is allowed without READ, and the processor has no execute-only pages "
             "(SDM 31.3.3.1)";
    case FindingKind::kPagingWriteWithoutRead:
      return "PAGING_WRITE_ACCESS is set without READ under EPT paging-write control "
             "(SDM 31.3.3.1)";
    case FindingKind::kReservedAddressBits:
      return "an address bit at or above MAXPHYADDR is set (SDM 31.3.3.1)";
    case FindingKind::kReservedLowBits:
      return "a reserved bit of 7:3 is set in an entry that refers to a table (SDM 31.3.2)";
    case FindingKind::kPageSizeNotSupported:
      return "the entry maps a page of a size that the processor does not have (SDM 31.3.2)";
    case FindingKind::kReservedPageAddressBits:
      return "an address bit below the large page's alignment is set (SDM 31.3.2)";
    case FindingKind::kReservedMemoryType:
      return "the memory type is reserved: 2, 3 or 7 (SDM 31.3.7)";
    case FindingKind::kTableUsedTwice: return "another entry refers to the same table (SDM 31.3.2)";
    case FindingKind::kTableAtTwoLevels:
      return "the same table is in use at another level too (SDM 31.3.2)";
    case FindingKind::kTableCycle:
      return "the entry refers to its own table or to one above it: a circle (SDM 31.3.2)";
    case FindingKind::kUnreachableTable: return "no walk gets to the table (SDM 31.3.2)";
    case FindingKind::kTableOutsideMemory:
      return "the memory given does not hold the table: it is taken for empty";
    case FindingKind::kPageOutOfReach:
      return "the page lies beyond the width of guest-physical addresses (SDM 31.3.2)";
    case FindingKind::kNoAccess:
      return "the entries that lead to the page have no right in common: nothing can use it "
             "(SDM 31.3.3.2)";
    case FindingKind::kBitsInAbsentEntry:
      return "the entry is not present, yet holds bits: a right lost, or data of the hypervisor "
             "(SDM 31.3.2)";
    case FindingKind::kDirtyWithoutAccessed:
      return "DIRTY is set without ACCESSED: software wrote it (SDM 31.3.5)";
    case FindingKind::kTablesWritable:
      return "the guest can write these EPT tables: it can give itself any memory (SDM 31.3.2)";
    case FindingKind::kMemoryTypesDiffer:
      return "other entries map the same memory with another memory type (SDM 31.3.7, 13.12.4)";
  }
  return "?";
}

bool is_misconfiguration(FindingKind kind) { return kind <= FindingKind::kReservedMemoryType; }

}  // namespace eptsim::ept
