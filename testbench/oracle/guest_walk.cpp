#include "testbench/oracle/guest_walk.hpp"

#include "testbench/oracle/guest_entry.hpp"
#include "testbench/oracle/memory_type.hpp"
#include "testbench/oracle/registers.hpp"
#include "testbench/oracle/stop.hpp"

namespace eptsim::oracle {
namespace {

constexpr std::uint64_t kAccessed = 0x20;  // bit 5
constexpr std::uint64_t kDirty = 0x40;     // bit 6

// What an entry of an HLAT level covers; no page is larger than 1 GByte.
std::uint64_t covered_by(unsigned level) {
  return level >= 3 ? 0 : guest_page_size(Paging::k4Level, level);
}

}  // namespace

GuestMapping GuestWalk::translate() {
  GuestMapping mapping;
  if (paging(state_) == Paging::kNone) {
    mapping.gpa = gva_;
    mapping.pat = kPatWb;
    return mapping;
  }

  Last last;
  if (uses_hlat()) {
    const std::uint64_t table = in_place(state_.hlat_pointer, state_.cpu.maxphyaddr - 1, 12);
    last = walk(Structure::kHlat, guest_levels(paging(state_)), table);
    if (last.restarts) {
      mapping.tlb_limit = covered_by(last.level);
      rights_ = GuestRights{};
      tables_verified_ = true;
      last = walk_from_cr3();
    }
  } else {
    last = walk_from_cr3();
  }

  if (const auto error_code = permission_fault(state_, access_, rights_)) page_fault(*error_code);
  if (is_write(access_.kind)) set_flag(last, kDirty);

  mapping.gpa = guest_page_address(state_, last.level, last.entry, gva_);
  mapping.page_size = guest_page_size(paging(state_), last.level);
  mapping.pat = pat_type(state_, guest_pat_bit(last.level, last.entry), bit(last.entry, 4),
                         bit(last.entry, 3));
  mapping.rights = rights_;
  mapping.tables_verified = tables_verified_;
  return mapping;
}

GuestWalk::Last GuestWalk::walk_from_cr3() {
  const Paging mode = paging(state_);
  std::uint64_t table = 0;
  if (mode == Paging::k32Bit) {
    table = in_place(state_.cr3, 31, 12);
  } else if (mode == Paging::kPae) {
    const std::uint64_t entry = pdpte();
    if (!bit(entry, 0)) page_fault(entry_fault(state_, access_, false, false));
    table = guest_next_table(state_, entry);
  } else {
    table = in_place(state_.cr3, state_.cpu.maxphyaddr - 1, 12);
  }
  return walk(Structure::kGuest, guest_levels(mode), table);
}

std::uint64_t GuestWalk::pdpte() const {
  const std::uint64_t index = bits(gva_, 31, 30);
  if (ept_on(state_)) return state_.pdptes[index];
  return journal_.read(in_place(state_.cr3, 31, 5) + 8 * index, 8);
}

bool GuestWalk::uses_hlat() const {
  if (!state_.controls.hlat || !four_or_five_level(state_)) return false;
  return state_.hlat_prefix_size == 0 || bit(gva_, 63);
}

GuestWalk::Last GuestWalk::walk(Structure structure, unsigned level, std::uint64_t table) {
  const bool in_hlat = structure == Structure::kHlat;
  const Paging mode = paging(state_);
  const unsigned size = guest_entry_size(mode);

  Last last;
  last.level = level;
  last.walk.gpa = table + size * guest_table_index(mode, level, gva_);
  last.walk.size = size;
  last.walk.read = true;
  last.walk.write = ept_flags_on(state_);
  last.walk.guest_table = true;
  last.walk.linear = GuestPhysicalAccess::Linear{.gva = gva_};
  last.mapping = ept_.translate(last.walk);

  const std::uint64_t entry = journal_.read_entry(structure, level, last.mapping.hpa, size);
  last.entry = entry;
  if (!bit(entry, 0)) page_fault(entry_fault(state_, access_, false, in_hlat));
  if (guest_reserved_bit_set(state_, level, entry)) {
    page_fault(entry_fault(state_, access_, true, in_hlat));
  }
  set_flag(last, kAccessed);
  if (in_hlat && bit(entry, 11)) {
    last.restarts = true;
    return last;
  }

  if (ept_on(state_) && !bit(last.mapping.leaf(), 58)) tables_verified_ = false;
  rights_.user = rights_.user && bit(entry, 2);
  rights_.writable = rights_.writable && bit(entry, 1);
  rights_.execute_disable = rights_.execute_disable || (efer_nxe(state_) && bit(entry, 63));
  if (guest_maps_page(state_, level, entry)) {
    rights_.leaf = entry;
    return last;
  }
  rights_.writable_above = rights_.writable;
  return walk(structure, level - 1, guest_next_table(state_, entry));
}

// SDM, "Accessed and Dirty Flags". An update is a write of its own where the walk was only a read.
void GuestWalk::set_flag(const Last& at, std::uint64_t flag) {
  if ((at.entry & flag) != 0) return;
  ept_.check_flag_update(at.walk, at.mapping);
  journal_.set_flags(at.mapping.hpa, guest_entry_size(paging(state_)), flag);
}

void GuestWalk::page_fault(std::uint32_t error_code) const {
  Page page;
  page.outcome = Outcome::kPageFault;
  page.error_code = error_code;
  page.gva_valid = true;
  page.gva = gva_;
  throw Stop{page};
}

}  // namespace eptsim::oracle
