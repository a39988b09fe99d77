#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "mmu_model/tlb/tlb_hierarchy.hpp"

/// Two levels of TLBs, and walks for them to hold that were never made.
namespace eptsim::mmu::test {

using arch::AccessKind;
using arch::PageSize;

inline constexpr std::uint64_t k4K = 1u << 12;
inline constexpr std::uint64_t k2M = 1u << 21;
inline constexpr std::uint64_t k1G = 1u << 30;
inline constexpr std::uint64_t kAddress = 0x7f12'3456'7000;
/// Exit qualification: the guest-physical address was the translation of the linear one.
inline constexpr std::uint64_t kFinal = 0x180;

inline constexpr TlbSettings kFirst{.unified = {.entries = 16, .ways = 4}, .hit_cycles = 1};
inline constexpr TlbSettings kSecond{.unified = {.entries = 64, .ways = 8}, .hit_cycles = 8};

inline Context guest() {
  Context context;
  context.ept_enabled = true;
  context.eptp = 0x10'001e;
  context.cr0 = 0x8001'0001;
  context.cr3 = 0x5000;
  context.cr4 = 0x2'00a0;  // PAE, PGE, PCIDE
  context.efer = 0xd00;
  return context;
}

inline Request read(std::uint64_t address) { return {.address = address, .user = true}; }
inline Request write(std::uint64_t address) {
  return {.address = address, .access = AccessKind::kWrite, .user = true};
}
inline Request fetch(std::uint64_t address) {
  return {.address = address, .access = AccessKind::kFetch, .user = true};
}

/// A translation to where every address bit shows: gpa and hpa are the address plus 1 and 2 TiB.
inline Outcome translated(std::uint64_t address, PageSize guest_page = PageSize::k4K,
                          PageSize ept_page = PageSize::k4K) {
  const std::uint64_t low = address & ((1ull << 39) - 1);
  return {.gpa = low + (1ull << 40),
          .hpa = low + (1ull << 41),
          .guest_page_size = guest_page,
          .ept_page_size = ept_page,
          .page_size = arch::smaller(guest_page, ept_page),
          .dirty = true};
}

class Tlbs : public testing::Test {
 protected:
  Tlbs() { tlbs.use(context); }
  /// A walk of `request` in `where` that ended so.
  void walked(const Request& request, const Outcome& outcome) {
    tlbs.take(context, request, outcome);
  }
  bool hits(const Request& request) { return static_cast<bool>(tlbs.lookup(request)); }
  TlbHitLevel level(const Request& request) { return tlbs.lookup(request).level; }

  WalkContext context{guest()};
  TlbHierarchy tlbs{kFirst, kFirst, kSecond, 1};
};

}  // namespace eptsim::mmu::test
