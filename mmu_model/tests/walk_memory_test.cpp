#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <systemc>
#include <vector>

#include "mmu_model/tests/machine_bench.hpp"
#include "mmu_model/tests/memory_bench.hpp"

/// Walks of a whole machine through its caches, against sums worked out by hand.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7000;

WalkTables one_page() {
  WalkTables tables(4, 4);
  tables.map(kGva);
  for (unsigned level = 1; level <= 4; ++level) tables.set(tables.guest_entry(kGva, level), kA);
  return tables;
}

/// Served by L1 in 5 cycles, by L2 in 15, by L3 in 50, by DRAM in 150: of no size that these walks
/// would exceed.
MachineSettings machine_with_caches() {
  MachineSettings settings = test_machine();
  settings.memory = {.l1d = {.bytes = 48 << 10, .ways = 12, .hit_cycles = 5, .mshrs = 16},
                     .l2 = {.bytes = 1 << 20, .ways = 16, .hit_cycles = 15, .mshrs = 32},
                     .l3 = {.bytes = 4 << 20, .ways = 16, .hit_cycles = 50, .mshrs = 32},
                     .dram = {.cycles = 100}};
  return settings;
}

/// The addresses of the walk's references, guest entries with `ept_level` 0.
std::vector<std::uint64_t> entries(const WalkTables& tables, unsigned ept_level) {
  std::vector<std::uint64_t> addresses;
  for (const auto& reference : tables.recording.references) {
    if (reference.place.ept_level == ept_level) addresses.push_back(reference.address);
  }
  return addresses;
}

std::size_t lines_of(const std::vector<std::uint64_t>& addresses) {
  std::set<std::uint64_t> lines;
  for (const std::uint64_t address : addresses) lines.insert(address / 64);
  return lines.size();
}

TEST(WalkThroughCaches, OfAKnownWarmSetTakesTheSumOfItsReferences) {
  WalkTables tables = one_page();
  tables.run(access(AccessKind::kRead, kGva));
  ASSERT_EQ(tables.recording.references.size(), 24u);
  const WalkContext context(tables.context);
  Hardware hardware("hardware", machine_with_caches(), std::make_unique<ModelWalker>());
  load(hardware.dram(), tables);

  // In L1 the four guest entries, in L2 the five EPT entries of level 1, in L3 those of level 2.
  struct Warm {
    unsigned ept_level;
    MemoryLevel in;
  };
  for (const Warm warm :
       {Warm{0, MemoryLevel::kL1d}, Warm{1, MemoryLevel::kL2}, Warm{2, MemoryLevel::kL3}}) {
    for (const std::uint64_t address : entries(tables, warm.ept_level)) {
      hardware.memory_hierarchy().access(0, {.address = arch::Hpa(address), .enters_at = warm.in},
                                         0);
    }
  }
  hardware.reset_counters();

  TestCore core("core", hardware, 1000, [&](TestCore& self) {
    self.port.use(context);
    self.access(context, access(AccessKind::kRead, kGva));
    self.port.invalidate(InvalidationScope{}, self.cycle);
    self.access(context, access(AccessKind::kRead, kGva));
  });
  sc_core::sc_start();

  // Each of those is an entry, and a line, of its own. Of levels 3 and 4, which are cold, whichever
  // share a line are in L1 from the second on. And each reference has its cycle of issue, and the
  // walk its first step.
  std::vector<std::uint64_t> upper = entries(tables, 3);
  for (const std::uint64_t address : entries(tables, 4)) upper.push_back(address);
  const std::uint64_t cold = lines_of(upper);
  ASSERT_EQ(upper.size(), 10u);
  for (const unsigned level : {0u, 1u, 2u}) {
    ASSERT_EQ(lines_of(entries(tables, level)), level == 0 ? 4u : 5u);
  }
  const std::uint64_t first =
      1 + 4 * (5 + 1) + 5 * (15 + 1) + 5 * (50 + 1) + cold * (150 + 1) + (10 - cold) * (5 + 1);
  constexpr std::uint64_t kSecond = 1 + 24 * (5 + 1);
  const WalkerCounters& counters = hardware.walker_counters();
  EXPECT_EQ(counters.latency, (std::map<std::uint64_t, std::uint64_t>{{first, 1}, {kSecond, 1}}));
  EXPECT_EQ(core.events[0].answered - core.events[0].requested, first + 1);
  EXPECT_EQ(counters.served_by, (LevelCounts{4 + 10 - cold + 24, 5, 5, cold}));
  // The same by place, over both walks: here of the data's address.
  EXPECT_EQ(counters.matrix[0][1].served_by, (LevelCounts{1, 1, 0, 0}));
  EXPECT_EQ(counters.matrix[0][1].cycles, 16u + 6);
  EXPECT_EQ(counters.matrix[0][2].served_by, (LevelCounts{1, 0, 1, 0}));
  EXPECT_EQ(counters.matrix[0][2].cycles, 51u + 6);
  EXPECT_EQ(counters.matrix[4][0].served_by, (LevelCounts{2, 0, 0, 0}));
  // And by cache.
  const MemoryCounters memory = hardware.memory_hierarchy().counters();
  EXPECT_EQ(walks_of(memory, MemoryLevel::kL1d).accesses, 48u);
  EXPECT_EQ(walks_of(memory, MemoryLevel::kL2).accesses, 10 + cold);
  EXPECT_EQ(walks_of(memory, MemoryLevel::kL3).accesses, 5 + cold);
  EXPECT_EQ(memory.dram.reads, cold);
  EXPECT_EQ(data_of(memory, MemoryLevel::kL1d).accesses, 0u);
}

TEST(WalkThroughCaches, EntersWhereTheSettingSays) {
  WalkTables tables = one_page();
  const WalkContext context(tables.context);
  MachineSettings settings = machine_with_caches();
  settings.memory.walks_enter_at = MemoryLevel::kL2;
  Hardware hardware("hardware", settings, std::make_unique<ModelWalker>());
  load(hardware.dram(), tables);
  TestCore core("core", hardware, 0, [&](TestCore& self) {
    self.port.use(context);
    self.access(context, access(AccessKind::kRead, kGva));
    self.port.invalidate(InvalidationScope{}, self.cycle);
    hardware.reset_counters();
    self.access(context, access(AccessKind::kRead, kGva));
  });
  sc_core::sc_start();
  EXPECT_EQ(hardware.walker_counters().cycles, 1 + 24u * (15 + 1));
  EXPECT_EQ(hardware.walker_counters().served_by, (LevelCounts{0, 24, 0, 0}));
  EXPECT_EQ(walks_of(hardware.memory_hierarchy().counters(), MemoryLevel::kL1d).accesses, 0u);
}

TEST(WalkThroughCaches, ASwapOfAFlagMakesItsLineDirty) {
  WalkTables tables = one_page();
  for (unsigned level = 1; level <= 4; ++level) tables.clear(tables.guest_entry(kGva, level), kA);
  const WalkContext context(tables.context);
  MachineSettings settings = machine_with_caches();
  // Every line that comes sends the one before away.
  settings.memory.l1d = {.bytes = 64, .ways = 1, .hit_cycles = 5};
  settings.memory.l2.bytes = settings.memory.l3.bytes = 0;
  Hardware hardware("hardware", settings, std::make_unique<ModelWalker>());
  load(hardware.dram(), tables);
  TestCore core("core", hardware, 0, [&](TestCore& self) {
    self.port.use(context);
    self.access(context, access(AccessKind::kRead, kGva));
  });
  sc_core::sc_start();
  EXPECT_EQ(hardware.walker_counters().flag_updates, 4u);
  // Each swap follows the read of its entry, and so finds the line; then EPT entries displace it.
  const MemoryCounters memory = hardware.memory_hierarchy().counters();
  EXPECT_EQ(walks_of(memory, MemoryLevel::kL1d).writebacks, 4u);
  EXPECT_EQ(memory.dram.writes, 4u);
  const LevelCounts& served = hardware.walker_counters().served_by;
  EXPECT_EQ(served[0] + served[3], 24u) << "swaps are no references";
}

}  // namespace
}  // namespace eptsim::mmu::test
