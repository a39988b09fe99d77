#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// Which of several faults of one walk is reported.
namespace eptsim::tb::conformance {
namespace {

std::string at(unsigned level) { return " at level " + std::to_string(level); }
std::string of(unsigned levels) { return ", " + std::to_string(levels) + "-level EPT"; }

/// Rights are looked at only when the page is reached; an absent entry ends the walk.
void within_one_translation(const Sink& sink) {
  for (const unsigned levels : {4U, 5U}) {
    for (unsigned upper = 2; upper <= levels; ++upper) {
      for (unsigned lower = 1; lower < upper; ++lower) {
        const MachineState state({.ept_levels = levels});
        const mmu::Request write = request_of(Op::kW, state.linear());

        MachineState one = state;
        one.poke(one.ept_entry(upper), ept_rights("w"), 0);
        one.poke(one.ept_entry(lower), ept_rights("r"), 0);
        sink(one.vector("misconfigured" + at(lower) + " under read-only" + at(upper) + of(levels),
                        write, misconfiguration(state.gpa())));

        MachineState two = state;
        two.poke(two.ept_entry(upper), ept_rights("rwx"), 0);
        two.poke(two.ept_entry(lower), ept_rights("r"), 0);
        sink(two.vector("misconfigured" + at(lower) + " under absent" + at(upper) + of(levels),
                        write, violation(0x182, state.gpa())));

        MachineState three = state;
        three.poke(three.ept_entry(upper), ept_rights("r"), 0);
        three.poke(three.ept_entry(lower), ept_rights("rwx"), 0);
        sink(three.vector("absent" + at(lower) + " under misconfigured" + at(upper) + of(levels),
                          write, misconfiguration(state.gpa())));

        MachineState four = state;
        four.poke(four.ept_entry(upper), ept_rights("wx"), 0);
        four.poke(four.ept_entry(lower), ept_rights("rwx"), 0);
        sink(four.vector("absent" + at(lower) + " under read-only" + at(upper) + of(levels), write,
                         violation(0x182, state.gpa())));

        // The rights that are reported are those of all entries together.
        MachineState five = state;
        five.poke(five.ept_entry(upper), ept_rights("w"), 0);
        five.poke(five.ept_entry(lower), ept_rights("x"), 0);
        sink(five.vector("no write" + at(upper) + ", no execute" + at(lower) + of(levels), write,
                         violation(0x18a, state.gpa())));
      }
    }
  }
}

/// Bits 51:48 of a guest-physical address have no place in 4 levels.
void addresses_too_wide(const Sink& sink) {
  for (unsigned bit = 48; bit <= 51; ++bit) {
    MachineState state;
    state.context.cpu.maxphyaddr = 52;
    const std::uint64_t wide = std::uint64_t{1} << bit;

    MachineState page = state;
    page.poke_guest(1, 0, wide);
    constexpr std::uint64_t kCodes[] = {0x181, 0x182, 0x184, 0x184};
    for (const Op op : kOps) {
      Expected expected =
          violation(kCodes[static_cast<unsigned>(op)], (page.gpa() | wide) + offset_of(op));
      expected.references = 20;  // 4 times 4 EPT entries and a guest entry
      sink(
          page.vector("page address with bit " + std::to_string(bit) + ", " + std::string(name(op)),
                      request_of(op, page.linear()), std::move(expected)));
    }
    for (unsigned level = 2; level <= 4; ++level) {
      for (const bool flags : {false, true}) {
        MachineState table = state;
        if (flags) table.context.eptp |= 0x40;
        table.poke_guest(level, 0, wide);
        Expected expected = violation(flags ? 0x83 : 0x81, table.guest_entry_gpa(level - 1) | wide);
        expected.references = 5 * (5 - level);
        sink(table.vector("table address with bit " + std::to_string(bit) + " in guest L" +
                              std::to_string(level) + (flags ? ", EPT A/D" : ""),
                          request_of(Op::kR, table.linear()), std::move(expected)));
      }
    }
    // With 5 levels they are an index.
    MachineState five({.ept_levels = 5});
    five.context.cpu.maxphyaddr = 52;
    const std::uint64_t gpa = five.gpa() ^ (std::uint64_t{1} << 48) ^ wide;
    five.map_ept(gpa, five.hpa(), 1);
    five.poke_guest(1, std::uint64_t{1} << 48, wide);
    sink(five.vector("page address with bit " + std::to_string(bit) + ", 5-level EPT",
                     request_of(Op::kR, five.linear()), translated(gpa, five.hpa())));
  }
}

/// The guest's fault comes before the EPT's on the page, and after the EPT's on the tables.
void between_guest_and_ept(const Sink& sink) {
  for (const bool flags : {false, true}) {
    const MachineState state({.ept_accessed_dirty = flags});
    const mmu::Request write = request_of(Op::kW, state.linear());
    const std::string also = flags ? ", EPT A/D" : "";

    for (unsigned level = 1; level <= 4; ++level) {
      const std::string guest = " guest L" + std::to_string(level);
      MachineState absent = state;
      absent.poke_guest(level, 0x1, 0);
      absent.poke(absent.ept_entry(1), 7, 0);
      sink(absent.vector("absent" + guest + ", absent EPT page" + also, write, page_fault(0x2)));

      MachineState reserved = state;
      reserved.poke_guest(level, 0, std::uint64_t{1} << 51);
      reserved.poke(reserved.ept_entry(1), 1, 0);
      sink(reserved.vector("reserved bit in" + guest + ", misconfigured EPT page" + also, write,
                           page_fault(0xb)));

      MachineState rights = state;
      rights.poke_guest(level, 0x2, 0);
      rights.poke(rights.ept_entry(1), 2, 0);
      sink(rights.vector("read-only" + guest + ", read-only EPT page" + also, write,
                         page_fault(0x3)));

      // The EPT page of the table itself is needed first.
      MachineState table = state;
      table.poke_guest(level, 0x1, 0);
      table.poke(table.table_ept_entry(level, 1), 7, 0);
      sink(table.vector("absent" + guest + " on an absent EPT page" + also, write,
                        violation(flags ? 0x83 : 0x81, state.guest_entry_gpa(level))));

      MachineState broken = state;
      broken.poke_guest(level, 0x1, 0);
      broken.poke(broken.table_ept_entry(level, 1), 1, 0);
      sink(broken.vector("absent" + guest + " on a misconfigured EPT page" + also, write,
                         misconfiguration(state.guest_entry_gpa(level))));
      if (level == 1) continue;

      // Levels of the guest in their order.
      MachineState lower = state;
      lower.poke_guest(level, 0, std::uint64_t{1} << 51);
      lower.poke(lower.table_ept_entry(level - 1, 1), 7, 0);
      sink(lower.vector("reserved bit in" + guest + ", absent EPT page of the next table" + also,
                        write, page_fault(0xb)));
      MachineState late = state;
      late.poke_guest(level, 0x2, 0);
      late.poke(late.table_ept_entry(level - 1, 1), 7, 0);
      sink(late.vector("read-only" + guest + ", absent EPT page of the next table" + also, write,
                       violation(flags ? 0x83 : 0x81, state.guest_entry_gpa(level - 1))));
    }
  }
}

/// Accesses to guest-physical addresses themselves have no linear address to report.
void guest_physical_accesses(const Sink& sink) {
  for (const unsigned levels : {4U, 5U}) {
    constexpr std::uint64_t kCodes[] = {0x01, 0x02, 0x04};
    for (const Op op : {Op::kR, Op::kW, Op::kX}) {
      MachineState state({.ept_levels = levels});
      mmu::Request request = request_of(op, state.gpa());
      request.linear = false;
      const std::string text =
          "guest-physical " + std::string(name(op)) + ", " + std::to_string(levels) + "-level EPT";
      Expected good = translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op));
      good.references = levels;
      sink(state.vector(text, request, good));
      state.poke(state.ept_entry(levels), 7, 0);
      Expected bad = violation(kCodes[static_cast<unsigned>(op)], state.gpa() + offset_of(op));
      bad.references = 1;
      sink(state.vector(text + ", absent root entry", request, bad));
    }
  }
}

}  // namespace

void ept_priority(const Sink& sink) {
  within_one_translation(sink);
  addresses_too_wide(sink);
  between_guest_and_ept(sink);
  guest_physical_accesses(sink);
}

}  // namespace eptsim::tb::conformance
