#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// The log of pages written: index, entries, and when it is full.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t kLog = std::uint64_t{3} << 36;
constexpr std::uint64_t kEptA = 0x100, kEptD = 0x200;

/// A machine that logs; the flags of the guest tables' EPT entries are set already, so that only
/// the page can be logged.
MachineState logging(const Layout& layout, std::uint16_t index) {
  MachineState state(layout);
  state.context.controls.pml = true;
  state.context.pml_address = kLog;
  state.context.pml_index = index;
  for (unsigned guest = layout.guest_leaf; guest <= state.guest_levels(); ++guest) {
    for (unsigned level = layout.table_leaf; level <= layout.ept_levels; ++level) {
      state.poke(state.table_ept_entry(guest, level), 0,
                 level == layout.table_leaf ? kEptA | kEptD : kEptA);
    }
  }
  return state;
}

Expected pml_full(std::uint64_t gpa, std::uint16_t index) {
  Expected expected;
  expected.kind = mmu::OutcomeKind::kPmlFull;
  expected.gpa = gpa;
  expected.pml_index = index;
  return expected;
}

void set_page_flags(MachineState& state, bool accessed, bool dirty) {
  for (unsigned level = state.layout().ept_leaf; level <= state.layout().ept_levels; ++level) {
    if (accessed) state.poke(state.ept_entry(level), 0, kEptA);
  }
  if (dirty) state.poke(state.ept_entry(state.layout().ept_leaf), 0, kEptD);
}

/// A store to a clean page, for every index that there is room at, and for some that there is not.
void indices(const Sink& sink) {
  for (unsigned index = 0; index <= 511; ++index) {
    MachineState state = logging({.ept_accessed_dirty = true}, static_cast<std::uint16_t>(index));
    set_page_flags(state, true, false);
    Expected expected = translated(state.gpa(), state.hpa());
    // 0 counts down to 65,535.
    expected.pml_index = static_cast<std::uint16_t>(index - 1);
    expected.writes.emplace();
    const std::uint64_t leaf = state.ept_entry(1);
    expected.writes->push_back({leaf, 8, state.image.at(leaf) | kEptD});
    expected.writes->push_back({kLog + 8 * std::uint64_t{index}, 8, state.gpa()});
    sink(state.vector("store, index " + std::to_string(index), request_of(Op::kW, state.linear()),
                      std::move(expected)));
  }
  for (const unsigned index : {512U, 513U, 1024U, 0x7fffU, 0x8000U, 0xfffeU, 0xffffU}) {
    MachineState state = logging({.ept_accessed_dirty = true}, static_cast<std::uint16_t>(index));
    set_page_flags(state, true, false);
    Expected expected = pml_full(state.gpa(), static_cast<std::uint16_t>(index));
    expected.writes.emplace();
    sink(state.vector("store, index " + std::to_string(index), request_of(Op::kW, state.linear()),
                      std::move(expected)));
  }
}

/// Which flags are clear decides: the log is looked at if any must be set, and written if D must.
void flags(const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (unsigned ept_leaf = 1; ept_leaf <= 3; ++ept_leaf) {
      for (unsigned flags = 0; flags < 4; ++flags) {
        for (const bool full : {false, true}) {
          for (const Op op : kOps) {
            const bool accessed = (flags & 1) != 0;
            const bool dirty = (flags & 2) != 0;
            const std::uint16_t index = full ? 0xffff : 300;
            MachineState state = logging(
                {.ept_levels = ept_levels, .ept_leaf = ept_leaf, .ept_accessed_dirty = true},
                index);
            set_page_flags(state, accessed, dirty);
            const std::uint64_t gpa = state.gpa() + offset_of(op);
            const bool sets_dirty = op == Op::kW && !dirty;
            const bool changes = !accessed || sets_dirty;
            Expected expected;
            if (changes && full) {
              expected = pml_full(gpa, index);
              expected.writes.emplace();
            } else {
              expected = translated(gpa, state.hpa() + offset_of(op));
              expected.pml_index = sets_dirty ? 299 : index;
              expected.memory.push_back({"the log's next entry", kLog + 8 * 300, ~std::uint64_t{0},
                                         sets_dirty ? state.gpa() : 0});
              expected.memory.push_back({"EPT leaf", state.ept_entry(ept_leaf), kEptA | kEptD,
                                         kEptA | (dirty || op == Op::kW ? kEptD : 0)});
            }
            sink(state.vector(std::to_string(ept_levels) + "-level EPT leaf L" +
                                  std::to_string(ept_leaf) + ", A=" + (accessed ? "1" : "0") +
                                  " D=" + (dirty ? "1" : "0") + (full ? ", log full, " : ", ") +
                                  std::string(name(op)),
                              request_of(op, state.linear()), std::move(expected)));
          }
        }
      }
    }
  }
}

/// The address logged is that of the 4 KiB page, in a large page too.
void large_pages(const Sink& sink) {
  for (unsigned ept_leaf = 2; ept_leaf <= 3; ++ept_leaf) {
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{0x7f8}}) {
      MachineState state =
          logging({.guest_leaf = 2, .ept_leaf = ept_leaf, .ept_accessed_dirty = true}, 511);
      // linear() is in the midst of its 2 MiB.
      mmu::Request request = request_of(Op::kW, state.linear() + offset);
      Expected expected = translated(state.gpa() + offset, state.hpa() + offset);
      expected.pml_index = 510;
      expected.memory.push_back({"the log's first entry", kLog + 8 * 511, ~std::uint64_t{0},
                                 (std::uint64_t{1} << 39) | 0x189000});
      sink(state.vector("store into EPT leaf L" + std::to_string(ept_leaf) + " at offset " +
                            std::to_string(offset),
                        request, std::move(expected)));
    }
  }
}

/// Guest tables are logged as they get dirty, root first, then the page.
void guest_tables(const Sink& sink) {
  for (const Op op : kOps) {
    MachineState state({.ept_accessed_dirty = true});
    state.context.controls.pml = true;
    state.context.pml_address = kLog;
    Expected expected = translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op));
    for (unsigned i = 0; i < 4; ++i) {
      expected.memory.push_back({"log entry " + std::to_string(511 - i),
                                 kLog + 8 * std::uint64_t{511 - i}, ~std::uint64_t{0},
                                 state.guest_entry_gpa(4 - i) & ~std::uint64_t{0xfff}});
    }
    const bool write = op == Op::kW;
    expected.memory.push_back(
        {"log entry 507", kLog + 8 * 507, ~std::uint64_t{0}, write ? state.gpa() : 0});
    expected.pml_index = write ? 506 : 507;
    sink(state.vector("tables and page clean, " + std::string(name(op)),
                      request_of(op, state.linear()), std::move(expected)));
  }
  // Full after so many tables: the walk stops there.
  for (std::uint16_t room = 0; room <= 4; ++room) {
    MachineState state({.ept_accessed_dirty = true});
    state.context.controls.pml = true;
    state.context.pml_address = kLog;
    state.context.pml_index = static_cast<std::uint16_t>(room - 1);
    const std::uint64_t gpa = room == 4 ? state.gpa() : state.guest_entry_gpa(4U - room);
    Expected expected = pml_full(gpa, 0xffff);
    sink(state.vector("room for " + std::to_string(room) + " of 5",
                      request_of(Op::kW, state.linear()), std::move(expected)));
  }
}

/// Refusals come before, and without EPT A/D nothing is logged.
void others(const Sink& sink) {
  MachineState refused = logging({.ept_accessed_dirty = true}, 0xffff);
  refused.poke(refused.ept_entry(1), 6, 0);
  Expected expected = violation(0x18a, refused.gpa());
  expected.pml_index = 0xffff;
  sink(refused.vector("read-only page, log full", request_of(Op::kW, refused.linear()), expected));

  MachineState broken = logging({.ept_accessed_dirty = true}, 0xffff);
  broken.poke(broken.ept_entry(1), 5, 0);
  sink(broken.vector("misconfigured page, log full", request_of(Op::kW, broken.linear()),
                     misconfiguration(broken.gpa())));

  for (const std::uint16_t index : {std::uint16_t{511}, std::uint16_t{0xffff}}) {
    MachineState off = logging({}, index);
    Expected good = translated(off.gpa(), off.hpa());
    good.pml_index = index;
    good.writes.emplace();
    sink(off.vector("EPT A/D off, index " + std::to_string(index), request_of(Op::kW, off.linear()),
                    std::move(good)));
  }
}

}  // namespace

void page_modification_log(const Sink& sink) {
  indices(sink);
  flags(sink);
  large_pages(sink);
  guest_tables(sink);
  others(sink);
}

}  // namespace eptsim::tb::conformance
