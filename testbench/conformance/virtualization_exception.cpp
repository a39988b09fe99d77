#include <array>

#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// EPT violations that the guest gets as exceptions.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t kArea = 0x32'0000'0000;
constexpr std::uint64_t kSuppress = std::uint64_t{1} << 63;
constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr std::uint16_t kIndex = 0x1a5;

MachineState with_exceptions(const Layout& layout = {}) {
  MachineState state(layout);
  state.context.controls.ept_violation_ve = true;
  state.context.ve_info_address = kArea;
  state.context.eptp_index = kIndex;
  // What the guest left behind: only the second dword keeps the area in use.
  state.image.put(kArea, 0x0000'0000'dead'beef);
  state.image.put(kArea + 32, 0x1111'2222'3333'4444);
  return state;
}

/// The exception, with the area as it must be filled: reason 48, the area in use, qualification,
/// addresses, and 16 bits of EPTP index.
Expected exception(std::uint64_t qualification, std::uint64_t linear, std::uint64_t gpa) {
  Expected expected = violation(qualification, gpa);
  expected.kind = mmu::OutcomeKind::kVirtualizationException;
  expected.memory.push_back({"reason and guard", kArea, kAll, 0xffff'ffff'0000'0030});
  expected.memory.push_back({"qualification", kArea + 8, kAll, qualification});
  expected.memory.push_back({"linear address", kArea + 16, kAll, linear});
  expected.memory.push_back({"guest-physical address", kArea + 24, kAll, gpa});
  expected.memory.push_back({"EPTP index", kArea + 32, kAll, 0x1111'2222'3333'0000 | kIndex});
  return expected;
}

/// A VM exit that leaves the area as it was.
Expected vm_exit(Expected expected, std::uint64_t first_word = 0x0000'0000'dead'beef) {
  expected.memory.push_back({"reason and guard", kArea, kAll, first_word});
  expected.memory.push_back({"qualification", kArea + 8, kAll, 0});
  expected.memory.push_back({"EPTP index", kArea + 32, kAll, 0x1111'2222'3333'4444});
  return expected;
}

/// The entry that ended the walk says whether to suppress, and no other.
void suppress_bit(const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (unsigned level = 1; level <= ept_levels; ++level) {
      for (const Op op : kOps) {
        const std::uint64_t code =
            std::array<std::uint64_t, 4>{0x181, 0x182, 0x184, 0x184}[static_cast<unsigned>(op)];
        const std::string text = std::to_string(ept_levels) + "-level EPT, absent entry L" +
                                 std::to_string(level) + ", " + std::string(name(op));
        MachineState state = with_exceptions({.ept_levels = ept_levels});
        const std::uint64_t gpa = state.gpa() + offset_of(op);
        const mmu::Request request = request_of(op, state.linear());
        // Bit 63 of every other entry says nothing.
        for (unsigned other = 1; other <= ept_levels; ++other) {
          state.poke(state.ept_entry(other), 0, kSuppress);
        }
        state.poke(state.ept_entry(level), kSuppress | 7, 0);
        sink(state.vector(text, request, exception(code, request.address, gpa)));

        MachineState suppressed = with_exceptions({.ept_levels = ept_levels});
        suppressed.poke(suppressed.ept_entry(level), 7, kSuppress);
        sink(suppressed.vector(text + ", suppressed", request, vm_exit(violation(code, gpa))));
      }
    }
    // Rights: the leaf says, wherever the right is missing.
    for (unsigned level = 1; level <= ept_levels; ++level) {
      for (unsigned leaf = 1; leaf <= 3; ++leaf) {
        if (level < leaf) continue;
        MachineState state = with_exceptions({.ept_levels = ept_levels, .ept_leaf = leaf});
        const mmu::Request request = request_of(Op::kW, state.linear());
        state.poke(state.ept_entry(level), 2, 0);
        for (unsigned other = leaf + 1; other <= ept_levels; ++other) {
          state.poke(state.ept_entry(other), 0, kSuppress);
        }
        const std::string text = std::to_string(ept_levels) + "-level EPT leaf L" +
                                 std::to_string(leaf) + ", read-only entry L" +
                                 std::to_string(level);
        sink(state.vector(text, request, exception(0x1aa, state.linear(), state.gpa())));
        for (unsigned other = leaf + 1; other <= ept_levels; ++other) {
          state.poke(state.ept_entry(other), kSuppress, 0);
        }
        state.poke(state.ept_entry(leaf), 0, kSuppress);
        sink(state.vector(text + ", suppressed", request, vm_exit(violation(0x1aa, state.gpa()))));
      }
    }
  }
}

/// What else must hold.
void conditions(const Sink& sink) {
  {
    MachineState state = with_exceptions();
    state.context.controls.ept_violation_ve = false;
    state.poke(state.ept_entry(1), 7, 0);
    sink(state.vector("control off", request_of(Op::kR, state.linear()),
                      vm_exit(violation(0x181, state.gpa()))));
  }
  // The guard: any bit of the dword at 4.
  for (unsigned number = 32; number < 64; ++number) {
    MachineState state = with_exceptions();
    const std::uint64_t word = 0xdead'beef | std::uint64_t{1} << number;
    state.image.put(kArea, word);
    state.poke(state.ept_entry(1), 7, 0);
    sink(state.vector("guard bit " + std::to_string(number - 32),
                      request_of(Op::kR, state.linear()),
                      vm_exit(violation(0x181, state.gpa()), word)));
  }
  // Without paging the guest may be in protected mode or not.
  for (const bool protected_mode : {false, true}) {
    MachineState state = with_exceptions({.guest = Guest::kNone});
    state.context.cr0 = protected_mode ? 1 : 0;
    state.poke(state.ept_entry(1), 7, 0);
    sink(state.vector(std::string("no paging, CR0.PE=") + (protected_mode ? "1" : "0"),
                      request_of(Op::kR, state.linear()),
                      protected_mode ? exception(0x181, state.linear(), state.gpa())
                                     : vm_exit(violation(0x181, state.gpa()))));
  }
  // No entry was asked: an exit (policy).
  for (unsigned number = 48; number <= 51; ++number) {
    MachineState state = with_exceptions();
    state.context.cpu.maxphyaddr = 52;
    state.poke_guest(1, 0, std::uint64_t{1} << number);
    sink(state.vector("guest-physical bit " + std::to_string(number),
                      request_of(Op::kR, state.linear()),
                      vm_exit(violation(0x181, state.gpa() | std::uint64_t{1} << number))));
  }
  // Guest tables too, with what the access to them reports.
  for (const bool flags : {false, true}) {
    for (unsigned level = 1; level <= 4; ++level) {
      MachineState state = with_exceptions({.ept_accessed_dirty = flags});
      state.poke(state.table_ept_entry(level, 1), 7, 0);
      sink(state.vector(
          "guest table L" + std::to_string(level) + (flags ? ", EPT A/D" : ""),
          request_of(Op::kW, state.linear()),
          exception(flags ? 0x83 : 0x81, state.linear(), state.guest_entry_gpa(level))));
    }
  }
}

/// Events that never become exceptions.
void others(const Sink& sink) {
  {
    MachineState state = with_exceptions();
    state.poke(state.ept_entry(1), 5, 0);
    sink(state.vector("misconfiguration", request_of(Op::kW, state.linear()),
                      vm_exit(misconfiguration(state.gpa()))));
  }
  {
    MachineState state = with_exceptions({.ept_accessed_dirty = true});
    state.context.controls.pml = true;
    state.context.pml_address = 0x30'0000'0000;
    state.context.pml_index = 512;
    Expected expected;
    expected.kind = mmu::OutcomeKind::kPmlFull;
    expected.gpa = state.guest_entry_gpa(4);
    sink(state.vector("log full", request_of(Op::kR, state.linear()), vm_exit(expected)));
  }
  {
    MachineState state = with_exceptions();
    state.context.controls.sub_page_permission = true;
    state.context.sppt_pointer = 0x31'0000'0000;
    state.poke(state.ept_entry(1), 2, std::uint64_t{1} << 61);
    Expected expected;
    expected.kind = mmu::OutcomeKind::kSppEvent;
    expected.qualification = 0x800;
    expected.gpa = state.gpa();
    sink(state.vector("sub-page miss", request_of(Op::kW, state.linear()), vm_exit(expected)));
    // A refusal by the vector is an ordinary violation, and may become one.
    for (unsigned level = 4; level >= 2; --level) {
      const std::uint64_t table = 0x31'0000'0000 + 0x1000 * (4U - level);
      state.image.put(table + 8 * ((state.gpa() >> (12 + 9 * (level - 1))) & 0x1ff),
                      (table + 0x1000) | 1);
    }
    sink(state.vector("refused by sub-page permissions", request_of(Op::kW, state.linear()),
                      exception(0x1aa, state.linear(), state.gpa())));
  }
  {
    MachineState state = with_exceptions();
    state.poke_guest(2, 1, 0);
    sink(state.vector("page fault", request_of(Op::kW, state.linear()), vm_exit(page_fault(0x2))));
  }
}

}  // namespace

void virtualization_exception(const Sink& sink) {
  suppress_bit(sink);
  conditions(sink);
  others(sink);
}

}  // namespace eptsim::tb::conformance
