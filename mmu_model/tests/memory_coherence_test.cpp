#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "mmu_model/tests/memory_bench.hpp"
#include "mmu_model/tests/random.hpp"

/// Several cores' own caches over one L3, and walks that pass by their own core's L1D.
namespace eptsim::mmu::test {
namespace {

std::uint64_t invalidations(const MemoryCounters& counters, MemoryLevel level) {
  return counters.cache[static_cast<std::size_t>(level)].invalidations;
}

TEST(Coherence, CoresHaveL1AndL2OfTheirOwnAndShareL3) {
  Memory memory(small_memory(), 2);
  EXPECT_EQ(memory.read(kLine, 1000, 0), from(MemoryLevel::kDram, 1150));
  EXPECT_EQ(memory.read(kLine, 2000, 1), from(MemoryLevel::kL3, 2050));
  EXPECT_EQ(memory.read(kLine, 3000, 1), from(MemoryLevel::kL1d, 3005));
  EXPECT_EQ(memory.read(kLine, 3000, 0), from(MemoryLevel::kL1d, 3005));
  EXPECT_EQ(data_of(memory.hierarchy.counters(), MemoryLevel::kL1d).accesses, 4u);
}

TEST(Coherence, AWriteRemovesTheLineFromOtherCoresOwnCaches) {
  Memory memory(small_memory(), 3);
  for (const unsigned core : {0u, 1u, 2u}) memory.read(kLine, 1000 + 1000 * core, core);
  EXPECT_EQ(memory.write(kLine, 4000, 0), from(MemoryLevel::kL1d, 4005)) << "takes no longer";
  EXPECT_EQ(invalidations(memory.hierarchy.counters(), MemoryLevel::kL1d), 2u);
  EXPECT_EQ(invalidations(memory.hierarchy.counters(), MemoryLevel::kL2), 2u);
  EXPECT_EQ(memory.read(kLine, 5000, 1), from(MemoryLevel::kL3, 5050));
  EXPECT_EQ(memory.read(kLine, 6000, 0), from(MemoryLevel::kL1d, 6005));
}

TEST(Coherence, AWriteThatMissesRemovesItToo) {
  Memory memory(small_memory(), 2);
  memory.write(kLine, 1000, 1);
  EXPECT_EQ(memory.write(kLine, 2000, 0), from(MemoryLevel::kL3, 2050));
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(invalidations(counters, MemoryLevel::kL1d), 1u);
  EXPECT_EQ(invalidations(counters, MemoryLevel::kL2), 1u);
  EXPECT_EQ(writebacks(counters, MemoryLevel::kL1d), 1u) << "it was dirty there";
  EXPECT_EQ(counters.dram.writes, 0u) << "L3 took it";
}

TEST(Coherence, AWriteToALineThatL2HoldsRemovesItFromOtherCores) {
  Memory memory(small_memory(), 2);
  memory.read(kLine, 1000, 0);
  memory.displace_in_l1(kLine);
  memory.read(kLine, 3000, 1);
  EXPECT_EQ(memory.write(kLine, 4000, 0), from(MemoryLevel::kL2, 4015));
  EXPECT_EQ(memory.read(kLine, 5000, 1).served_by, MemoryLevel::kL3);
}

TEST(Coherence, AReadOfALineDirtyInAnotherCoreIsServedByL3AndLeavesBothClean) {
  Memory memory(small_memory(), 2);
  memory.write(kLine, 1000, 1);
  EXPECT_EQ(memory.read(kLine, 2000, 0), from(MemoryLevel::kL3, 2050));
  EXPECT_EQ(memory.read(kLine, 3000, 1), from(MemoryLevel::kL1d, 3005));
  EXPECT_EQ(writebacks(memory.hierarchy.counters(), MemoryLevel::kL1d), 1u);
  EXPECT_EQ(invalidations(memory.hierarchy.counters(), MemoryLevel::kL1d), 0u);
  // Clean in core 1 too: its write has to ask for it.
  memory.write(kLine, 4000, 1);
  EXPECT_EQ(memory.read(kLine, 5000, 0).served_by, MemoryLevel::kL3);
}

TEST(Coherence, WithoutL3DirtyLinesPassThroughDram) {
  MemorySettings settings = small_memory();
  settings.l3.bytes = 0;
  Memory memory(settings, 2);
  memory.write(kLine, 1000, 1);
  EXPECT_EQ(memory.read(kLine, 2000, 0), from(MemoryLevel::kDram, 2115));
  EXPECT_EQ(memory.hierarchy.counters().dram.writes, 1u);
  EXPECT_EQ(memory.hierarchy.counters().dram.reads, 2u);
}

TEST(Coherence, AWalkThatEntersAtL2FindsWhatItsCoreHasWritten) {
  Memory memory;
  memory.write(kLine, 1000);
  for (unsigned i = 1; i <= 4; ++i) {
    memory.walk(kLine + i * kL2Stride, 1000 + 1000 * i, MemoryLevel::kL2);
  }
  // L2 has lost it and L3's is older than L1's, which gives it back.
  EXPECT_EQ(memory.walk(kLine, 8000, MemoryLevel::kL2), from(MemoryLevel::kL2, 8015));
  EXPECT_EQ(memory.read(kLine, 9000), from(MemoryLevel::kL1d, 9005));
  EXPECT_EQ(walks_of(memory.hierarchy.counters(), MemoryLevel::kL1d).writebacks, 1u);
}

TEST(Coherence, AWriteOfAWalkThatEntersAtL2RemovesTheLineFromItsCoresL1) {
  Memory memory;
  memory.read(kLine, 1000);
  EXPECT_EQ(memory.walk(kLine, 2000, MemoryLevel::kL2, 0, true), from(MemoryLevel::kL2, 2015));
  EXPECT_EQ(invalidations(memory.hierarchy.counters(), MemoryLevel::kL1d), 1u);
  EXPECT_EQ(memory.read(kLine, 3000), from(MemoryLevel::kL2, 3015));
  // At L3 it is removed from both.
  memory.walk(kLine, 4000, MemoryLevel::kL3, 0, true);
  EXPECT_EQ(memory.read(kLine, 5000), from(MemoryLevel::kL3, 5050));
  EXPECT_EQ(invalidations(memory.hierarchy.counters(), MemoryLevel::kL1d), 2u);
  EXPECT_EQ(invalidations(memory.hierarchy.counters(), MemoryLevel::kL2), 1u);
}

TEST(Touch, BringsALineThatSoftwareWroteIntoItsCoresCaches) {
  Memory memory(small_memory(), 2);
  memory.read(kLine, 1000, 1);
  memory.hierarchy.touch(0, arch::Hpa(kLine + 8), 2000);
  EXPECT_EQ(memory.read(kLine, 2000, 0), from(MemoryLevel::kL1d, 2005));
  EXPECT_EQ(memory.read(kLine, 3000, 1).served_by, MemoryLevel::kL3) << "its copy was old";
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(counters.dram.reads, 1u) << "core 1's own";
  EXPECT_EQ(writebacks(counters, MemoryLevel::kL1d), 1u) << "it was dirty";
  EXPECT_EQ(data_of(counters, MemoryLevel::kL1d).accesses, 3u) << "touch itself isn't counted";
}

TEST(Touch, WithoutCachesDoesNothing) {
  Memory memory(MemorySettings{.dram = {.cycles = 100}});
  memory.hierarchy.touch(0, arch::Hpa(kLine), 1000);
  EXPECT_EQ(memory.read(kLine, 1000), from(MemoryLevel::kDram, 1100));
  EXPECT_EQ(memory.hierarchy.counters().dram.writes, 0u);
}

/// What must hold of any run, from the outside: nothing is lost and nothing is found that can't be.
TEST(Coherence, NoRunOfAccessesServesAWrittenLineFromACopyMadeBefore) {
  constexpr unsigned kCores = 3;
  Memory memory(small_memory(), kCores);
  Random random(7);
  // By line: the cores that may hold it since it was last written.
  std::map<std::uint64_t, std::set<unsigned>> holders;
  std::uint64_t own_hits = 0;
  for (unsigned i = 0; i < 100'000; ++i) {
    const Cycle cycle = 1000 + 200 * Cycle{i};
    const auto core = static_cast<unsigned>(random.below(kCores));
    const std::uint64_t line = random.below(200);
    const bool write = random.one_in(4);
    const MemoryLevel entry = random.any(
        std::vector{MemoryLevel::kL1d, MemoryLevel::kL1d, MemoryLevel::kL2, MemoryLevel::kL3});
    const Service service = memory.walk(line * 64, cycle, entry, core, write);
    if (service.served_by < MemoryLevel::kL3) {
      ++own_hits;
      ASSERT_TRUE(holders[line].contains(core)) << i << ": line " << line << ", core " << core;
    }
    if (write) holders[line].clear();
    if (entry != MemoryLevel::kL3) holders[line].insert(core);
  }
  EXPECT_GT(own_hits, 10'000u);
  const MemoryCounters counters = memory.hierarchy.counters();
  for (const auto& level : counters.cache) {
    const MemoryCacheCounters& walks = level.by_origin[1];
    EXPECT_EQ(walks.hits + walks.misses, walks.accesses);
  }
  EXPECT_EQ(counters.dram.reads, walks_of(counters, MemoryLevel::kL3).misses);
  EXPECT_EQ(counters.dram.writes, writebacks(counters, MemoryLevel::kL3));
}

}  // namespace
}  // namespace eptsim::mmu::test
