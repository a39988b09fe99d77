#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// Accessed and dirty flags of both dimensions: which are set, by what, in which order.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t kEptA = 0x100, kEptD = 0x200;
constexpr std::uint64_t kGuestA = 0x20, kGuestD = 0x40;

/// All flags of the path to the page and of the paths to the guest tables.
void expect_ept_flags(const MachineState& state, bool page_used, bool page_written,
                      Expected& expected) {
  const unsigned levels = state.layout().ept_levels;
  const unsigned leaf = state.layout().ept_leaf;
  for (unsigned level = leaf; level <= levels; ++level) {
    // The root entry of a 5-level EPT is the page's own too.
    expected.memory.push_back(
        {"EPT L" + std::to_string(level) + " of the page", state.ept_entry(level), kEptA | kEptD,
         (page_used ? kEptA : 0) | (page_written && level == leaf ? kEptD : 0)});
  }
  for (unsigned guest = 1; guest <= state.guest_levels(); ++guest) {
    const unsigned table_leaf = state.layout().table_leaf;
    for (unsigned level = table_leaf; level <= levels; ++level) {
      expected.memory.push_back(
          {"EPT L" + std::to_string(level) + " of guest table L" + std::to_string(guest),
           state.table_ept_entry(guest, level), kEptA | kEptD,
           kEptA | (level == table_leaf ? kEptD : 0)});
    }
  }
}

/// Reads leave the page clean, writes make it dirty; tables are always dirty (EPT A/D on).
void flags_after_success(const Sink& sink) {
  for (const Guest guest : {Guest::k4Level, Guest::k5Level}) {
    for (const unsigned ept_levels : {4U, 5U}) {
      for (unsigned ept_leaf = 1; ept_leaf <= 3; ++ept_leaf) {
        for (unsigned table_leaf = 1; table_leaf <= 3; ++table_leaf) {
          for (const Op op : kOps) {
            const MachineState state({.guest = guest,
                                      .ept_levels = ept_levels,
                                      .ept_leaf = ept_leaf,
                                      .table_leaf = table_leaf,
                                      .ept_accessed_dirty = true});
            Expected expected =
                translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op));
            expect_ept_flags(state, true, op == Op::kW, expected);
            sink(state.vector(std::string(name(guest)) + " guest, " + std::to_string(ept_levels) +
                                  "-level EPT leaf L" + std::to_string(ept_leaf) +
                                  ", tables on leaf L" + std::to_string(table_leaf) + ", " +
                                  std::string(name(op)),
                              request_of(op, state.linear()), std::move(expected)));
          }
        }
      }
    }
  }
}

/// A page that is refused stays untouched, though the tables on the way were used.
void flags_after_refusal(const Sink& sink) {
  struct Row {
    const char* what;
    std::uint64_t clear, set;
    Op op;
    std::uint64_t qualification;  ///< 0: misconfiguration
  };
  constexpr Row kRows[] = {
      {"absent", 7, 0, Op::kR, 0x181},          {"absent", 7, 0, Op::kW, 0x182},
      {"read-only", 6, 0, Op::kW, 0x18a},       {"no execute", 4, 0, Op::kX, 0x19c},
      {"write-only", 5, 0, Op::kR, 0},          {"write-only", 5, 0, Op::kW, 0},
      {"memory type 2", 0x38, 0x10, Op::kW, 0},
  };
  for (const Row& row : kRows) {
    for (const unsigned ept_levels : {4U, 5U}) {
      MachineState state({.ept_levels = ept_levels, .ept_accessed_dirty = true});
      state.poke(state.ept_entry(1), row.clear, row.set);
      const std::uint64_t gpa = state.gpa() + offset_of(row.op);
      Expected expected =
          row.qualification == 0 ? misconfiguration(gpa) : violation(row.qualification, gpa);
      expect_ept_flags(state, false, false, expected);
      sink(state.vector(std::string(row.what) + " page, " + std::to_string(ept_levels) +
                            "-level EPT, " + std::string(name(row.op)),
                        request_of(row.op, state.linear()), std::move(expected)));
    }
  }
}

/// With EPTP bit 6 clear no walk writes to the EPT, and flags there mean nothing.
void flags_off(const Sink& sink) {
  for (const Op op : kOps) {
    MachineState state;
    Expected expected = translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op));
    expected.writes.emplace();
    sink(state.vector("EPT A/D off, guest flags set, " + std::string(name(op)),
                      request_of(op, state.linear()), std::move(expected)));
  }
}

/// The guest's flags: set where they were clear, accessed in every entry used, dirty in the leaf.
void guest_flags(const Sink& sink) {
  for (const Guest guest : {Guest::k32Bit, Guest::kPae, Guest::k4Level, Guest::k5Level}) {
    for (unsigned guest_leaf = 1; guest_leaf <= 3; ++guest_leaf) {
      if (guest_leaf == 3 && (guest == Guest::k32Bit || guest == Guest::kPae)) continue;
      for (const unsigned ept_levels : {0U, 4U}) {
        for (const Op op : kOps) {
          MachineState state({.guest = guest, .guest_leaf = guest_leaf, .ept_levels = ept_levels});
          state.poke_guest_from(guest_leaf, kGuestA | kGuestD, 0);
          Expected expected = translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op));
          expected.writes.emplace();
          const unsigned size = state.entry_size();
          for (unsigned level = state.guest_levels(); level >= guest_leaf; --level) {
            const std::uint64_t address = state.guest_entry(level);
            const std::uint64_t entry = state.image.at(address, size) | kGuestA;
            expected.writes->push_back({address, static_cast<std::uint8_t>(size), entry});
            if (level == guest_leaf && op == Op::kW) {
              expected.writes->push_back(
                  {address, static_cast<std::uint8_t>(size), entry | kGuestD});
            }
          }
          sink(
              state.vector(std::string(name(guest)) + " guest leaf L" + std::to_string(guest_leaf) +
                               (ept_levels == 0 ? ", no EPT, " : ", EPT, ") + std::string(name(op)),
                           request_of(op, state.linear()), std::move(expected)));
        }
      }
    }
  }
}

/// A page fault for want of rights comes after the accessed flags, the leaf's too, and before the
/// dirty flag; one for an absent or wrong entry leaves that entry alone.
void guest_flags_after_faults(const Sink& sink) {
  struct Row {
    const char* what;
    std::uint64_t clear, set;  ///< in the guest entry of the level
    std::uint32_t error_code;  ///< of a store
    bool used;                 ///< the entry's accessed flag is set
  };
  const Row rows[] = {
      {"absent", 0x1, 0, 0x2, false},
      {"reserved bit", 0, std::uint64_t{1} << 50, 0xb, false},
      {"read-only", 0x2, 0, 0x3, true},
  };
  for (const Row& row : rows) {
    for (unsigned level = 1; level <= 4; ++level) {
      MachineState state;
      state.poke_guest_from(1, kGuestA | kGuestD, 0);
      state.poke_guest(level, row.clear, row.set);
      Expected expected = page_fault(row.error_code);
      for (unsigned other = 1; other <= 4; ++other) {
        const bool used = row.used || other > level;
        expected.memory.push_back({"guest L" + std::to_string(other), state.guest_entry(other),
                                   kGuestA | kGuestD, used ? kGuestA : 0});
      }
      sink(state.vector(std::string(row.what) + " guest L" + std::to_string(level) + ", W",
                        request_of(Op::kW, state.linear()), std::move(expected)));
    }
  }
}

/// A refused EPT write leaves the guest's flags: accessed is set before the next level, dirty after
/// the rights and before the page's own translation.
void guest_flags_after_violations(const Sink& sink) {
  MachineState state;
  state.poke_guest_from(1, kGuestA | kGuestD, 0);
  state.poke(state.ept_entry(1), 6, 0);
  Expected expected = violation(0x18a, state.gpa());
  expected.memory.push_back(
      {"guest L1", state.guest_entry(1), kGuestA | kGuestD, kGuestA | kGuestD});
  sink(state.vector("read-only EPT page: dirty is set before", request_of(Op::kW, state.linear()),
                    std::move(expected)));

  for (unsigned level = 1; level <= 4; ++level) {
    MachineState table;
    table.poke_guest_from(1, kGuestA | kGuestD, 0);
    table.poke(table.table_ept_entry(level, 1), 2, 0);
    Expected refused = violation(0xab, table.guest_entry_gpa(level));
    for (unsigned other = 1; other <= 4; ++other) {
      refused.memory.push_back({"guest L" + std::to_string(other), table.guest_entry(other),
                                kGuestA | kGuestD, other > level ? kGuestA : 0});
    }
    sink(table.vector("guest table L" + std::to_string(level) + " on a read-only EPT page",
                      request_of(Op::kR, table.linear()), std::move(refused)));
  }
}

/// Every store of one walk: a 4-level guest under a 4-level EPT, nothing set before, a store.
void order_of_stores(const Sink& sink) {
  MachineState state({.ept_accessed_dirty = true});
  state.poke_guest_from(1, kGuestA | kGuestD, 0);
  Expected expected = translated(state.gpa(), state.hpa());
  expected.writes.emplace();
  const auto store = [&](std::uint64_t address, std::uint64_t flags) {
    expected.writes->push_back({address, 8, state.image.at(address) | flags});
  };
  // The root entry is shared by the tables: its accessed flag is set once.
  store(state.table_ept_entry(4, 4), kEptA);
  for (unsigned guest = 4; guest >= 1; --guest) {
    store(state.table_ept_entry(guest, 3), kEptA);
    store(state.table_ept_entry(guest, 2), kEptA);
    store(state.table_ept_entry(guest, 1), kEptA | kEptD);
    store(state.guest_entry(guest), kGuestA);
  }
  store(state.guest_entry(1), kGuestA | kGuestD);
  store(state.ept_entry(4), kEptA);
  store(state.ept_entry(3), kEptA);
  store(state.ept_entry(2), kEptA);
  store(state.ept_entry(1), kEptA | kEptD);
  expected.references = 24;
  sink(state.vector("every store of a walk, in order", request_of(Op::kW, state.linear()),
                    std::move(expected)));
}

/// The EPT entry of level 2 above one guest table is absent; a device's page is not there, or
/// read-only.
void stages(const Sink& sink) {
  for (const bool flags : {false, true}) {
    const MachineState state({.ept_accessed_dirty = flags});
    const std::string also = flags ? ", EPT A/D" : "";
    for (unsigned guest = 1; guest <= 4; ++guest) {
      for (unsigned level = 1; level <= 3; ++level) {
        MachineState table = state;
        table.poke(table.table_ept_entry(guest, level), 7, 0);
        sink(table.vector("EPT L" + std::to_string(level) + " of guest table L" +
                              std::to_string(guest) + " absent" + also,
                          request_of(Op::kR, state.linear()),
                          violation(flags ? 0x83 : 0x81, state.guest_entry_gpa(guest))));
      }
    }
    MachineState device = state;
    device.poke(device.ept_entry(1), 7, 0);
    sink(device.vector("device page absent: load" + also, request_of(Op::kR, state.linear()),
                       violation(0x181, state.gpa())));
    device.poke(device.ept_entry(1), 0, 1);
    sink(device.vector("device page read-only: store" + also, request_of(Op::kW, state.linear()),
                       violation(0x18a, state.gpa())));
    // Remapped: the same guest address leads elsewhere.
    MachineState remapped = state;
    remapped.map_ept(state.gpa(), state.hpa() + 0x5000, 1);
    sink(remapped.vector("remapped" + also, request_of(Op::kR, state.linear()),
                         translated(state.gpa(), state.hpa() + 0x5000)));
  }
}

}  // namespace

void accessed_dirty(const Sink& sink) {
  flags_after_success(sink);
  flags_after_refusal(sink);
  flags_off(sink);
  guest_flags(sink);
  guest_flags_after_faults(sink);
  guest_flags_after_violations(sink);
  order_of_stores(sink);
  stages(sink);
}

}  // namespace eptsim::tb::conformance
