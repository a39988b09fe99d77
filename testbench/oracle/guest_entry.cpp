#include "testbench/oracle/guest_entry.hpp"

namespace eptsim::oracle {

unsigned guest_levels(Paging mode) {
  switch (mode) {
    case Paging::k5Level: return 5;
    case Paging::k4Level: return 4;
    case Paging::kPae:
    case Paging::k32Bit: return 2;
    case Paging::kNone: return 0;
  }
  return 0;
}

unsigned guest_entry_size(Paging mode) { return mode == Paging::k32Bit ? 4 : 8; }

std::uint64_t guest_table_index(Paging mode, unsigned level, std::uint64_t gva) {
  if (mode == Paging::k32Bit) return level == 2 ? bits(gva, 31, 22) : bits(gva, 21, 12);
  switch (level) {
    case 5: return bits(gva, 56, 48);
    case 4: return bits(gva, 47, 39);
    case 3: return bits(gva, 38, 30);
    case 2: return bits(gva, 29, 21);
    default: return bits(gva, 20, 12);
  }
}

bool guest_reserved_bit_set(const State& state, unsigned level, std::uint64_t entry) {
  const unsigned m = state.cpu.maxphyaddr;
  const bool leaf = guest_maps_page(state, level, entry);
  switch (paging(state)) {
    case Paging::k32Bit: {
      if (level == 1 || !leaf) return false;
      const unsigned width = m < 40 ? m : 40;
      return any_bit(entry, 21, width - 19);
    }
    case Paging::kPae:
      if (any_bit(entry, 62, m)) return true;
      if (bit(entry, 63) && !efer_nxe(state)) return true;
      return level == 2 && leaf && any_bit(entry, 20, 13);
    case Paging::k4Level:
    case Paging::k5Level:
      if (any_bit(entry, 51, m)) return true;
      if (bit(entry, 63) && !efer_nxe(state)) return true;
      if (level >= 4) return bit(entry, 7);
      if (level == 3 && leaf) return any_bit(entry, 29, 13);
      if (level == 3) return bit(entry, 7);
      return level == 2 && leaf && any_bit(entry, 20, 13);
    case Paging::kNone: return false;
  }
  return false;
}

bool guest_maps_page(const State& state, unsigned level, std::uint64_t entry) {
  if (level == 1) return true;
  if (level == 2) return bit(entry, 7) && (paging(state) != Paging::k32Bit || cr4_pse(state));
  if (level == 3) return bit(entry, 7) && state.cpu.guest_page_1g;
  return false;
}

std::uint64_t guest_next_table(const State& state, std::uint64_t entry) {
  if (paging(state) == Paging::k32Bit) return in_place(entry, 31, 12);
  return in_place(entry, state.cpu.maxphyaddr - 1, 12);
}

std::uint64_t guest_page_size(Paging mode, unsigned level) {
  if (level == 1) return 0x1000;
  if (level == 2) return mode == Paging::k32Bit ? 0x400000 : 0x200000;
  return 0x40000000;
}

std::uint64_t guest_page_address(const State& state, unsigned level, std::uint64_t entry,
                                 std::uint64_t gva) {
  const unsigned m = state.cpu.maxphyaddr;
  if (paging(state) == Paging::k32Bit) {
    if (level == 1) return in_place(entry, 31, 12) | in_place(gva, 11, 0);
    const unsigned width = m < 40 ? m : 40;
    const std::uint64_t above_4g = width > 32 ? bits(entry, width - 20, 13) << 32 : 0;
    return above_4g | in_place(entry, 31, 22) | in_place(gva, 21, 0);
  }
  if (level == 1) return in_place(entry, m - 1, 12) | in_place(gva, 11, 0);
  if (level == 2) return in_place(entry, m - 1, 21) | in_place(gva, 20, 0);
  return in_place(entry, m - 1, 30) | in_place(gva, 29, 0);
}

bool guest_pat_bit(unsigned level, std::uint64_t entry) { return bit(entry, level == 1 ? 7 : 12); }

}  // namespace eptsim::oracle
