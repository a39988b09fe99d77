#include "testbench/oracle/ept_walk.hpp"

#include "testbench/oracle/registers.hpp"
#include "testbench/oracle/stop.hpp"

namespace eptsim::oracle {
namespace {

bool every_entry_has(const EptMapping& mapping, unsigned number) {
  for (const EptEntry& entry : mapping.entries) {
    if (!bit(entry.value, number)) return false;
  }
  return true;
}

bool every_entry_above_the_leaf_has(const EptMapping& mapping, unsigned number) {
  for (std::size_t i = 0; i + 1 < mapping.entries.size(); ++i) {
    if (!bit(mapping.entries[i].value, number)) return false;
  }
  return true;
}

unsigned table_index(unsigned level, std::uint64_t gpa) {
  switch (level) {
    case 5: return static_cast<unsigned>(bits(gpa, 56, 48));
    case 4: return static_cast<unsigned>(bits(gpa, 47, 39));
    case 3: return static_cast<unsigned>(bits(gpa, 38, 30));
    case 2: return static_cast<unsigned>(bits(gpa, 29, 21));
    default: return static_cast<unsigned>(bits(gpa, 20, 12));
  }
}

}  // namespace

EptMapping EptWalk::translate(const GuestPhysicalAccess& access) {
  EptMapping mapping;
  if (!ept_on(state_)) {
    mapping.hpa = access.gpa;
    return mapping;
  }
  const std::uint64_t root = in_place(*state_.eptp, state_.cpu.maxphyaddr - 1, 12);
  const unsigned levels = static_cast<unsigned>(bits(*state_.eptp, 5, 3)) + 1;
  if (levels == 4 && any_bit(access.gpa, 51, 48)) violation(access, mapping, false);
  descend(levels, root, access, mapping);
  check_rights(access, mapping);
  check_guest_paging(access, mapping);
  if (ept_flags_on(state_)) update_flags(access, mapping);
  return mapping;
}

void EptWalk::descend(unsigned level, std::uint64_t table, const GuestPhysicalAccess& access,
                      EptMapping& mapping) {
  const std::uint64_t address = table + 8 * table_index(level, access.gpa);
  const std::uint64_t entry = journal_.read_entry(Structure::kEpt, level, address);
  mapping.entries.push_back({level, address, entry});
  if (!is_present(entry)) violation(access, mapping, false);
  if (is_misconfigured(level, entry)) {
    Page page;
    page.outcome = Outcome::kEptMisconfig;
    page.gpa = access.gpa;
    throw Stop{page};
  }
  const unsigned highest = state_.cpu.maxphyaddr - 1;
  if (!maps_page(level, entry))
    return descend(level - 1, in_place(entry, highest, 12), access, mapping);
  if (level == 3) {
    mapping.hpa = in_place(entry, highest, 30) | in_place(access.gpa, 29, 0);
    mapping.page_size = 0x40000000;
  } else if (level == 2) {
    mapping.hpa = in_place(entry, highest, 21) | in_place(access.gpa, 20, 0);
    mapping.page_size = 0x200000;
  } else {
    mapping.hpa = in_place(entry, highest, 12) | in_place(access.gpa, 11, 0);
    mapping.page_size = 0x1000;
  }
}

bool EptWalk::is_present(std::uint64_t entry) const {
  if (state_.controls.mode_based_execute && bit(entry, 10)) return true;
  return bit(entry, 0) || bit(entry, 1) || bit(entry, 2);
}

bool EptWalk::maps_page(unsigned level, std::uint64_t entry) const {
  if (level == 1) return true;
  if (level == 2) return bit(entry, 7) && state_.cpu.page_2m;
  if (level == 3) return bit(entry, 7) && state_.cpu.page_1g;
  return false;
}

// SDM 31.3.3.1, of an entry that is present.
bool EptWalk::is_misconfigured(unsigned level, std::uint64_t entry) const {
  const bool readable = bit(entry, 0);
  const bool writable = bit(entry, 1);
  const bool executable = bit(entry, 2) || (state_.controls.mode_based_execute && bit(entry, 10));
  const bool leaf = maps_page(level, entry);

  if (!readable && writable) return true;
  if (!readable && executable && !state_.cpu.execute_only) return true;
  if (!readable && leaf && state_.controls.paging_write && bit(entry, 58)) return true;

  if (any_bit(entry, 51, state_.cpu.maxphyaddr)) return true;
  if (!leaf && any_bit(entry, 6, 3)) return true;
  // Bit 7 of an entry of level 4 or 5, or a page size that the processor lacks.
  if (!leaf && bit(entry, 7)) return true;
  if (leaf && level == 3 && any_bit(entry, 29, 12)) return true;
  if (leaf && level == 2 && any_bit(entry, 20, 12)) return true;

  const std::uint64_t memory_type = bits(entry, 5, 3);
  return leaf && (memory_type == 2 || memory_type == 3 || memory_type == 7);
}

// SDM 31.3.3.2: rights are looked at only when the whole walk has succeeded.
void EptWalk::check_rights(const GuestPhysicalAccess& access, const EptMapping& mapping) {
  const bool readable = every_entry_has(mapping, 0);
  const bool writable = every_entry_has(mapping, 1);
  const bool leaf_reached = true;

  if (ept_shadow_stack_on(state_) && access.supervisor_shadow_stack) {
    const bool leaf_allows = bit(mapping.leaf(), 60);
    if (!readable || !every_entry_above_the_leaf_has(mapping, 1) || !leaf_allows) {
      violation(access, mapping, leaf_reached);
    }
    return;
  }

  if (access.read && !readable) violation(access, mapping, leaf_reached);

  if (access.fetch) {
    bool executable = every_entry_has(mapping, 2);
    if (state_.controls.mode_based_execute && access.linear && access.linear->user_mode) {
      executable = every_entry_has(mapping, 10);
    }
    if (!executable) violation(access, mapping, leaf_reached);
  }

  if (access.write && !writable) {
    const bool paging_write = access.guest_table && state_.controls.paging_write &&
                              every_entry_above_the_leaf_has(mapping, 1) && bit(mapping.leaf(), 58);
    const bool sub_pages = !access.guest_table && state_.controls.sub_page_permission && readable &&
                           mapping.entries.back().level == 1 && bit(mapping.leaf(), 61);
    if (paging_write) return;
    if (sub_pages && sub_page_allows(access)) return;
    violation(access, mapping, leaf_reached);
  }
}

void EptWalk::check_guest_paging(const GuestPhysicalAccess& access,
                                 const EptMapping& mapping) const {
  if (!state_.controls.guest_paging_verification || !state_.controls.paging_write) return;
  if (access.guest_table || !access.linear) return;
  const bool verify = bit(mapping.leaf(), 57);
  if (verify && !access.linear->tables_verified) violation(access, mapping, true, true);
}

void EptWalk::check_flag_update(const GuestPhysicalAccess& walk, const EptMapping& mapping) {
  if (!ept_on(state_)) return;
  GuestPhysicalAccess update = walk;
  update.read = true;
  update.write = true;
  check_rights(update, mapping);
}

// SDM 31.3.5 and 31.3.6: the log is looked at first, once for the whole access.
void EptWalk::update_flags(const GuestPhysicalAccess& access, const EptMapping& mapping) {
  const bool sets_accessed = !every_entry_has(mapping, 8);
  const bool sets_dirty = access.write && !bit(mapping.leaf(), 9);
  if (!sets_accessed && !sets_dirty) return;

  if (state_.controls.pml && pml_index_ > 511) {
    Page page;
    page.outcome = Outcome::kPmlFull;
    page.gpa = access.gpa;
    throw Stop{page};
  }
  for (std::size_t i = 0; i < mapping.entries.size(); ++i) {
    const bool leaf = i + 1 == mapping.entries.size();
    std::uint64_t flags = one_bit(true, 8);
    if (leaf && access.write) flags |= one_bit(true, 9);
    journal_.set_flags(mapping.entries[i].address, 8, flags);
  }
  if (state_.controls.pml && sets_dirty) {
    journal_.write(state_.pml_address + 8 * std::uint64_t{pml_index_}, 8,
                   in_place(access.gpa, 63, 12));
    --pml_index_;
  }
}

// SDM, "Exit Qualification for EPT Violations".
void EptWalk::violation(const GuestPhysicalAccess& access, const EptMapping& mapping,
                        bool leaf_reached, bool by_verification) const {
  const bool any_entry = !mapping.entries.empty();
  const bool present = any_entry && is_present(mapping.entries.back().value);
  const bool final_of_linear = access.linear.has_value() && !access.guest_table;
  const bool advanced = state_.cpu.advanced_exit_info && final_of_linear;

  std::uint64_t qualification = 0;
  qualification |= one_bit(access.read, 0);
  qualification |= one_bit(access.write, 1);
  qualification |= one_bit(access.fetch, 2);
  qualification |= one_bit(present && every_entry_has(mapping, 0), 3);
  qualification |= one_bit(present && every_entry_has(mapping, 1), 4);
  qualification |= one_bit(present && every_entry_has(mapping, 2), 5);
  qualification |=
      one_bit(present && state_.controls.mode_based_execute && every_entry_has(mapping, 10), 6);
  qualification |= one_bit(access.linear.has_value(), 7);
  qualification |= one_bit(final_of_linear, 8);
  qualification |= one_bit(advanced && access.linear->user_mode, 9);
  qualification |= one_bit(advanced && access.linear->writable, 10);
  qualification |= one_bit(advanced && access.linear->execute_disable, 11);
  qualification |= one_bit(access.shadow_stack, 13);
  qualification |=
      one_bit(leaf_reached && ept_shadow_stack_on(state_) && bit(mapping.leaf(), 60), 14);
  qualification |= one_bit(by_verification, 15);

  Stop stop;
  stop.page.outcome = Outcome::kEptViolation;
  stop.page.qualification = qualification;
  stop.page.gpa = access.gpa;
  if (access.linear) {
    stop.page.gva_valid = true;
    stop.page.gva = access.linear->gva;
  }
  if (any_entry) stop.deciding_entry = mapping.leaf();
  throw stop;
}

}  // namespace eptsim::oracle
