#include "mmu_model/memory/memory_hierarchy.hpp"

#include <gtest/gtest.h>

#include <string>

#include "mmu_model/tests/memory_bench.hpp"

/// Times by hand: an access takes 5 cycles to L1, 15 to L2, 50 to L3, and 100 more to DRAM.
namespace eptsim::mmu::test {
namespace {

TEST(Hierarchy, AnswersAfterTheHitCyclesOfTheLevelThatHasTheLine) {
  Memory memory;
  EXPECT_EQ(memory.read(kLine, 1000), from(MemoryLevel::kDram, 1150));
  EXPECT_EQ(memory.read(kLine, 2000), from(MemoryLevel::kL1d, 2005));
  memory.displace_in_l1(kLine);
  EXPECT_EQ(memory.read(kLine, 3000), from(MemoryLevel::kL2, 3015));
  EXPECT_EQ(memory.read(kLine, 4000), from(MemoryLevel::kL1d, 4005)) << "it came back to L1";
  memory.displace_in_l2(kLine);
  EXPECT_EQ(memory.read(kLine, 6000), from(MemoryLevel::kL3, 6050));
}

TEST(Hierarchy, CountsEachLevelThatWasAsked) {
  Memory memory;
  memory.read(kLine, 1000);
  memory.read(kLine + 63, 2000);
  memory.read(kLine + 64, 3000);
  const MemoryCounters counters = memory.hierarchy.counters();
  const MemoryCacheCounters& l1d = data_of(counters, MemoryLevel::kL1d);
  EXPECT_EQ(l1d.accesses, 3u);
  EXPECT_EQ(l1d.hits, 1u);
  EXPECT_EQ(l1d.misses, 2u);
  EXPECT_EQ(l1d.merged, 0u);
  for (const MemoryLevel level : {MemoryLevel::kL2, MemoryLevel::kL3}) {
    EXPECT_EQ(data_of(counters, level).accesses, 2u);
    EXPECT_EQ(data_of(counters, level).hits, 0u);
    EXPECT_EQ(data_of(counters, level).misses, 2u);
  }
  EXPECT_EQ(counters.dram.reads, 2u);
  EXPECT_EQ(counters.dram.writes, 0u);
}

TEST(Hierarchy, WithoutCachesIsDramAlone) {
  Memory memory(MemorySettings{.dram = {.cycles = 100}});
  EXPECT_EQ(memory.read(kLine, 7), from(MemoryLevel::kDram, 107));
  EXPECT_EQ(memory.read(kLine, 8), from(MemoryLevel::kDram, 108));
  EXPECT_EQ(memory.write(kLine, 8), from(MemoryLevel::kDram, 108));
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(counters.dram.reads, 2u);
  EXPECT_EQ(counters.dram.writes, 1u) << "nothing is there to keep what was written";
  for (const auto& level : counters.cache) {
    EXPECT_EQ(level.by_origin[0].accesses, 0u);
    EXPECT_EQ(level.by_origin[0].misses, 0u);
  }
}

TEST(Hierarchy, ALevelThatIsOffIsPassedBy) {
  MemorySettings settings = small_memory();
  settings.l2.bytes = 0;
  Memory memory(settings);
  EXPECT_EQ(memory.read(kLine, 1000), from(MemoryLevel::kDram, 1150));
  memory.displace_in_l1(kLine);
  EXPECT_EQ(memory.read(kLine, 3000), from(MemoryLevel::kL3, 3050));

  settings.l3.bytes = 0;
  Memory l1_alone(settings);
  EXPECT_EQ(l1_alone.read(kLine, 1000), from(MemoryLevel::kDram, 1105));
  EXPECT_EQ(l1_alone.read(kLine, 2000), from(MemoryLevel::kL1d, 2005));
}

TEST(Hierarchy, AWalkThatEntersAtL2NeitherAsksNorFillsL1) {
  Memory memory;
  EXPECT_EQ(memory.walk(kLine, 1000, MemoryLevel::kL2), from(MemoryLevel::kDram, 1150));
  EXPECT_EQ(memory.walk(kLine, 2000, MemoryLevel::kL2), from(MemoryLevel::kL2, 2015));
  EXPECT_EQ(memory.read(kLine, 3000), from(MemoryLevel::kL2, 3015)) << "data asks L1, in vain";
  EXPECT_EQ(memory.walk(kLine, 4000, MemoryLevel::kL2), from(MemoryLevel::kL2, 4015));
  EXPECT_EQ(memory.walk(kLine, 5000, MemoryLevel::kL1d), from(MemoryLevel::kL1d, 5005));
  EXPECT_EQ(memory.walk(kLine + 64, 6000, MemoryLevel::kL3), from(MemoryLevel::kDram, 6150));
  EXPECT_EQ(memory.walk(kLine + 64, 7000, MemoryLevel::kL3), from(MemoryLevel::kL3, 7050));
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(walks_of(counters, MemoryLevel::kL1d).accesses, 1u);
  EXPECT_EQ(data_of(counters, MemoryLevel::kL1d).accesses, 1u);
  EXPECT_EQ(walks_of(counters, MemoryLevel::kL2).accesses, 3u);
  EXPECT_EQ(walks_of(counters, MemoryLevel::kL2).hits, 2u);
  EXPECT_EQ(data_of(counters, MemoryLevel::kL2).hits, 1u);
}

TEST(Hierarchy, ALaterAccessMergesWithTheLineOnItsWay) {
  Memory memory;
  ASSERT_EQ(memory.read(kLine, 1000).answered, 1150u);
  EXPECT_EQ(memory.read(kLine + 8, 1001), from(MemoryLevel::kDram, 1150));
  EXPECT_EQ(memory.write(kLine + 16, 1144), from(MemoryLevel::kDram, 1150));
  EXPECT_EQ(memory.read(kLine, 1148), from(MemoryLevel::kDram, 1153)) << "L1 takes its time";
  EXPECT_EQ(memory.read(kLine, 1150), from(MemoryLevel::kL1d, 1155));
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(data_of(counters, MemoryLevel::kL1d).misses, 4u);
  EXPECT_EQ(data_of(counters, MemoryLevel::kL1d).merged, 3u);
  EXPECT_EQ(data_of(counters, MemoryLevel::kL2).accesses, 1u);
  EXPECT_EQ(counters.dram.reads, 1u);
}

TEST(Hierarchy, AnAccessMergesAtWhicheverLevelTheLineIsOnItsWayTo) {
  Memory memory(small_memory(), 2);
  ASSERT_EQ(memory.walk(kLine, 1000, MemoryLevel::kL2).answered, 1150u);
  EXPECT_EQ(memory.read(kLine, 1010), from(MemoryLevel::kDram, 1150)) << "at L2";
  EXPECT_EQ(memory.read(kLine, 1020, 1), from(MemoryLevel::kDram, 1150)) << "at L3";
  EXPECT_EQ(memory.read(kLine, 1149, 1), from(MemoryLevel::kDram, 1154)) << "at its own L1";
  // From L3 it comes in 50 cycles.
  ASSERT_EQ(memory.read(kLine + 64, 2000, 0).served_by, MemoryLevel::kDram);
  ASSERT_EQ(memory.read(kLine + 64, 3000, 1), from(MemoryLevel::kL3, 3050));
  EXPECT_EQ(memory.read(kLine + 64, 3001, 1), from(MemoryLevel::kL3, 3050));
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(data_of(counters, MemoryLevel::kL2).merged, 1u);
  EXPECT_EQ(data_of(counters, MemoryLevel::kL3).merged, 1u);
  EXPECT_EQ(data_of(counters, MemoryLevel::kL1d).merged, 2u);
}

TEST(Hierarchy, AMissWithoutAFreeMissRegisterWaitsForTheFirstToReturn) {
  MemorySettings settings = small_memory();
  settings.l1d.mshrs = 2;
  Memory memory(settings);
  EXPECT_EQ(memory.read(kLine, 1000).answered, 1150u);
  EXPECT_EQ(memory.read(kLine + 1 * 64, 1001).answered, 1151u);
  EXPECT_EQ(memory.read(kLine + 2 * 64, 1002).answered, 1150u + 150);
  EXPECT_EQ(memory.read(kLine + 3 * 64, 1003).answered, 1151u + 150);
  EXPECT_EQ(memory.read(kLine + 4 * 64, 1004).answered, 1300u + 150);
  EXPECT_EQ(memory.read(kLine, 1160), from(MemoryLevel::kL1d, 1165)) << "a hit needs none";
  EXPECT_EQ(memory.read(kLine + 3 * 64, 1161).answered, 1301u) << "nor does merging";
  EXPECT_EQ(memory.read(kLine + 5 * 64, 1400).answered, 1550u) << "one returned in 1301";
}

TEST(Hierarchy, CoresShareTheMissRegistersOfL3) {
  MemorySettings settings = small_memory();
  settings.l3.mshrs = 1;
  Memory memory(settings, 2);
  EXPECT_EQ(memory.read(kLine, 1000, 0).answered, 1150u);
  EXPECT_EQ(memory.read(kLine + 64, 1000, 1).answered, 1300u);
  EXPECT_EQ(memory.read(kLine, 1400, 1), from(MemoryLevel::kL3, 1450)) << "a hit needs none";
}

TEST(Hierarchy, AWaitForL1AndOneForL2DoNotAddUp) {
  MemorySettings settings = small_memory();
  settings.l1d.mshrs = 1;
  settings.l2.mshrs = 1;
  Memory memory(settings);
  EXPECT_EQ(memory.read(kLine, 1000).answered, 1150u);
  EXPECT_EQ(memory.read(kLine + 64, 1010).answered, 1300u);
}

TEST(Hierarchy, TheLineUsedLeastRecentlyLeavesTheSet) {
  Memory memory;
  memory.read(kLine, 1000);
  memory.read(kLine + kL1Stride, 2000);
  memory.read(kLine, 3000);
  memory.read(kLine + 2 * kL1Stride, 4000);
  EXPECT_EQ(memory.read(kLine, 5000).served_by, MemoryLevel::kL1d);
  EXPECT_EQ(memory.read(kLine + kL1Stride, 6000).served_by, MemoryLevel::kL2);
}

TEST(Hierarchy, AHitInAnOuterCacheIsAUseThere) {
  Memory memory;
  for (unsigned i = 0; i < 4; ++i) {
    memory.walk(kLine + i * kL2Stride, 1000 + 200 * i, MemoryLevel::kL2);
  }
  memory.walk(kLine, 2000, MemoryLevel::kL2);
  memory.walk(kLine + 5 * kL2Stride, 3000, MemoryLevel::kL2);
  EXPECT_EQ(memory.walk(kLine, 4000, MemoryLevel::kL2).served_by, MemoryLevel::kL2);
  EXPECT_EQ(memory.walk(kLine + kL2Stride, 5000, MemoryLevel::kL2).served_by, MemoryLevel::kL3);
}

TEST(Hierarchy, AnOuterCacheThatGivesUpALineLeavesItInTheInnerOne) {
  Memory memory;
  memory.read(kLine, 1000);
  for (unsigned i = 1; i <= 4; ++i) {
    memory.walk(kLine + i * kL2Stride, 1000 + 1000 * i, MemoryLevel::kL2);
  }
  EXPECT_EQ(memory.read(kLine, 9000).served_by, MemoryLevel::kL1d);
  EXPECT_EQ(memory.walk(kLine, 9500, MemoryLevel::kL2).served_by, MemoryLevel::kL3);
}

TEST(Hierarchy, AWriteThatMissesBringsTheLineAndMakesItDirty) {
  Memory memory;
  EXPECT_EQ(memory.write(kLine, 1000), from(MemoryLevel::kDram, 1150));
  EXPECT_EQ(memory.hierarchy.counters().dram.reads, 1u);
  EXPECT_EQ(memory.hierarchy.counters().dram.writes, 0u);
  memory.displace_in_l1(kLine);
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(writebacks(counters, MemoryLevel::kL1d), 1u);
  EXPECT_EQ(writebacks(counters, MemoryLevel::kL2), 0u);
}

TEST(Hierarchy, ADirtyLineLeavesLevelByLevelAndIsWrittenToDramOnce) {
  Memory memory;
  memory.write(kLine, 1000);
  memory.write(kLine, 1001);
  memory.displace_in_l1(kLine);
  memory.displace_in_l2(kLine);
  memory.displace_in_l3(kLine);
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(writebacks(counters, MemoryLevel::kL1d), 1u);
  EXPECT_EQ(writebacks(counters, MemoryLevel::kL2), 1u);
  EXPECT_EQ(writebacks(counters, MemoryLevel::kL3), 1u);
  EXPECT_EQ(counters.dram.writes, 1u);
}

TEST(Hierarchy, ADirtyLineGoesToTheNextLevelEvenIfThatHasLostIt) {
  Memory memory;
  memory.write(kLine, 1000);
  for (unsigned i = 1; i <= 4; ++i) {
    memory.walk(kLine + i * kL2Stride, 1000 + 1000 * i, MemoryLevel::kL2);
  }
  ASSERT_EQ(writebacks(memory.hierarchy.counters(), MemoryLevel::kL2), 0u) << "L2's was clean";
  memory.displace_in_l1(kLine);
  EXPECT_EQ(memory.read(kLine, 20'000).served_by, MemoryLevel::kL2);
}

TEST(Hierarchy, AWritebackTakesDramButDelaysNotWhatDisplacedIt) {
  MemorySettings settings = small_memory();
  settings.l1d = {.bytes = 64, .ways = 1, .hit_cycles = 5, .mshrs = 4};
  settings.l2.bytes = settings.l3.bytes = 0;
  settings.dram = {.model = DramModel::kBanked,
                   .banks = 1,
                   .row_bytes = 1 << 20,
                   .tcas = 14,
                   .trcd = 15,
                   .trp = 16,
                   .burst_cycles = 20};
  Memory memory(settings);
  EXPECT_EQ(memory.write(kLine, 1000).answered, 1005u + 15 + 14 + 20);
  EXPECT_EQ(memory.read(kLine + 64, 2000).answered, 2005u + 14 + 20);
  // The bus has the data of the one until 2039, and of the other's write until 2059.
  EXPECT_EQ(memory.read(kLine + 128, 2000).answered, 2079u);
  EXPECT_EQ(memory.hierarchy.counters().dram.writes, 1u);
}

TEST(Hierarchy, WaitsForDramsBandwidth) {
  MemorySettings settings = small_memory();
  settings.dram = {.model = DramModel::kBanked,
                   .banks = 1,
                   .row_bytes = 1 << 20,
                   .tcas = 14,
                   .trcd = 15,
                   .trp = 16,
                   .burst_cycles = 20};
  Memory memory(settings);
  EXPECT_EQ(memory.read(kLine, 1000).answered, 1050u + 15 + 14 + 20);
  EXPECT_EQ(memory.read(kLine + 64, 1000).answered, 1119u);
  EXPECT_EQ(memory.read(kLine + 128, 1000).answered, 1139u);
  EXPECT_EQ(memory.read(kLine + 64, 1001).answered, 1119u) << "merged";
}

TEST(Hierarchy, WhatWalksDisplaceIsCountedAsTheirs) {
  Memory memory;
  memory.write(kLine, 1000);
  memory.walk(kLine + kL1Stride, 2000, MemoryLevel::kL1d);
  memory.walk(kLine + 2 * kL1Stride, 3000, MemoryLevel::kL1d);
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(walks_of(counters, MemoryLevel::kL1d).writebacks, 1u);
  EXPECT_EQ(data_of(counters, MemoryLevel::kL1d).writebacks, 0u);
}

TEST(Hierarchy, CountersStartAgainButLinesStay) {
  Memory memory;
  memory.read(kLine, 1000);
  memory.hierarchy.reset_counters();
  EXPECT_EQ(memory.read(kLine, 2000).served_by, MemoryLevel::kL1d);
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(data_of(counters, MemoryLevel::kL1d).accesses, 1u);
  EXPECT_EQ(data_of(counters, MemoryLevel::kL3).accesses, 0u);
  EXPECT_EQ(counters.dram.reads, 0u);
}

/// Every counter in a line.
std::string text_of(const MemoryCounters& counters) {
  std::string text;
  const auto add = [&](std::uint64_t count) { text += std::to_string(count) + ' '; };
  for (const auto& level : counters.cache) {
    for (const MemoryCacheCounters& counted : level.by_origin) {
      for (const auto member : {&MemoryCacheCounters::accesses, &MemoryCacheCounters::hits,
                                &MemoryCacheCounters::misses, &MemoryCacheCounters::merged,
                                &MemoryCacheCounters::writebacks}) {
        add(counted.*member);
      }
    }
    add(level.invalidations);
  }
  for (const auto member : {&DramCounters::reads, &DramCounters::writes, &DramCounters::row_hits,
                            &DramCounters::row_misses, &DramCounters::row_conflicts}) {
    add(counters.dram.*member);
  }
  return text;
}

TEST(Hierarchy, WarmedIsAsAfterAccessesThatWaitForOneAnother) {
  for (const DramModel model : {DramModel::kPlain, DramModel::kBanked}) {
    MemorySettings settings = small_memory();
    settings.l2.replacement = Replacement::kRandom;
    settings.dram.model = model;
    constexpr unsigned kCores = 2;
    MemoryHierarchy timed(settings, kCores, 1);
    MemoryHierarchy warmed(settings, kCores, 1);
    std::uint64_t state = 3;
    for (Cycle cycle = 10'000; cycle < 200'000'000; cycle += 10'000) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const std::uint64_t random = state >> 33;
      const bool walk = random % 5 == 0;
      const CacheAccess access{.address = arch::Hpa(kLine + (random >> 8) % 512 * 64),
                               .write = random % 3 == 0,
                               .enters_at = walk ? MemoryLevel::kL2 : MemoryLevel::kL1d,
                               .origin = walk ? AccessOrigin::kWalk : AccessOrigin::kData};
      const unsigned core = random >> 20 & 1;
      // Warming stands still; in the end each goes on in time.
      const MemoryLevel served = cycle < 150'000'000 ? warmed.warm(core, access, 0)
                                                     : warmed.access(core, access, cycle).served_by;
      ASSERT_EQ(timed.access(core, access, cycle).served_by, served) << cycle;
    }
    EXPECT_EQ(text_of(timed.counters()), text_of(warmed.counters()));
  }
}

TEST(Hierarchy, WhatIsTouchedIsInTheCoresSecondCacheAndInTheLastUncounted) {
  for (const unsigned touching : {0u, 1u}) {
    Memory memory(small_memory(), 2);
    memory.hierarchy.touch_large(touching, arch::Hpa(kLine), false);
    EXPECT_EQ(text_of(memory.hierarchy.counters()),
              text_of(Memory(small_memory(), 2).hierarchy.counters()));
    EXPECT_EQ(memory.read(kLine, 1000, 0),
              touching == 0 ? from(MemoryLevel::kL2, 1015) : from(MemoryLevel::kL3, 1050));
  }
  MemorySettings settings = small_memory();
  settings.l3.bytes = 0;
  Memory two_levels(settings);
  two_levels.hierarchy.touch_large(0, arch::Hpa(kLine), false);
  EXPECT_EQ(two_levels.read(kLine, 1000).served_by, MemoryLevel::kL2);
  settings.l2.bytes = 0;
  Memory one_level(settings);
  one_level.hierarchy.touch_large(0, arch::Hpa(kLine), false);
  EXPECT_EQ(one_level.read(kLine, 1000).served_by, MemoryLevel::kL1d);
}

TEST(Hierarchy, ATouchIsAUseAndDisplacesWhatWasUsedLeastRecently) {
  Memory memory;
  const auto touch = [&](unsigned line) {
    memory.hierarchy.touch_large(0, arch::Hpa(kLine + line * kL2Stride), false);
  };
  for (const unsigned line : {0u, 1u, 2u, 3u, 0u, 4u}) touch(line);
  EXPECT_EQ(memory.read(kLine, 1000).served_by, MemoryLevel::kL2);
  EXPECT_EQ(memory.read(kLine + kL2Stride, 2000).served_by, MemoryLevel::kL3);
}

TEST(Hierarchy, WhatATouchWroteIsWrittenToDramOnceWhenTheLastCacheGivesItUp) {
  Memory memory;
  memory.hierarchy.touch_large(0, arch::Hpa(kLine), false);
  memory.hierarchy.touch_large(0, arch::Hpa(kLine), true);
  memory.displace_in_l2(kLine);
  memory.displace_in_l3(kLine);
  const MemoryCounters counters = memory.hierarchy.counters();
  EXPECT_EQ(writebacks(counters, MemoryLevel::kL2), 0u);
  EXPECT_EQ(writebacks(counters, MemoryLevel::kL3), 1u);
  EXPECT_EQ(counters.dram.writes, 1u);
}

}  // namespace
}  // namespace eptsim::mmu::test
