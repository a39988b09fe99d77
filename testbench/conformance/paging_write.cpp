#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// EPT paging-write control: bit 58 of a leaf lets the walk write where stores may not. And
// guest-paging verification: bit 57 asks that all tables of the walk lie on such pages.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t kPwa = std::uint64_t{1} << 58;
constexpr std::uint64_t kVgp = std::uint64_t{1} << 57;
constexpr std::uint64_t kOk = 0;
constexpr std::uint64_t kMis = ~std::uint64_t{0};

struct Row {
  std::string_view bits;  ///< of the EPT leaf of the guest table
  bool bit_58;
  bool control;
  std::uint64_t off, on;  ///< EPT A/D off with the guest's flags clear; on
};

constexpr Row kRows[] = {
    {"r--", false, true, 0x8b, 0x8b},  //
    {"r--", true, true, kOk, kOk},     //
    {"r--", true, false, 0x8b, 0x8b},  //
    {"r-x", false, true, 0xab, 0xab},  //
    {"r-x", true, true, kOk, kOk},     //
    {"r-x", true, false, 0xab, 0xab},  //
    {"rw-", false, true, kOk, kOk},    //
    {"rw-", true, true, kOk, kOk},     //
    {"rwx", true, true, kOk, kOk},     //
    {"---", true, true, 0x81, 0x83},   //
    {"--x", true, true, kMis, kMis},   //
    {"--x", true, false, 0xa1, 0xa3},  //
    {"--x", false, true, 0xa1, 0xa3},  //
    {"-w-", true, true, kMis, kMis},   //
};

Expected of(std::uint64_t code, std::uint64_t table_gpa, std::uint64_t gpa, std::uint64_t hpa) {
  if (code == kOk) return translated(gpa, hpa);
  return code == kMis ? misconfiguration(table_gpa) : violation(code, table_gpa);
}

void tables(const Sink& sink) {
  for (const Guest guest : {Guest::k32Bit, Guest::kPae, Guest::k4Level, Guest::k5Level}) {
    for (unsigned leaf = 1; leaf <= 3; ++leaf) {
      for (const bool flags : {false, true}) {
        const MachineState base({.guest = guest, .table_leaf = leaf, .ept_accessed_dirty = flags});
        for (unsigned level = 1; level <= base.guest_levels(); ++level) {
          for (const Row& row : kRows) {
            for (const Op op : kOps) {
              MachineState state = base;
              state.context.controls.paging_write = row.control;
              state.poke_guest(level, 0x60, 0);
              const std::uint64_t entry = state.table_ept_entry(level, leaf);
              state.poke(entry, 7, ept_rights(row.bits) | (row.bit_58 ? kPwa : 0));
              const std::uint64_t code = flags ? row.on : row.off;
              Expected expected = of(code, state.guest_entry_gpa(level),
                                     state.gpa() + offset_of(op), state.hpa() + offset_of(op));
              // A write that is let pass is a write.
              expected.memory.push_back(
                  {"EPT leaf of the table", entry, 0x300, code == kOk && flags ? 0x300U : 0U});
              sink(state.vector(std::string(name(guest)) + " guest table L" +
                                    std::to_string(level) + " on " + std::string(row.bits) +
                                    (row.bit_58 ? " with" : " without") + " bit 58, leaf L" +
                                    std::to_string(leaf) + (row.control ? "" : ", control off") +
                                    (flags ? ", EPT A/D, " : ", ") + std::string(name(op)),
                                request_of(op, state.linear()), std::move(expected)));
            }
          }
        }
      }
    }
  }
}

/// The dirty flag alone needs the write.
void dirty_flag(const Sink& sink) {
  for (const bool bit_58 : {false, true}) {
    for (const Op op : kOps) {
      MachineState state;
      state.context.controls.paging_write = true;
      state.poke_guest(1, 0x40, 0);
      state.poke(state.table_ept_entry(1, 1), 6, bit_58 ? kPwa : 0);
      const bool good = bit_58 || op != Op::kW;
      Expected expected = of(good ? kOk : 0x8b, state.guest_entry_gpa(1),
                             state.gpa() + offset_of(op), state.hpa() + offset_of(op));
      expected.memory.push_back(
          {"guest L1", state.guest_entry(1), 0x60, good && op == Op::kW ? 0x60U : 0x20U});
      sink(state.vector(std::string("dirty flag, bit 58 ") + (bit_58 ? "set, " : "clear, ") +
                            std::string(name(op)),
                        request_of(op, state.linear()), std::move(expected)));
    }
  }
}

/// Entries above the leaf need W = 1, and bit 58 means nothing there.
void above_the_leaf(const Sink& sink) {
  for (unsigned level = 2; level <= 3; ++level) {
    for (const bool flags : {false, true}) {
      MachineState state({.ept_accessed_dirty = flags});
      state.context.controls.paging_write = true;
      state.poke_guest(2, 0x20, 0);
      state.poke(state.table_ept_entry(2, 1), 0, kPwa);
      state.poke(state.table_ept_entry(2, level), 2, kPwa);
      sink(state.vector("W = 0 at EPT L" + std::to_string(level) + (flags ? ", EPT A/D" : ""),
                        request_of(Op::kR, state.linear()),
                        violation(0xab, state.guest_entry_gpa(2))));
      // Nor does it misconfigure there.
      state.poke(state.table_ept_entry(2, level), 3, 0);
      sink(state.vector("--x at EPT L" + std::to_string(level) + (flags ? ", EPT A/D" : ""),
                        request_of(Op::kR, state.linear()),
                        violation(flags ? 0xa3 : 0xa1, state.guest_entry_gpa(2))));
    }
  }
}

/// Stores of the guest are no paging writes, and rule 3 of misconfigurations holds for every page.
void data_pages(const Sink& sink) {
  for (unsigned leaf = 1; leaf <= 3; ++leaf) {
    for (const bool control : {false, true}) {
      MachineState state({.ept_leaf = leaf});
      state.context.controls.paging_write = control;
      const std::string text =
          "leaf L" + std::to_string(leaf) + (control ? ", control on" : ", control off");
      state.poke(state.ept_entry(leaf), 6, kPwa);
      sink(state.vector("store to r-- with bit 58, " + text, request_of(Op::kW, state.linear()),
                        violation(0x18a, state.gpa())));
      state.poke(state.ept_entry(leaf), 7, 4);
      for (const Op op : kOps) {
        constexpr std::uint64_t kCodes[] = {0x1a1, 0x1a2, kOk, kOk};
        const std::uint64_t gpa = state.gpa() + offset_of(op);
        Expected expected =
            of(kCodes[static_cast<unsigned>(op)], gpa, gpa, state.hpa() + offset_of(op));
        sink(state.vector("--x with bit 58, " + text + ", " + std::string(name(op)),
                          request_of(op, state.linear()),
                          control ? misconfiguration(gpa) : expected));
      }
    }
  }
}

/// A guest table that only bit 58 lets be written is logged like any other.
void logged(const Sink& sink) {
  constexpr std::uint64_t kLog = 0x30'0000'0000;
  for (unsigned level = 1; level <= 4; ++level) {
    MachineState state({.ept_accessed_dirty = true});
    state.context.controls.paging_write = true;
    state.context.controls.pml = true;
    state.context.pml_address = kLog;
    state.poke(state.table_ept_entry(level, 1), 2, kPwa);
    Expected expected = translated(state.gpa(), state.hpa());
    expected.memory.push_back({"log entry of the table", kLog + 8 * (507U + level),
                               ~std::uint64_t{0},
                               state.guest_entry_gpa(level) & ~std::uint64_t{0xfff}});
    expected.pml_index = 507;
    sink(state.vector("logged, guest table L" + std::to_string(level),
                      request_of(Op::kR, state.linear()), std::move(expected)));
  }
}

// ---- guest-paging verification -----------------------------------------------------------------

/// All guest tables on pages with bit 58, and a page that asks.
MachineState verified(const Layout& layout) {
  MachineState state(layout);
  state.context.controls.paging_write = true;
  state.context.controls.guest_paging_verification = true;
  for (unsigned level = layout.guest_leaf; level <= state.guest_levels(); ++level) {
    state.poke(state.table_ept_entry(level, layout.table_leaf), 0, kPwa);
  }
  state.poke(state.ept_entry(layout.ept_leaf), 0, kVgp);
  return state;
}

void each_table(const Layout& layout, const Sink& sink) {
  constexpr std::uint64_t kFailures[] = {0x81b9, 0x81ba, 0x81bc, 0x81bc};
  const MachineState good = verified(layout);
  std::string text = std::string(name(layout.guest)) + " guest leaf L" +
                     std::to_string(layout.guest_leaf) + ", EPT leaf L" +
                     std::to_string(layout.ept_leaf) + ", tables on L" +
                     std::to_string(layout.table_leaf);
  if (layout.ept_accessed_dirty) text += ", EPT A/D";
  for (const Op op : kOps) {
    const mmu::Request request = request_of(op, good.linear());
    const Expected fine = translated(good.gpa() + offset_of(op), good.hpa() + offset_of(op));
    const std::string end = ", " + std::string(name(op));
    sink(good.vector(text + ", all tables verified" + end, request, fine));
    for (unsigned level = layout.guest_leaf; level <= good.guest_levels(); ++level) {
      MachineState state = good;
      state.poke(state.table_ept_entry(level, layout.table_leaf), kPwa, 0);
      const std::string which = ", table L" + std::to_string(level) + " is not";
      sink(state.vector(
          text + which + end, request,
          violation(kFailures[static_cast<unsigned>(op)], state.gpa() + offset_of(op))));
      // The page asks, and both controls are on, or nothing is verified.
      MachineState quiet = state;
      quiet.poke(quiet.ept_entry(layout.ept_leaf), kVgp, 0);
      sink(quiet.vector(text + which + ", page does not ask" + end, request, fine));
      MachineState one = state;
      one.context.controls.paging_write = false;
      sink(one.vector(text + which + ", paging-write off" + end, request, fine));
      MachineState other = state;
      other.context.controls.guest_paging_verification = false;
      sink(other.vector(text + which + ", verification off" + end, request, fine));
    }
  }
}

void priorities(const Sink& sink) {
  const MachineState base = [] {
    MachineState state = verified({});
    state.poke(state.table_ept_entry(3, 1), kPwa, 0);
    return state;
  }();
  {
    MachineState state = base;
    state.poke(state.ept_entry(1), 2, 0);
    sink(state.vector("ordinary rights first", request_of(Op::kW, state.linear()),
                      violation(0x1aa, state.gpa())));
    sink(state.vector("verification after rights that allow", request_of(Op::kR, state.linear()),
                      violation(0x81a9, state.gpa())));
  }
  {
    MachineState state = base;
    state.poke_guest(1, 0x2, 0);
    sink(state.vector("page fault first", request_of(Op::kW, state.linear()), page_fault(0x3)));
  }
  {
    MachineState state = base;
    state.poke(state.ept_entry(1), 1, 0);
    sink(state.vector("misconfiguration first", request_of(Op::kR, state.linear()),
                      misconfiguration(state.gpa())));
  }
  {
    MachineState state = base;
    state.context.cpu.advanced_exit_info = true;
    sink(state.vector("advanced information", request_of(Op::kR, state.linear()),
                      violation(0x87b9, state.gpa())));
  }
  {
    // The page's flags stay, and it isn't logged.
    MachineState state = base;
    state.context.eptp |= 0x40;
    Expected expected = violation(0x81ba, state.gpa());
    expected.memory.push_back({"EPT leaf", state.ept_entry(1), 0x300, 0});
    sink(state.vector("flags of a page that fails", request_of(Op::kW, state.linear()), expected));
  }
  {
    // Other bits of the tables' pages mean nothing here.
    MachineState state = base;
    state.poke(state.table_ept_entry(3, 1), 0, kVgp);
    sink(state.vector("bit 57 of a table's page", request_of(Op::kR, state.linear()),
                      violation(0x81b9, state.gpa())));
    MachineState upper = base;
    upper.poke(upper.table_ept_entry(3, 2), 0, kPwa);
    sink(upper.vector("bit 58 above a table's page", request_of(Op::kR, state.linear()),
                      violation(0x81b9, state.gpa())));
    MachineState above = base;
    above.poke(above.ept_entry(1), kVgp, 0);
    above.poke(above.ept_entry(2), 0, kVgp);
    sink(above.vector("bit 57 above the page", request_of(Op::kR, state.linear()),
                      translated(state.gpa(), state.hpa())));
  }
  {
    // Without guest paging no table can fail; nor for a guest-physical access.
    const MachineState state = verified({.guest = Guest::kNone});
    sink(state.vector("no paging", request_of(Op::kW, state.linear()),
                      translated(state.gpa(), state.hpa())));
    mmu::Request request = request_of(Op::kR, base.gpa());
    request.linear = false;
    sink(base.vector("guest-physical access", request, translated(base.gpa(), base.hpa())));
  }
}

}  // namespace

void paging_write(const Sink& sink) {
  tables(sink);
  dirty_flag(sink);
  above_the_leaf(sink);
  data_pages(sink);
  logged(sink);
}

void guest_paging_verification(const Sink& sink) {
  for (const Guest guest : {Guest::k32Bit, Guest::kPae, Guest::k4Level, Guest::k5Level}) {
    for (unsigned guest_leaf = 1; guest_leaf <= 3; ++guest_leaf) {
      if (guest_leaf == 3 && (guest == Guest::k32Bit || guest == Guest::kPae)) continue;
      for (unsigned ept_leaf = 1; ept_leaf <= 3; ++ept_leaf) {
        for (unsigned table_leaf = 1; table_leaf <= 3; ++table_leaf) {
          for (const bool flags : {false, true}) {
            each_table({.guest = guest,
                        .guest_leaf = guest_leaf,
                        .ept_levels = ept_leaf == 2 ? 5U : 4U,
                        .ept_leaf = ept_leaf,
                        .table_leaf = table_leaf,
                        .ept_accessed_dirty = flags},
                       sink);
          }
        }
      }
    }
  }
  priorities(sink);
}

}  // namespace eptsim::tb::conformance
