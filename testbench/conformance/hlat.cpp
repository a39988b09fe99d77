#include <algorithm>

#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// Linear addresses that the hypervisor's own tables translate, and restarts from CR3.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::uint64_t kRoot = 16 * kGiB;  // guest-physical, of the first HLAT table
constexpr std::uint64_t kRestart = 0x800;

/// CR3's tables lead to the page at `gpa()`; the HLAT tables to another, 1 MiB further.
class HlatState : public MachineState {
 public:
  explicit HlatState(const Layout& layout = {}, std::uint16_t prefix_size = 0, bool upper = false,
                     unsigned hlat_leaf = 1)
      : MachineState(layout), address_(linear()) {
    if (upper) {
      const unsigned sign = layout.guest == Guest::k5Level ? 56 : 47;
      address_ |= ~std::uint64_t{0} << sign;
      map_guest_chain(context.cr3, address_, gpa(), layout.guest_leaf);
    }
    context.controls.hlat = true;
    context.hlat_pointer = kRoot;
    context.hlat_prefix_size = prefix_size;
    hlat_gpa_ = gpa() + 2 * kGiB;
    const std::uint64_t size = std::uint64_t{1} << (12 + 9 * (hlat_leaf - 1));
    hlat_gpa_ = (hlat_gpa_ & ~(kGiB - 1)) | (address_ & (size - 1));
    hlat_hpa_ = 0x33'0000'0000 | (hlat_gpa_ & (kGiB - 1));
    map_ept(hlat_gpa_, hlat_hpa_, 1);
    map_guest_chain(kRoot, address_, hlat_gpa_, hlat_leaf);
  }

  std::uint64_t address() const { return address_; }
  std::uint64_t hlat_gpa() const { return hlat_gpa_; }
  std::uint64_t hlat_hpa() const { return hlat_hpa_; }
  std::uint64_t hlat_entry(unsigned level) const {
    return table_hpa(chain_entry_gpa(kRoot, address_, level));
  }
  std::uint64_t hlat_entry_gpa(unsigned level) const {
    return chain_entry_gpa(kRoot, address_, level);
  }
  std::uint64_t cr3_entry(unsigned level) const {
    return table_hpa(chain_entry_gpa(context.cr3, address_, level));
  }

 private:
  std::uint64_t address_;
  std::uint64_t hlat_gpa_ = 0;
  std::uint64_t hlat_hpa_ = 0;
};

Expected by_hlat(const HlatState& state, std::uint64_t references) {
  Expected expected = translated(state.hlat_gpa(), state.hlat_hpa());
  expected.references = references;
  return expected;
}

Expected by_cr3(const HlatState& state, std::uint64_t references) {
  Expected expected = translated(state.gpa(), state.hpa());
  expected.references = references;
  return expected;
}

/// Which addresses: all with a prefix size of 0, those with bit 63 set with any other.
void prefix(const Sink& sink) {
  for (const Guest guest : {Guest::k4Level, Guest::k5Level}) {
    const unsigned references = guest == Guest::k4Level ? 24 : 29;
    for (const unsigned size : {0U, 1U, 2U, 16U, 52U, 0x8000U}) {
      for (const bool upper : {false, true}) {
        HlatState state({.guest = guest}, static_cast<std::uint16_t>(size), upper);
        const std::string text = std::string(name(guest)) + " guest, prefix size " +
                                 std::to_string(size) + (upper ? ", upper half" : ", lower half");
        const mmu::Request request = request_of(Op::kR, state.address());
        sink(state.vector(
            text, request,
            size == 0 || upper ? by_hlat(state, references) : by_cr3(state, references)));
        state.context.controls.hlat = false;
        sink(state.vector(text + ", control off", request, by_cr3(state, references)));
      }
    }
  }
  // 32-bit, PAE and no paging know none.
  for (const Guest guest : {Guest::kNone, Guest::k32Bit, Guest::kPae}) {
    MachineState state({.guest = guest});
    state.context.controls.hlat = true;
    state.context.hlat_pointer = kRoot;
    Expected expected = translated(state.gpa(), state.hpa());
    expected.references = guest == Guest::kNone ? 4 : 14;
    sink(state.vector(std::string(name(guest)) + " guest", request_of(Op::kR, state.linear()),
                      std::move(expected)));
  }
}

/// A restart at each level: what was read, and what one TLB entry may cover.
void restarts(const Sink& sink) {
  struct Shape {
    Guest guest;
    unsigned ept_levels;
  };
  for (const Shape& shape : {Shape{Guest::k4Level, 4}, Shape{Guest::k4Level, 5},
                             Shape{Guest::k5Level, 4}, Shape{Guest::k5Level, 5}}) {
    const unsigned levels = shape.guest == Guest::k4Level ? 4 : 5;
    for (unsigned level = 1; level <= levels; ++level) {
      for (unsigned leaf = 1; leaf <= 3; ++leaf) {
        HlatState state({.guest = shape.guest,
                         .guest_leaf = leaf,
                         .ept_levels = shape.ept_levels,
                         .ept_leaf = 3,
                         .table_leaf = 1});
        state.poke(state.hlat_entry(level), 0, kRestart);
        const unsigned hlat_reads = (levels - level + 1) * (shape.ept_levels + 1);
        const unsigned guest_reads = (levels - leaf + 1) * (shape.ept_levels + 1);
        const unsigned page_reads = shape.ept_levels - 2;
        Expected expected = by_cr3(state, hlat_reads + guest_reads + page_reads);
        const unsigned smallest = std::min(level, leaf);
        expected.page_size = arch::page_of_level(std::min(smallest, 3U));
        sink(state.vector(std::string(name(shape.guest)) + " guest leaf L" + std::to_string(leaf) +
                              ", " + std::to_string(shape.ept_levels) + "-level EPT, restart at L" +
                              std::to_string(level),
                          request_of(Op::kR, state.address()), std::move(expected)));
      }
    }
  }
  // The longest walks there are.
  for (const unsigned levels : {4U, 5U}) {
    HlatState state({.guest = levels == 4 ? Guest::k4Level : Guest::k5Level, .ept_levels = levels});
    state.poke(state.hlat_entry(1), 0, kRestart);
    sink(state.vector("restart at the leaf, " + std::to_string(levels) + " levels everywhere",
                      request_of(Op::kW, state.address()), by_cr3(state, levels == 4 ? 44 : 65)));
  }
  // A large page of the HLAT tables may restart too.
  for (unsigned level = 2; level <= 3; ++level) {
    HlatState state({.guest_leaf = level}, 0, false, level);
    state.poke(state.hlat_entry(level), 0, kRestart);
    sink(state.vector("restart at a large page of L" + std::to_string(level),
                      request_of(Op::kR, state.address()), by_cr3(state, 2 * 5 * (5 - level) + 4)));
  }
  // In CR3's tables bit 11 means nothing.
  for (unsigned level = 1; level <= 4; ++level) {
    for (const unsigned size : {0U, 1U}) {
      HlatState state({}, static_cast<std::uint16_t>(size));
      if (size == 0) state.poke(state.hlat_entry(1), 0, kRestart);
      state.poke(state.cr3_entry(level), 0, kRestart);
      sink(state.vector(
          "bit 11 of CR3's L" + std::to_string(level) + (size == 0 ? " after a restart" : ""),
          request_of(Op::kR, state.address()), by_cr3(state, size == 0 ? 44 : 24)));
    }
  }
}

/// Rights that were gathered before a restart are dropped; those of the tables that end the walk
/// count.
void rights(const Sink& sink) {
  for (unsigned level = 1; level <= 4; ++level) {
    HlatState state;
    state.poke(state.hlat_entry(level), 0x2, 0);
    Expected refused = page_fault(0x3);
    refused.references = 20;
    sink(state.vector("read-only HLAT L" + std::to_string(level),
                      request_of(Op::kW, state.address()), std::move(refused)));
    // Of HLAT and CR3 tables alike, bit 7 of the code is only for absent and reserved.
    HlatState user;
    user.poke(user.hlat_entry(level), 0x4, 0);
    sink(user.vector("supervisor HLAT L" + std::to_string(level),
                     request_of(Op::kXu, user.address()), page_fault(0x15)));

    state.poke(state.hlat_entry(1), 0, kRestart);
    sink(state.vector("read-only HLAT L" + std::to_string(level) + " before a restart",
                      request_of(Op::kW, state.address()), by_cr3(state, 44)));
    HlatState after;
    after.poke(after.hlat_entry(1), 0, kRestart);
    after.poke(after.cr3_entry(level), 0x2, 0);
    sink(after.vector("read-only CR3 L" + std::to_string(level) + " after a restart",
                      request_of(Op::kW, after.address()), page_fault(0x3)));
  }
}

/// Bit 7 of the error code: an absent entry or a reserved bit in the HLAT tables.
void error_codes(const Sink& sink) {
  constexpr std::uint32_t kAbsent[] = {0x80, 0x82, 0x90, 0x94};
  constexpr std::uint32_t kReserved[] = {0x89, 0x8b, 0x99, 0x9d};
  for (unsigned level = 1; level <= 4; ++level) {
    for (const Op op : kOps) {
      const auto index = static_cast<unsigned>(op);
      const std::string text = "L" + std::to_string(level) + ", " + std::string(name(op));
      HlatState absent;
      // A restart is looked for in present entries without reserved bits only.
      absent.poke(absent.hlat_entry(level), 0x1, kRestart);
      sink(absent.vector("absent HLAT " + text, request_of(op, absent.address()),
                         page_fault(kAbsent[index])));
      HlatState reserved;
      reserved.poke(reserved.hlat_entry(level), 0, std::uint64_t{1} << 50 | kRestart);
      sink(reserved.vector("reserved bit in HLAT " + text, request_of(op, reserved.address()),
                           page_fault(kReserved[index])));
      HlatState after;
      after.poke(after.hlat_entry(1), 0, kRestart);
      after.poke(after.cr3_entry(level), 0x1, 0);
      sink(after.vector("absent CR3 " + text + ", after a restart", request_of(op, after.address()),
                        page_fault(kAbsent[index] & ~0x80U)));
      HlatState bad;
      bad.poke(bad.hlat_entry(1), 0, kRestart);
      bad.poke(bad.cr3_entry(level), 0, std::uint64_t{1} << 50);
      sink(bad.vector("reserved bit in CR3 " + text + ", after a restart",
                      request_of(op, bad.address()), page_fault(kReserved[index] & ~0x80U)));
    }
  }
}

/// The restarting entry is used, so its accessed flag is set; its dirty flag never is.
void flags(const Sink& sink) {
  for (unsigned level = 1; level <= 4; ++level) {
    HlatState state;
    for (unsigned other = level; other <= 4; ++other) {
      state.poke(state.hlat_entry(other), 0x60, other == level ? kRestart : 0);
    }
    for (unsigned other = 1; other <= 4; ++other) state.poke(state.cr3_entry(other), 0x60, 0);
    Expected expected = by_cr3(state, 5 * (5 - level) + 24);
    for (unsigned other = 1; other <= 4; ++other) {
      if (other >= level) {
        expected.memory.push_back(
            {"HLAT L" + std::to_string(other), state.hlat_entry(other), 0x60, 0x20});
      }
      expected.memory.push_back({"guest L" + std::to_string(other), state.cr3_entry(other), 0x60,
                                 other == 1 ? 0x60U : 0x20U});
    }
    sink(state.vector("flags with a restart at L" + std::to_string(level),
                      request_of(Op::kW, state.address()), std::move(expected)));
  }
  HlatState state;
  for (unsigned level = 1; level <= 4; ++level) state.poke(state.hlat_entry(level), 0x60, 0);
  Expected expected = by_hlat(state, 24);
  for (unsigned level = 1; level <= 4; ++level) {
    expected.memory.push_back({"HLAT L" + std::to_string(level), state.hlat_entry(level), 0x60,
                               level == 1 ? 0x60U : 0x20U});
  }
  sink(state.vector("flags of a walk that ends in HLAT", request_of(Op::kW, state.address()),
                    std::move(expected)));
}

/// The tables' own translation, and verification of those that produced the address.
void ept_of_tables(const Sink& sink) {
  for (unsigned level = 1; level <= 4; ++level) {
    for (const bool ept_flags : {false, true}) {
      HlatState state({.ept_accessed_dirty = ept_flags});
      state.poke(state.ept_entry_of(state.hlat_entry_gpa(level), 1), 7, 0);
      sink(state.vector(
          "EPT page of HLAT L" + std::to_string(level) + " absent" + (ept_flags ? ", EPT A/D" : ""),
          request_of(Op::kR, state.address()),
          violation(ept_flags ? 0x83 : 0x81, state.hlat_entry_gpa(level))));
    }
  }
  constexpr std::uint64_t kPwa = std::uint64_t{1} << 58;
  constexpr std::uint64_t kVgp = std::uint64_t{1} << 57;
  for (const bool restart : {false, true}) {
    for (const bool hlat_verified : {false, true}) {
      for (const bool cr3_verified : {false, true}) {
        HlatState state;
        state.context.controls.paging_write = true;
        state.context.controls.guest_paging_verification = true;
        if (restart) state.poke(state.hlat_entry(1), 0, kRestart);
        for (unsigned level = 1; level <= 4; ++level) {
          if (hlat_verified) {
            state.poke(state.ept_entry_of(state.hlat_entry_gpa(level), 1), 0, kPwa);
          }
          if (cr3_verified) state.poke(state.table_ept_entry(level, 1), 0, kPwa);
        }
        state.poke(state.ept_entry_of(state.hlat_gpa(), 1), 0, kVgp);
        state.poke(state.ept_entry(1), 0, kVgp);
        const bool good = restart ? cr3_verified : hlat_verified;
        const std::uint64_t gpa = restart ? state.gpa() : state.hlat_gpa();
        Expected expected = restart ? by_cr3(state, 44) : by_hlat(state, 24);
        sink(state.vector(std::string("verification") + (restart ? " after a restart" : "") +
                              (hlat_verified ? ", HLAT tables verified" : "") +
                              (cr3_verified ? ", CR3 tables verified" : ""),
                          request_of(Op::kR, state.address()),
                          good ? expected : violation(0x81b9, gpa)));
      }
    }
  }
  // PWT and PCD of the pointer are for the first table; the page keeps its own type.
  for (const std::uint64_t bits : {0x8U, 0x10U, 0x18U}) {
    HlatState state;
    state.context.hlat_pointer |= bits;
    Expected expected = by_hlat(state, 24);
    expected.memory_type = arch::MemoryType::kWB;
    sink(state.vector("HLAT pointer bits " + std::to_string(bits),
                      request_of(Op::kR, state.address()), std::move(expected)));
  }
}

}  // namespace

void hlat(const Sink& sink) {
  prefix(sink);
  restarts(sink);
  rights(sink);
  error_codes(sink);
  flags(sink);
  ept_of_tables(sink);
}

}  // namespace eptsim::tb::conformance
