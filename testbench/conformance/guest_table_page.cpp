#include <array>

#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// The rights of the EPT page that holds a guest table, against the guest's accessed and dirty
// flags.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t kOk = 0;
enum EptFlags : unsigned { kOff = 1, kOn = 2, kAny = 3 };

struct Row {
  std::string_view bits;  ///< of the EPT leaf
  unsigned ept_flags;     ///< EPTP bit 6: with which of its values
  bool accessed, dirty;   ///< of the guest entry, before
  std::uint64_t r, w, x, xu;

  std::uint64_t of(Op op) const { return std::array{r, w, x, xu}[static_cast<unsigned>(op)]; }
};

constexpr Row kLeafTable[] = {
    {"---", kOff, true, true, 0x81, 0x81, 0x81, 0x81},    //
    {"---", kOn, true, true, 0x83, 0x83, 0x83, 0x83},     //
    {"r--", kOff, false, false, 0x8b, 0x8b, 0x8b, 0x8b},  //
    {"r--", kOff, true, false, kOk, 0x8b, kOk, kOk},      //
    {"r--", kOff, true, true, kOk, kOk, kOk, kOk},        //
    {"r--", kOn, false, false, 0x8b, 0x8b, 0x8b, 0x8b},   //
    {"r--", kOn, true, false, 0x8b, 0x8b, 0x8b, 0x8b},    //
    {"r--", kOn, true, true, 0x8b, 0x8b, 0x8b, 0x8b},     //
    {"r-x", kOff, false, false, 0xab, 0xab, 0xab, 0xab},  //
    {"r-x", kOff, true, false, kOk, 0xab, kOk, kOk},      //
    {"r-x", kOff, true, true, kOk, kOk, kOk, kOk},        //
    {"r-x", kOn, false, false, 0xab, 0xab, 0xab, 0xab},   //
    {"r-x", kOn, true, false, 0xab, 0xab, 0xab, 0xab},    //
    {"r-x", kOn, true, true, 0xab, 0xab, 0xab, 0xab},     //
    {"rw-", kAny, false, false, kOk, kOk, kOk, kOk},      //
    {"rw-", kAny, true, false, kOk, kOk, kOk, kOk},       //
    {"rw-", kAny, true, true, kOk, kOk, kOk, kOk},        //
    {"rwx", kAny, false, false, kOk, kOk, kOk, kOk},      //
    {"rwx", kAny, true, false, kOk, kOk, kOk, kOk},       //
    {"rwx", kAny, true, true, kOk, kOk, kOk, kOk},        //
    // Read, for want of which the entry can't be read: with EPT A/D the access is a write too.
    {"--x", kOff, true, true, 0xa1, 0xa1, 0xa1, 0xa1},  //
    {"--x", kOn, true, true, 0xa3, 0xa3, 0xa3, 0xa3},   //
};

// An entry that leads to another table has no dirty flag: a write needs no more than a read.
constexpr Row kUpperTable[] = {
    {"---", kOff, true, true, 0x81, 0x81, 0x81, 0x81},    //
    {"---", kOn, true, true, 0x83, 0x83, 0x83, 0x83},     //
    {"r--", kOff, false, false, 0x8b, 0x8b, 0x8b, 0x8b},  //
    {"r--", kOff, true, false, kOk, kOk, kOk, kOk},       //
    {"r--", kOff, true, true, kOk, kOk, kOk, kOk},        //
    {"r--", kOn, true, false, 0x8b, 0x8b, 0x8b, 0x8b},    //
    {"r-x", kOff, false, false, 0xab, 0xab, 0xab, 0xab},  //
    {"r-x", kOff, true, false, kOk, kOk, kOk, kOk},       //
    {"r-x", kOn, true, true, 0xab, 0xab, 0xab, 0xab},     //
    {"rw-", kAny, false, false, kOk, kOk, kOk, kOk},      //
    {"rwx", kAny, false, true, kOk, kOk, kOk, kOk},       //
};

// With mode-based execute, bit 6 of the qualification joins.
constexpr Row kModeBasedTable[] = {
    {"--u", kOff, true, true, 0xc1, 0xc1, 0xc1, 0xc1},    //
    {"r-u", kOff, false, false, 0xcb, 0xcb, 0xcb, 0xcb},  //
    {"r-u", kOff, true, false, kOk, 0xcb, kOk, kOk},      //
    {"r-xu", kOn, true, true, 0xeb, 0xeb, 0xeb, 0xeb},    //
    {"rwu", kAny, false, false, kOk, kOk, kOk, kOk},      //
    {"rw-", kAny, false, false, kOk, kOk, kOk, kOk},      //
};

struct Setting {
  Guest guest = Guest::k4Level;
  unsigned ept_levels = 4;
  unsigned table_level = 1;  ///< of the guest table whose EPT page has the row's bits
  unsigned ept_leaf = 1;     ///< of that page
  bool ept_flags = false;
  bool mode_based = false;
  bool advanced = false;  ///< which tells nothing here: it is about the page
};

void apply(const Row& row, const Setting& setting, const Sink& sink) {
  for (const Op op : kOps) {
    MachineState state({.guest = setting.guest,
                        .ept_levels = setting.ept_levels,
                        .table_leaf = setting.ept_leaf,
                        .mode_based_execute = setting.mode_based,
                        .ept_accessed_dirty = setting.ept_flags});
    state.context.cpu.advanced_exit_info = setting.advanced;
    const unsigned level = setting.table_level;
    const std::uint64_t leaf = state.table_ept_entry(level, setting.ept_leaf);
    state.poke(leaf, ept_rights("rwxu"), ept_rights(row.bits));
    const std::uint64_t before = (row.accessed ? 0x20U : 0U) | (row.dirty ? 0x40U : 0U);
    state.poke_guest(level, 0x60, before);
    // With mode-based execute the call in supervisor mode is to a supervisor page.
    if (setting.mode_based && op == Op::kX) state.poke_guest(1, 0x4, 0);

    const std::uint64_t code = row.of(op);
    const bool good = code == kOk;
    Expected expected = good ? translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op))
                             : violation(code, state.guest_entry_gpa(level));

    std::uint64_t after = before;
    if (good) after |= 0x20;
    if (good && op == Op::kW && level == 1) after |= 0x40;
    expected.memory.push_back(
        {"guest L" + std::to_string(level), state.guest_entry(level), 0x60, after});
    for (unsigned ept = setting.ept_leaf; ept <= setting.ept_levels; ++ept) {
      // Entries of the upper levels have been used for other tables too.
      if (!good && ept != setting.ept_leaf) continue;
      std::uint64_t flags = 0;
      if (good && setting.ept_flags) flags = ept == setting.ept_leaf ? 0x300 : 0x100;
      expected.memory.push_back({"EPT L" + std::to_string(ept) + " of the table",
                                 state.table_ept_entry(level, ept), 0x300, flags});
    }

    std::string text = std::string(name(setting.guest)) + " guest, table of level " +
                       std::to_string(level) + " on " + std::string(row.bits) + " of " +
                       std::to_string(setting.ept_levels) + "-level EPT leaf L" +
                       std::to_string(setting.ept_leaf) + ", A=" + (row.accessed ? "1" : "0") +
                       " D=" + (row.dirty ? "1" : "0") + ", " + std::string(name(op));
    if (setting.ept_flags) text += ", EPT A/D";
    if (setting.mode_based) text += ", mode-based execute";
    if (setting.advanced) text += ", advanced information";
    sink(state.vector(std::move(text), request_of(op, state.linear()), std::move(expected)));
  }
}

template <std::size_t N>
void apply(const Row (&rows)[N], Setting setting, const Sink& sink) {
  for (const Row& row : rows) {
    for (const bool ept_flags : {false, true}) {
      if ((row.ept_flags & (ept_flags ? kOn : kOff)) == 0) continue;
      setting.ept_flags = ept_flags;
      apply(row, setting, sink);
    }
  }
}

}  // namespace

void guest_table_page(const Sink& sink) {
  for (const Guest guest : {Guest::k4Level, Guest::k5Level}) {
    const unsigned guest_levels = guest == Guest::k4Level ? 4 : 5;
    for (const unsigned ept_levels : {4U, 5U}) {
      for (unsigned ept_leaf = 1; ept_leaf <= 3; ++ept_leaf) {
        Setting setting{.guest = guest, .ept_levels = ept_levels, .ept_leaf = ept_leaf};
        apply(kLeafTable, setting, sink);
        for (unsigned level = 2; level <= guest_levels; ++level) {
          setting.table_level = level;
          apply(kUpperTable, setting, sink);
        }
        setting.table_level = 1;
        setting.mode_based = true;
        apply(kModeBasedTable, setting, sink);
        setting.advanced = true;
        apply(kModeBasedTable, setting, sink);
      }
    }
  }
}

}  // namespace eptsim::tb::conformance
