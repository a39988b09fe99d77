#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// EPTP bit 7: shadow stacks of the supervisor lie on pages that bit 60 of the EPT leaf names.
namespace eptsim::tb::conformance {
namespace {

using arch::AccessKind;

constexpr std::uint64_t kOk = 0;
constexpr std::uint64_t kMis = ~std::uint64_t{0};
constexpr std::uint64_t kSss = std::uint64_t{1} << 60;

struct Row {
  std::string_view leaf;   ///< rights of the EPT leaf
  std::string_view upper;  ///< of one entry above
  bool bit_60;
  std::uint64_t read, write;  ///< of a shadow-stack access by the supervisor
};

// With EPTP bit 7. Qualification bit 13: a shadow-stack access; bit 14: bit 60 of the leaf.
constexpr Row kControlled[] = {
    {"rwx", "rwx", true, kOk, kOk},         //
    {"rwx", "rwx", false, 0x21b9, 0x21ba},  //
    {"r-x", "rwx", true, kOk, kOk},         //
    {"r--", "rwx", true, kOk, kOk},         //
    {"r-x", "rwx", false, 0x21a9, 0x21aa},  //
    {"rw-", "rwx", true, kOk, kOk},         //
    {"rwx", "r-x", true, 0x61a9, 0x61aa},   //
    {"rwx", "r-x", false, 0x21a9, 0x21aa},  //
    {"r-x", "r-x", true, 0x61a9, 0x61aa},   //
    {"--x", "rwx", true, 0x61a1, 0x61a2},   //
    {"rwx", "--x", true, 0x61a1, 0x61a2},   //
    {"---", "rwx", true, 0x2181, 0x2182},   //
    {"-w-", "rwx", true, kMis, kMis},       //
};
// Without it: data accesses like any other.
constexpr Row kOrdinary[] = {
    {"rwx", "rwx", false, kOk, kOk},       //
    {"rwx", "rwx", true, kOk, kOk},        //
    {"r-x", "rwx", true, kOk, 0x21aa},     //
    {"r--", "rwx", false, kOk, 0x218a},    //
    {"rwx", "r-x", false, kOk, 0x21aa},    //
    {"--x", "rwx", true, 0x21a1, 0x21a2},  //
    {"---", "rwx", false, 0x2181, 0x2182},
};
// The user's shadow stacks with EPTP bit 7: ordinary, but that bit 14 is told.
constexpr Row kUser[] = {
    {"rwx", "rwx", false, kOk, kOk},       //
    {"rwx", "rwx", true, kOk, kOk},        //
    {"r-x", "rwx", true, kOk, 0x61aa},     //
    {"r-x", "rwx", false, kOk, 0x21aa},    //
    {"rwx", "r-x", true, kOk, 0x61aa},     //
    {"--x", "rwx", true, 0x61a1, 0x61a2},  //
};
// Loads and stores with EPTP bit 7.
constexpr Row kData[] = {
    {"rwx", "rwx", false, kOk, kOk},       //
    {"rwx", "rwx", true, kOk, kOk},        //
    {"r-x", "rwx", true, kOk, 0x41aa},     //
    {"r-x", "rwx", false, kOk, 0x1aa},     //
    {"rwx", "r-x", true, kOk, 0x41aa},     //
    {"--x", "rwx", true, 0x41a1, 0x41a2},  //
    {"---", "rwx", true, 0x181, 0x182},    //
};

/// A shadow-stack page of the guest, or for data a writable one.
MachineState state_for(bool controlled, bool user, bool data, unsigned ept_levels, unsigned leaf) {
  MachineState state({.ept_levels = ept_levels, .ept_leaf = leaf});
  state.context.cpu.supervisor_shadow_stack = true;
  state.context.cr4 |= 1U << 23;  // CET
  if (controlled) state.context.eptp |= 0x80;
  if (!data) state.poke_guest(1, 0x2, 0);
  if (!user) state.poke_guest(1, 0x4, 0);
  return state;
}

template <std::size_t N>
void apply(const Row (&rows)[N], const char* what, bool controlled, bool user, bool data,
           const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (unsigned leaf = 1; leaf <= 3; ++leaf) {
      for (unsigned upper = leaf + 1; upper <= ept_levels; ++upper) {
        for (const Row& row : rows) {
          MachineState state = state_for(controlled, user, data, ept_levels, leaf);
          state.poke(state.ept_entry(leaf), 7, ept_rights(row.leaf) | (row.bit_60 ? kSss : 0));
          state.poke(state.ept_entry(upper), 7, ept_rights(row.upper));
          for (const bool write : {false, true}) {
            const std::uint64_t code = write ? row.write : row.read;
            Expected expected = translated(state.gpa(), state.hpa());
            if (code == kMis) expected = misconfiguration(state.gpa());
            if (code != kMis && code != kOk) expected = violation(code, state.gpa());
            mmu::Request request = request_of(Op::kR, state.linear());
            request.user = user;
            request.access = write ? AccessKind::kShadowStackWrite : AccessKind::kShadowStackRead;
            if (data) request.access = write ? AccessKind::kWrite : AccessKind::kRead;
            sink(state.vector(std::string(what) + ", " + std::to_string(ept_levels) +
                                  "-level EPT leaf L" + std::to_string(leaf) + " " +
                                  std::string(row.leaf) + (row.bit_60 ? " bit 60, L" : ", L") +
                                  std::to_string(upper) + " " + std::string(row.upper) +
                                  (write ? ", write" : ", read"),
                              request, std::move(expected)));
          }
        }
      }
    }
  }
}

/// A write that bit 60 lets pass sets the EPT's flags and is logged.
void flags(const Sink& sink) {
  constexpr std::uint64_t kLog = 0x30'0000'0000;
  MachineState state = state_for(true, false, false, 4, 1);
  state.context.eptp |= 0x40;
  state.context.controls.pml = true;
  state.context.pml_address = kLog;
  state.poke(state.ept_entry(1), 2, kSss);
  mmu::Request request = request_of(Op::kR, state.linear());
  for (const bool write : {false, true}) {
    request.access = write ? AccessKind::kShadowStackWrite : AccessKind::kShadowStackRead;
    Expected expected = translated(state.gpa(), state.hpa());
    expected.memory.push_back({"EPT leaf", state.ept_entry(1), 0x300, write ? 0x300U : 0x100U});
    expected.memory.push_back(
        {"log entry 507", kLog + 8 * 507, ~std::uint64_t{0}, write ? state.gpa() : 0});
    sink(state.vector(std::string("flags of a shadow-stack ") + (write ? "write" : "read"), request,
                      std::move(expected)));
  }
}

}  // namespace

void supervisor_shadow_stack(const Sink& sink) {
  apply(kControlled, "supervisor shadow stack", true, false, false, sink);
  apply(kOrdinary, "supervisor shadow stack, EPTP bit 7 clear", false, false, false, sink);
  apply(kUser, "user shadow stack", true, true, false, sink);
  apply(kData, "data", true, false, true, sink);
  flags(sink);
}

}  // namespace eptsim::tb::conformance
