#pragma once

#include <gtest/gtest.h>

#include <ostream>

#include "mmu_model/memory/memory_hierarchy.hpp"

namespace eptsim::mmu {

inline bool operator==(const Service& a, const Service& b) {
  return a.answered == b.answered && a.served_by == b.served_by;
}
inline void PrintTo(const Service& service, std::ostream* out) {
  *out << name(service.served_by) << " in " << service.answered;
}

namespace test {

/// L1D of 2 ways, L2 and L3 of 4, in sets so few that a test fills one by hand.
inline MemorySettings small_memory() {
  return {.l1d = {.bytes = 1024, .ways = 2, .hit_cycles = 5, .mshrs = 8},
          .l2 = {.bytes = 4096, .ways = 4, .hit_cycles = 15, .mshrs = 16},
          .l3 = {.bytes = 16384, .ways = 4, .hit_cycles = 50, .mshrs = 32},
          .dram = {.cycles = 100}};
}
inline constexpr std::uint64_t kLine = 0x12'3456'7000;
/// From one line of a set to the next.
inline constexpr std::uint64_t kL1Stride = 1024 / 2;
inline constexpr std::uint64_t kL2Stride = 4096 / 4;
inline constexpr std::uint64_t kL3Stride = 16384 / 4;

inline Service from(MemoryLevel level, Cycle answered) { return {answered, level}; }

inline const MemoryCacheCounters& data_of(const MemoryCounters& counters, MemoryLevel level) {
  return counters.cache[static_cast<std::size_t>(level)].by_origin[0];
}
inline const MemoryCacheCounters& walks_of(const MemoryCounters& counters, MemoryLevel level) {
  return counters.cache[static_cast<std::size_t>(level)].by_origin[1];
}
inline std::uint64_t writebacks(const MemoryCounters& counters, MemoryLevel level) {
  return data_of(counters, level).writebacks + walks_of(counters, level).writebacks;
}

/// A hierarchy and the accesses that tests make of it.
class Memory {
 public:
  explicit Memory(const MemorySettings& settings = small_memory(), unsigned cores = 1)
      : hierarchy(settings, cores, 1) {}

  MemoryHierarchy hierarchy;

  // Calls come in the order of their cycles.
  Service read(std::uint64_t address, Cycle cycle, unsigned core = 0) {
    return access(core, {.address = arch::Hpa(address)}, cycle);
  }
  Service write(std::uint64_t address, Cycle cycle, unsigned core = 0) {
    return access(core, {.address = arch::Hpa(address), .write = true}, cycle);
  }
  Service walk(std::uint64_t address, Cycle cycle, MemoryLevel enters_at, unsigned core = 0,
               bool write = false) {
    return access(core,
                  {.address = arch::Hpa(address),
                   .write = write,
                   .enters_at = enters_at,
                   .origin = AccessOrigin::kWalk},
                  cycle);
  }

  // Each reads other lines of the set, with core 0, 160 cycles apart, until that of `address` is no
  // longer in the level. Further levels keep it.
  void displace_in_l1(std::uint64_t address) {
    for (const unsigned i : {1u, 3u}) later_read(address + i * kL1Stride, MemoryLevel::kL1d);
  }
  void displace_in_l2(std::uint64_t address) {
    displace_in_l1(address);
    for (const unsigned i : {1u, 2u, 3u, 5u}) {
      later_read(address + i * kL2Stride, MemoryLevel::kL2);
    }
  }
  void displace_in_l3(std::uint64_t address) {
    for (const unsigned i : {1u, 2u, 3u, 4u}) {
      later_read(address + i * kL3Stride, MemoryLevel::kL3);
    }
  }

 private:
  Service access(unsigned core, const CacheAccess& access, Cycle cycle) {
    EXPECT_GE(cycle, last_);
    last_ = cycle;
    return hierarchy.access(core, access, cycle);
  }
  void later_read(std::uint64_t address, MemoryLevel enters_at) {
    walk(address, last_ + 160, enters_at);
  }
  Cycle last_ = 0;
};

}  // namespace test
}  // namespace eptsim::mmu
