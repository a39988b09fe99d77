#include <algorithm>
#include <array>

#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// The rights of the EPT entries on the way to a page, at every level: what each access gives.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t kOk = 0;
constexpr std::uint64_t kMis = ~std::uint64_t{0};

struct Row {
  std::string_view bits;  ///< of the one entry; the others have all rights
  std::uint64_t r, w, x, xu;

  std::uint64_t of(Op op) const { return std::array{r, w, x, xu}[static_cast<unsigned>(op)]; }
};

// Exit qualifications without bits 11:9.
constexpr Row kPlain[] = {
    {"---", 0x181, 0x182, 0x184, 0x184},  //
    {"r--", kOk, 0x18a, 0x18c, 0x18c},    //
    {"-w-", kMis, kMis, kMis, kMis},      //
    {"rw-", kOk, kOk, 0x19c, 0x19c},      //
    {"r-x", kOk, 0x1aa, kOk, kOk},        //
    {"-wx", kMis, kMis, kMis, kMis},      //
    {"rwx", kOk, kOk, kOk, kOk},          //
};
constexpr Row kPlainExecuteOnly[] = {{"--x", 0x1a1, 0x1a2, kOk, kOk}};
constexpr Row kPlainNoExecuteOnly[] = {{"--x", kMis, kMis, kMis, kMis}};

constexpr Row kModeBased[] = {
    {"---", 0x181, 0x182, 0x184, 0x184},  //
    {"r--", kOk, 0x18a, 0x18c, 0x18c},    //
    {"-w-", kMis, kMis, kMis, kMis},      //
    {"-w-u", kMis, kMis, kMis, kMis},     //
    {"rw-", kOk, kOk, 0x19c, 0x19c},      //
    {"r-x", kOk, 0x1aa, kOk, 0x1ac},      //
    {"r-u", kOk, 0x1ca, 0x1cc, kOk},      //
    {"r-xu", kOk, 0x1ea, kOk, kOk},       //
    {"-wx", kMis, kMis, kMis, kMis},      //
    {"-wxu", kMis, kMis, kMis, kMis},     //
    {"rwx", kOk, kOk, kOk, 0x1bc},        //
    {"rwu", kOk, kOk, 0x1dc, kOk},        //
    {"rwxu", kOk, kOk, kOk, kOk},         //
};
constexpr Row kModeBasedExecuteOnly[] = {
    {"--x", 0x1a1, 0x1a2, kOk, 0x1a4},
    {"--u", 0x1c1, 0x1c2, 0x1c4, kOk},
    {"--xu", 0x1e1, 0x1e2, kOk, kOk},
};
constexpr Row kModeBasedNoExecuteOnly[] = {
    {"--x", kMis, kMis, kMis, kMis},
    {"--u", kMis, kMis, kMis, kMis},
    {"--xu", kMis, kMis, kMis, kMis},
};

/// The machine that a row is applied to.
struct Setting {
  unsigned ept_levels = 4;
  unsigned level = 1;  ///< of the entry with the row's bits
  bool huge = false;   ///< it maps a page itself
  bool mode_based = false;
  bool execute_only = true;
  bool accessed_dirty = false;
  bool advanced = false;
  bool huge_supported = true;
};

std::string name_of(const Setting& setting, const Row& row, Op op) {
  std::string text = std::to_string(setting.ept_levels) + "-level EPT, entry of level " +
                     std::to_string(setting.level) + (setting.huge ? " huge " : " ") +
                     std::string(row.bits) + ", " + std::string(name(op));
  if (setting.mode_based) text += ", mode-based execute";
  if (!setting.execute_only) text += ", no execute-only";
  if (setting.accessed_dirty) text += ", EPT A/D";
  if (setting.advanced) text += ", advanced information";
  if (!setting.huge_supported) text += ", page size unsupported";
  return text;
}

/// What the EPT's flags on the way to the page must be.
void expect_flags(const MachineState& state, const Setting& setting, bool used, bool written,
                  Expected& expected) {
  const unsigned leaf = setting.huge ? setting.level : 1;
  for (unsigned level = setting.ept_levels; level >= leaf; --level) {
    std::uint64_t flags = used ? 0x100 : 0;
    if (written && level == leaf) flags |= 0x200;
    expected.memory.push_back(
        {"EPT L" + std::to_string(level) + " of the page", state.ept_entry(level), 0x300, flags});
  }
}

void apply(const Row& row, const Setting& setting, const Sink& sink) {
  MachineState state({.ept_levels = setting.ept_levels,
                      .ept_leaf = setting.huge ? setting.level : 1,
                      .mode_based_execute = setting.mode_based,
                      .ept_accessed_dirty = setting.accessed_dirty});
  state.context.cpu.execute_only = setting.execute_only;
  state.context.cpu.advanced_exit_info = setting.advanced;
  state.context.cpu.page_2m = setting.huge_supported || setting.level != 2;
  state.context.cpu.page_1g = setting.huge_supported || setting.level != 3;
  state.poke(state.ept_entry(setting.level), ept_rights("rwxu"), ept_rights(row.bits));
  for (const Op op : kOps) {
    MachineState machine = state;
    // With mode-based execute the linear address counts, not CPL.
    const bool supervisor_page = setting.mode_based && op == Op::kX;
    if (supervisor_page) machine.poke_guest(1, 0x4, 0);

    std::uint64_t code = row.of(op);
    if (!setting.huge_supported && row.bits != "---") code = kMis;
    const std::uint64_t gpa = machine.gpa() + offset_of(op);
    Expected expected = translated(gpa, machine.hpa() + offset_of(op));
    if (code == kMis) {
      expected = misconfiguration(gpa);
    } else if (code != kOk) {
      std::uint64_t qualification = code;
      if (setting.advanced) {
        qualification |= kGuestWritable | (supervisor_page ? 0 : kUserAddress);
      }
      expected = violation(qualification, gpa);
    }
    expect_flags(machine, setting, code == kOk && setting.accessed_dirty,
                 code == kOk && setting.accessed_dirty && op == Op::kW, expected);
    sink(machine.vector(name_of(setting, row, op), request_of(op, machine.linear()),
                        std::move(expected)));
  }
}

template <std::size_t N>
void apply(const Row (&rows)[N], const Setting& setting, const Sink& sink) {
  for (const Row& row : rows) apply(row, setting, sink);
}

void apply_tables(const Setting& setting, const Sink& sink) {
  if (setting.mode_based) {
    apply(kModeBased, setting, sink);
    if (setting.execute_only) {
      apply(kModeBasedExecuteOnly, setting, sink);
    } else {
      apply(kModeBasedNoExecuteOnly, setting, sink);
    }
  } else {
    apply(kPlain, setting, sink);
    if (setting.execute_only) {
      apply(kPlainExecuteOnly, setting, sink);
    } else {
      apply(kPlainNoExecuteOnly, setting, sink);
    }
  }
}

}  // namespace

void ept_data_page(const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (unsigned level = 1; level <= ept_levels; ++level) {
      for (const bool huge : {false, true}) {
        if (huge && level != 2 && level != 3) continue;
        for (unsigned choice = 0; choice < 16; ++choice) {
          apply_tables({.ept_levels = ept_levels,
                        .level = level,
                        .huge = huge,
                        .mode_based = (choice & 1) != 0,
                        .execute_only = (choice & 2) == 0,
                        .accessed_dirty = (choice & 4) != 0,
                        .advanced = (choice & 8) != 0},
                       sink);
        }
        if (!huge) continue;
        for (const bool mode_based : {false, true}) {
          apply_tables({.ept_levels = ept_levels,
                        .level = level,
                        .huge = huge,
                        .mode_based = mode_based,
                        .huge_supported = false},
                       sink);
        }
      }
    }
  }
}

}  // namespace eptsim::tb::conformance
