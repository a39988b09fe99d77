#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// The memory type of an access, from the EPT's type and the guest's.
namespace eptsim::tb::conformance {
namespace {

using Type = arch::MemoryType;

constexpr Type kUc = Type::kUC, kWc = Type::kWC, kWt = Type::kWT, kWp = Type::kWP, kWb = Type::kWB;

// Columns of the table, by the PAT's type.
constexpr Type kPatTypes[] = {Type::kUC, Type::kUCMinus, kWc, kWt, kWb, kWp};

struct Row {
  Type ept;
  Type result[6];
};

constexpr Row kRows[] = {
    //     UC   UC-  WC   WT   WB   WP
    {kUc, {kUc, kUc, kWc, kUc, kUc, kUc}},  //
    {kWc, {kUc, kWc, kWc, kUc, kWc, kUc}},  //
    {kWt, {kUc, kUc, kWc, kWt, kWt, kWp}},  //
    {kWb, {kUc, kUc, kWc, kWt, kWb, kWp}},  //
    {kWp, {kUc, kWc, kWc, kWt, kWp, kWp}},  //
};

/// A guest page whose entry selects `index` of the PAT.
void select(MachineState& state, unsigned guest_leaf, unsigned index) {
  const std::uint64_t pat_bit = guest_leaf == 1 ? 0x80 : 0x1000;
  const std::uint64_t bits = ((index & 1) != 0 ? 0x8U : 0U) | ((index & 2) != 0 ? 0x10U : 0U) |
                             ((index & 4) != 0 ? pat_bit : 0);
  state.poke_guest(guest_leaf, 0x18 | pat_bit, bits);
}

std::uint64_t pat_with(unsigned index, Type type) {
  // The other bytes are another type than any that is looked for at this place.
  const std::uint64_t other = type == kWb ? 0 : 6;
  std::uint64_t pat = 0;
  for (unsigned i = 0; i < 8; ++i) {
    pat |= (i == index ? static_cast<std::uint64_t>(type) : other) << (8 * i);
  }
  return pat;
}

Expected of_type(const MachineState& state, Type type) {
  Expected expected = translated(state.gpa(), state.hpa());
  expected.memory_type = type;
  return expected;
}

void table(Guest guest, unsigned guest_leaf, unsigned ept_leaf, const Sink& sink) {
  for (const Row& row : kRows) {
    for (unsigned column = 0; column < 6; ++column) {
      for (unsigned index = 0; index < 8; ++index) {
        // A 4 KiB page of 32-bit paging, PAE or more has its PAT bit in bit 7, a large one in 12.
        MachineState state({.guest = guest, .guest_leaf = guest_leaf, .ept_leaf = ept_leaf});
        state.context.pat = pat_with(index, kPatTypes[column]);
        select(state, guest_leaf, index);
        state.poke(state.ept_entry(ept_leaf), 0x38, static_cast<std::uint64_t>(row.ept) << 3);
        const std::string text =
            std::string(name(guest)) + " guest leaf L" + std::to_string(guest_leaf) +
            ", EPT leaf L" + std::to_string(ept_leaf) + ", EPT " +
            std::string(arch::name(row.ept)) + ", PAT " +
            std::string(arch::name(kPatTypes[column])) + " at " + std::to_string(index);
        const mmu::Request read = request_of(Op::kR, state.linear());
        sink(state.vector(text, read, of_type(state, row.result[column])));

        MachineState ignored = state;
        ignored.poke(state.ept_entry(ept_leaf), 0, 0x40);
        sink(ignored.vector(text + ", PAT ignored", read, of_type(state, row.ept)));

        MachineState uncached = state;
        uncached.context.cr0 |= 0x40000000;  // CD
        sink(uncached.vector(text + ", caches disabled", read, of_type(state, kUc)));
        uncached.poke(state.ept_entry(ept_leaf), 0, 0x40);
        sink(uncached.vector(text + ", caches disabled, PAT ignored", read, of_type(state, kUc)));
      }
    }
  }
}

/// Without paging the guest's type is WB.
void without_paging(const Sink& sink) {
  for (const Row& row : kRows) {
    for (unsigned ept_leaf = 1; ept_leaf <= 3; ++ept_leaf) {
      MachineState state({.guest = Guest::kNone, .ept_leaf = ept_leaf});
      state.context.pat = 0;  // all UC: not looked at
      state.poke(state.ept_entry(ept_leaf), 0x38, static_cast<std::uint64_t>(row.ept) << 3);
      sink(state.vector("no paging, EPT " + std::string(arch::name(row.ept)) + " leaf L" +
                            std::to_string(ept_leaf),
                        request_of(Op::kR, state.linear()), of_type(state, row.result[4])));
    }
  }
}

}  // namespace

void memory_types(const Sink& sink) {
  table(Guest::k4Level, 1, 1, sink);
  table(Guest::k4Level, 2, 1, sink);
  table(Guest::k4Level, 3, 2, sink);
  table(Guest::k5Level, 1, 3, sink);
  table(Guest::kPae, 1, 1, sink);
  table(Guest::kPae, 2, 1, sink);
  table(Guest::k32Bit, 1, 1, sink);
  table(Guest::k32Bit, 2, 2, sink);
  without_paging(sink);
}

}  // namespace eptsim::tb::conformance
