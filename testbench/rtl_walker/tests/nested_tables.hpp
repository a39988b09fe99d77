#pragma once

#include <cstdint>

#include "testbench/rtl_walker/tests/walker_bench.hpp"

/// Tables laid by hand: one linear address through four guest levels, each guest table on its own
/// page of one EPT page table. Every index differs from every other, so that a wrong one is seen.
namespace eptsim::tb {

inline constexpr std::uint64_t kEptRoot = 0x10'0000;  ///< EPT tables of levels 4 to 1, 5 below
inline constexpr std::uint64_t kEptPml5 = 0x0f'0000;
inline constexpr std::uint64_t kGuestBase = 3ull << 39 | 5ull << 30 | 7ull << 21;

/// Host-physical address of the EPT entry of `level` for guest page `page`.
constexpr std::uint64_t ept_entry(unsigned level, unsigned page = 0) {
  switch (level) {
    case 5: return kEptPml5;
    case 4: return kEptRoot + 3 * 8;
    case 3: return kEptRoot + 0x1000 + 5 * 8;
    case 2: return kEptRoot + 0x2000 + 7 * 8;
    default: return kEptRoot + 0x3000 + page * 8;
  }
}

/// Guest page `page`, guest-physical and host-physical. Guest tables of levels 5 to 1 are pages
/// 1 to 5, the data is page 9.
constexpr std::uint64_t guest_page(unsigned page) { return kGuestBase + page * 0x1000ull; }
constexpr std::uint64_t host_page(unsigned page) {
  return 0x2a'0000'0000 + (page ^ 0x155) * 0x1000ull;
}
inline constexpr unsigned kDataPage = 9;
constexpr unsigned table_page(unsigned level) { return 6 - level; }

inline constexpr std::uint64_t kIndex[] = {0, 0x4d, 0x3c, 0x2b, 0x1a, 0x09};
inline constexpr std::uint64_t kOffset = 0x678;
inline constexpr std::uint64_t kLinear =
    kIndex[4] << 39 | kIndex[3] << 30 | kIndex[2] << 21 | kIndex[1] << 12 | kOffset;
inline constexpr std::uint64_t kLinear57 = kIndex[5] << 48 | kLinear;

constexpr std::uint64_t guest_entry_gpa(unsigned level) {
  return guest_page(table_page(level)) + kIndex[level] * 8;
}
constexpr std::uint64_t guest_entry(unsigned level) {
  return host_page(table_page(level)) + kIndex[level] * 8;
}

// Bits of entries.
inline constexpr std::uint64_t kR = 1, kW = 2, kX = 4, kRwx = 7, kWbType = 6 << 3, kLarge = 1 << 7,
                               kEptA = 1 << 8, kEptD = 1 << 9, kXu = 1 << 10;
inline constexpr std::uint64_t kP = 1, kRw = 2, kUs = 4, kA = 1 << 5, kD = 1 << 6, kNx = 1ull << 63;
inline constexpr std::uint64_t kGuestUsed = kP | kRw | kUs | kA;

class NestedTables : public testing::Test {
 protected:
  NestedTables() {
    auto& memory = bench.memory;
    memory[ept_entry(5)] = kEptRoot | kRwx;
    memory[ept_entry(4)] = (kEptRoot + 0x1000) | kRwx;
    memory[ept_entry(3)] = (kEptRoot + 0x2000) | kRwx;
    memory[ept_entry(2)] = (kEptRoot + 0x3000) | kRwx;
    for (unsigned page = 0; page < 512; ++page) {
      memory[ept_entry(1, page)] = host_page(page) | kRwx | kWbType;
    }
    for (unsigned level = 5; level > 1; --level) {
      memory[guest_entry(level)] = guest_page(table_page(level - 1)) | kGuestUsed;
    }
    memory[guest_entry(1)] = guest_page(kDataPage) | kGuestUsed | kD;

    context.ept_enabled = true;
    context.eptp = kEptRoot | 3 << 3 | 6;
    context.cr0 = 0x8001'0001;  // PG, WP, PE
    context.cr3 = guest_page(table_page(4));
    context.cr4 = 1 << 5;  // PAE
    context.efer = 0xd00;  // LME, LMA, NXE
    request.address = kLinear;
    request.user = true;
  }

  FinishedWalk walk() { return bench.run(context, request); }
  FinishedWalk walk(arch::AccessKind access) {
    request.access = access;
    return walk();
  }
  std::uint64_t& ept_leaf(unsigned page = kDataPage) { return bench.memory[ept_entry(1, page)]; }
  std::uint64_t& guest(unsigned level) { return bench.memory[guest_entry(level)]; }
  void ept_flags_on() { context.eptp |= 1 << 6; }

  Bench bench;
  mmu::Context context;
  mmu::Request request;
};

}  // namespace eptsim::tb
