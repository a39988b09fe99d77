#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// Bits of the guest's 4- and 5-level entries that must be 0, those that mean nothing, and absent
// entries.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

// A present entry with a reserved bit: P and RSVD, with W, U and I/D for the access. A reserved bit
// is told whatever the rights are.
constexpr std::uint32_t kReservedCodes[] = {0x9, 0xb, 0x19, 0x1d};
constexpr std::uint32_t kAbsentCodes[] = {0x0, 0x2, 0x10, 0x14};

struct Entry {
  unsigned level;
  bool large;  ///< maps a large page
};

struct Machine {
  Guest guest;
  unsigned ept_levels;
};

std::string text_of(const Machine& machine, const Entry& entry, const std::string& what, Op op) {
  return std::string(name(machine.guest)) + " guest L" + std::to_string(entry.level) +
         (entry.large ? " page, " : ", ") + what + ", EPT levels " +
         std::to_string(machine.ept_levels) + ", " + std::string(name(op));
}

MachineState state_for(const Machine& machine, const Entry& entry) {
  return MachineState({.guest = machine.guest,
                       .guest_leaf = entry.large ? entry.level : 1,
                       .ept_levels = machine.ept_levels});
}

/// With the bit: refused in a present entry, without meaning in an absent one.
void reserved(const Machine& machine, const Entry& entry, const MachineState& from, unsigned number,
              const Sink& sink) {
  const std::string width = " of a width of " + std::to_string(from.context.cpu.maxphyaddr);
  for (const Op op : kOps) {
    MachineState state = from;
    state.poke_guest(entry.level, 0, bit(number));
    // Fewer rights change nothing.
    if (number % 2 == 0) state.poke_guest(entry.level, 0x6, 0);
    const unsigned levels_read = state.guest_levels() - entry.level + 1;
    Expected expected = page_fault(kReservedCodes[static_cast<unsigned>(op)]);
    expected.references = levels_read * (machine.ept_levels + 1);
    sink(state.vector(text_of(machine, entry, "reserved bit " + std::to_string(number) + width, op),
                      request_of(op, state.linear()), expected));
    state.poke_guest(entry.level, 0x1, 0);
    expected = page_fault(kAbsentCodes[static_cast<unsigned>(op)]);
    expected.references = levels_read * (machine.ept_levels + 1);
    sink(state.vector(
        text_of(machine, entry, "absent with bit " + std::to_string(number) + width, op),
        request_of(op, state.linear()), expected));
  }
}

void reserved_bits(const Machine& machine, const Sink& sink) {
  const unsigned levels = machine.guest == Guest::k4Level ? 4 : 5;
  for (unsigned level = 1; level <= levels; ++level) {
    for (const bool large : {false, true}) {
      if (large && level != 2 && level != 3) continue;
      const Entry entry{level, large};
      for (const unsigned width : {40U, 46U, 51U, 52U}) {
        if (machine.ept_levels == 5 && width < 51) continue;  // the page lies at bit 48
        MachineState state = state_for(machine, entry);
        state.context.cpu.maxphyaddr = width;
        for (unsigned number = width; number <= 51; ++number) {
          reserved(machine, entry, state, number, sink);
        }
      }
      const MachineState state = state_for(machine, entry);
      if (level >= 4) reserved(machine, entry, state, 7, sink);
      if (large) {
        for (unsigned number = 13; number < 12 + 9 * (level - 1); ++number) {
          reserved(machine, entry, state, number, sink);
        }
      }
      if (level == 3 && !large) {
        MachineState small = state;
        small.context.cpu.guest_page_1g = false;
        reserved(machine, entry, small, 7, sink);
      }
    }
  }
}

/// Bit 63 is reserved without NXE; then error codes don't tell fetches either, without SMEP.
void execute_disable_without_nxe(const Machine& machine, const Sink& sink) {
  const unsigned levels = machine.guest == Guest::k4Level ? 4 : 5;
  for (unsigned level = 1; level <= levels; ++level) {
    for (const bool smep : {false, true}) {
      constexpr std::uint32_t kPlain[] = {0x9, 0xb, 0x9, 0xd};
      for (const Op op : kOps) {
        MachineState state = state_for(machine, {level, false});
        state.context.efer &= ~bit(11);
        if (smep) state.context.cr4 |= bit(20);
        state.poke_guest(level, 0, bit(63));
        const auto index = static_cast<unsigned>(op);
        sink(state.vector(text_of(machine, {level, false},
                                  std::string("bit 63 without NXE") + (smep ? ", SMEP" : ""), op),
                          request_of(op, state.linear()),
                          page_fault(smep ? kReservedCodes[index] : kPlain[index])));
      }
    }
  }
}

/// What may be set without any effect on the outcome.
void ignored_bits(const Machine& machine, const Sink& sink) {
  const unsigned levels = machine.guest == Guest::k4Level ? 4 : 5;
  for (unsigned level = 1; level <= levels; ++level) {
    for (const bool large : {false, true}) {
      if (large && level != 2 && level != 3) continue;
      const bool leaf = large || level == 1;
      for (unsigned number = 3; number <= 62; ++number) {
        const bool ignored =
            (number >= 8 && number <= 11) || number >= 52 ||  // G, R and others; keys
            number == 3 || number == 4 ||                     // PWT, PCD: the memory type
            (number == 6 && !leaf) || (number == 7 && level == 1) || (number == 12 && large);
        if (!ignored) continue;
        const Op op = kOps[number % 4];
        MachineState state = state_for(machine, {level, large});
        state.poke_guest(level, 0, bit(number));
        sink(state.vector(
            text_of(machine, {level, large}, "ignored bit " + std::to_string(number), op),
            request_of(op, state.linear()),
            translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op))));
      }
    }
  }
}

}  // namespace

void guest_reserved_bits(const Sink& sink) {
  for (const Guest guest : {Guest::k4Level, Guest::k5Level}) {
    for (const unsigned ept_levels : {0U, 4U, 5U}) {
      const Machine machine{guest, ept_levels};
      reserved_bits(machine, sink);
      execute_disable_without_nxe(machine, sink);
      ignored_bits(machine, sink);
    }
  }
}

}  // namespace eptsim::tb::conformance
