#include <gtest/gtest.h>

#include <cstdint>
#include <systemc>
#include <vector>

#include "mmu_model/tests/machine_bench.hpp"

/// Whole machines on the kernel: port, MMU, walker and memory behind their sockets.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7000;

WalkTables one_page() {
  WalkTables tables(4, 4);
  tables.map(kGva);
  for (unsigned level = 1; level <= 4; ++level) tables.set(tables.guest_entry(kGva, level), kA);
  return tables;
}

void expect_same(const TlbCounters& a, const TlbCounters& b) {
  EXPECT_EQ(a.accesses, b.accesses);
  EXPECT_EQ(a.hits, b.hits);
  EXPECT_EQ(a.misses, b.misses);
}

void expect_same(const WalkerCounters& a, const WalkerCounters& b) {
  EXPECT_EQ(a.walks, b.walks);
  EXPECT_EQ(a.references, b.references);
  EXPECT_EQ(a.guest_references, b.guest_references);
  EXPECT_EQ(a.ept_references, b.ept_references);
  EXPECT_EQ(a.flag_updates, b.flag_updates);
  EXPECT_EQ(a.cycles, b.cycles);
  EXPECT_EQ(a.guest_cycles, b.guest_cycles);
  EXPECT_EQ(a.ept_cycles, b.ept_cycles);
  EXPECT_EQ(a.latency, b.latency);
  EXPECT_EQ(a.references_histogram, b.references_histogram);
  for (std::size_t guest = 0; guest < a.matrix.size(); ++guest) {
    for (std::size_t ept = 0; ept < a.matrix.size(); ++ept) {
      EXPECT_EQ(a.matrix[guest][ept].references, b.matrix[guest][ept].references);
      EXPECT_EQ(a.matrix[guest][ept].cycles, b.matrix[guest][ept].cycles);
    }
  }
  for (std::size_t level = 0; level < a.combined.size(); ++level) {
    expect_same(a.combined[level], b.combined[level]);
    expect_same(a.ept[level], b.ept[level]);
  }
  expect_same(a.nested_tlb, b.nested_tlb);
}

TEST(Machine, AWalkThroughTheSocketsTakesTheCyclesOfThePageAndIsCountedByPlace) {
  WalkTables tables = one_page();
  const WalkContext context(tables.context);
  Hardware hardware("hardware", test_machine(), std::make_unique<ModelWalker>());
  load(hardware.dram(), tables);
  TestCore core("core", hardware, 0, [&](TestCore& self) {
    self.port.use(context);
    self.access(context, access(AccessKind::kRead, kGva));
    self.access(context, access(AccessKind::kRead, kGva + 8));
  });
  sc_core::sc_start();

  ASSERT_EQ(core.events.size(), 2u);
  // Looked up in cycle 1, missed 7 cycles later; seen by the walker in the next, 9.
  EXPECT_EQ(core.events[0].requested, 9u);
  EXPECT_EQ(core.events[0].answered, 9u + 122);
  EXPECT_EQ(core.events[0].done, 132u);
  EXPECT_EQ(core.events[1].level, TlbHitLevel::kFirst);
  EXPECT_EQ(core.events[1].begun, 133u);
  EXPECT_EQ(core.events[1].done, 133u);
  EXPECT_EQ(core.events[1].hpa, core.events[0].hpa + 8);

  const WalkerCounters& counters = hardware.walker_counters();
  EXPECT_EQ(counters.walks, 1u);
  EXPECT_EQ(counters.references, 24u);
  EXPECT_EQ(counters.guest_references, 4u);
  EXPECT_EQ(counters.ept_references, 20u);
  EXPECT_EQ(counters.flag_updates, 0u);
  EXPECT_EQ(counters.cycles, 121u);
  EXPECT_EQ(counters.guest_cycles, 20u);
  EXPECT_EQ(counters.ept_cycles, 100u);
  EXPECT_EQ(counters.latency, (std::map<std::uint64_t, std::uint64_t>{{121, 1}}));
  EXPECT_EQ(counters.references_histogram, (std::map<unsigned, std::uint64_t>{{24, 1}}));
  for (std::size_t guest = 0; guest < 6; ++guest) {
    for (std::size_t ept = 0; ept < 6; ++ept) {
      const bool place = guest <= 4 && ept <= 4 && (guest | ept) != 0;
      EXPECT_EQ(counters.matrix[guest][ept].references, place ? 1u : 0u) << guest << ' ' << ept;
      EXPECT_EQ(counters.matrix[guest][ept].cycles, place ? 5u : 0u) << guest << ' ' << ept;
    }
  }
}

TEST(Machine, AViolationReachesTheCoreWhichMendsTheTablesAndGoesOn) {
  WalkTables tables = one_page();
  const std::uint64_t leaf = tables.ept_entry(tables.guest_entry_gpa(kGva, 2), 1);
  const std::uint64_t value = tables.memory.at(leaf);
  tables.memory.put(leaf, 0);
  const WalkContext context(tables.context);
  Hardware hardware("hardware", test_machine(), std::make_unique<ModelWalker>());
  load(hardware.dram(), tables);
  TestCore core("core", hardware, 0, [&](TestCore& self) {
    self.port.use(context);
    self.access(context, access(AccessKind::kRead, kGva));
    EXPECT_EQ(self.last_outcome.entry_address, leaf);
    hardware.dram().write64(arch::Hpa(leaf), value);
    self.cycle += 1000;
    self.access(context, access(AccessKind::kRead, kGva));
  });
  sc_core::sc_start();
  ASSERT_EQ(core.events.size(), 2u);
  EXPECT_EQ(core.events[0].kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(core.events[0].answered - core.events[0].requested, 14u * 5 + 2);
  EXPECT_EQ(core.events[1].kind, OutcomeKind::kTranslated);
  EXPECT_EQ(core.events[1].begun, core.events[0].done + 1001);
  EXPECT_EQ(hardware.walker_counters().walks, 2u);
  EXPECT_EQ(hardware.walker_counters().references, 14u + 24);
}

/// A program with something of everything: hits and misses of each level, each kind of access,
/// flag updates, faults of both dimensions that are mended, and invalidations.
class Workload {
 public:
  explicit Workload(std::uint64_t seed) : tables_(4, 4, seed), random_(seed) {
    tables_.context.eptp |= 0x40;
    const PageSize sizes[] = {PageSize::k4K, PageSize::k2M, PageSize::k1G};
    for (unsigned i = 0; i < kPages; ++i) {
      const std::uint64_t gva = address(i);
      const PageSize guest = i % 8 == 7 ? PageSize::k2M : PageSize::k4K;
      const PageAddress page = tables_.map(gva, guest, sizes[i % 3]);
      if (i % 5 == 1) tables_.clear(tables_.guest_entry(gva, arch::leaf_level(guest)), kP);
      if (i % 7 == 2) {
        tables_.clear(tables_.ept_entry(page.gpa, arch::leaf_level(sizes[i % 3])), kW);
      }
    }
    context_.emplace(tables_.context);
  }

  void operator()(TestCore& core, Hardware& hardware) {
    load(hardware.dram(), tables_);
    core.port.use(*context_);
    for (int i = 0; i < 3000; ++i) {
      const auto page = static_cast<unsigned>(next() % (next() % 4 == 0 ? kPages : 12));
      const AccessKind kinds[] = {AccessKind::kRead, AccessKind::kRead, AccessKind::kWrite,
                                  AccessKind::kFetch};
      const Request request = access(kinds[next() % 4], address(page) + next() % 4096, true);
      core.cycle += next() % 5;
      if (core.access(*context_, request).kind != OutcomeKind::kTranslated) {
        mend(hardware.dram(), core.last_outcome);
        core.cycle += 100;
      }
      if (next() % 100 == 0) {
        core.port.invalidate(InvalidationScope{.vpid = 1, .linear = request.address}, core.cycle);
      }
    }
  }

 private:
  static constexpr unsigned kPages = 128;
  static std::uint64_t address(unsigned page) { return 0x5000'0000'0000 + (page * 0x20'1000ull); }
  static void mend(Dram& dram, const Outcome& outcome) {
    const arch::Hpa entry{outcome.entry_address};
    const bool guest = outcome.kind == OutcomeKind::kPageFault;
    dram.write64(entry, dram.read64(entry) | (guest ? kP : kW));
  }
  std::uint64_t next() {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return random_ >> 33;
  }

  WalkTables tables_;
  std::uint64_t random_;
  std::optional<WalkContext> context_;
};

/// Runs the same workload on a machine that may run ahead of the kernel and on one in lockstep.
void expect_lockstep_changes_nothing(const WalkerConfiguration& walker) {
  // The second machine starts long after the first has ended, so that the first may run ahead.
  constexpr Cycle kLater = 100'000'000;
  MachineSettings settings = test_machine(false);
  settings.walker = walker;
  Hardware ahead("ahead", settings, std::make_unique<ModelWalker>(walker));
  settings.lockstep = true;
  Hardware lockstep("lockstep", settings, std::make_unique<ModelWalker>(walker));
  sc_dt::uint64 deltas_ahead = 0;
  TestCore first("first", ahead, 0, [&](TestCore& core) {
    Workload workload(3);
    workload(core, ahead);
    deltas_ahead = sc_core::sc_delta_count();
  });
  sc_dt::uint64 deltas_lockstep = 0;
  TestCore second("second", lockstep, kLater, [&](TestCore& core) {
    deltas_lockstep = sc_core::sc_delta_count();
    Workload workload(3);
    workload(core, lockstep);
    deltas_lockstep = sc_core::sc_delta_count() - deltas_lockstep;
  });
  sc_core::sc_start();

  EXPECT_EQ(first.events, second.events);
  expect_same(ahead.walker_counters(), lockstep.walker_counters());
  expect_same(ahead.mmu().tlbs().l1i(), lockstep.mmu().tlbs().l1i());
  expect_same(ahead.mmu().tlbs().l1d(), lockstep.mmu().tlbs().l1d());
  expect_same(ahead.mmu().tlbs().l2(), lockstep.mmu().tlbs().l2());

  // The workload is not a trivial one, and the first machine did run ahead.
  const WalkerCounters& counters = ahead.walker_counters();
  EXPECT_GT(counters.walks, 500u);
  EXPECT_GT(counters.flag_updates, 50u);
  EXPECT_GT(counters.references_histogram.size(), 4u);
  EXPECT_EQ(counters.nested_tlb.hits > 100, walker.nested_tlb != 0);
  EXPECT_GT(ahead.mmu().tlbs().l2().hits, 100u);
  EXPECT_LT(deltas_ahead, 4 * counters.walks);
  EXPECT_GT(deltas_lockstep, counters.references);
}

constexpr WalkerConfiguration kWithCaches = {
    .walks = 4, .combined = {0, 0, 4, 2, 2}, .ept = {0, 0, 4, 2, 2}, .nested_tlb = 16};

TEST(Machine, LockstepChangesNoCycleAndNoCount) { expect_lockstep_changes_nothing({}); }
TEST(Machine, LockstepChangesNothingWithCachesEither) {
  expect_lockstep_changes_nothing(kWithCaches);
}

TEST(Machine, CachesChangeNoAnswer) {
  Hardware plain("plain", test_machine(), std::make_unique<ModelWalker>());
  MachineSettings settings = test_machine();
  settings.walker = kWithCaches;
  Hardware caching("caching", settings, std::make_unique<ModelWalker>(kWithCaches));
  TestCore first("first", plain, 0, [&](TestCore& core) { Workload{11}(core, plain); });
  TestCore second("second", caching, 0, [&](TestCore& core) { Workload{11}(core, caching); });
  sc_core::sc_start();
  ASSERT_EQ(first.events.size(), second.events.size());
  for (std::size_t i = 0; i < first.events.size(); ++i) {
    ASSERT_EQ(first.events[i].kind, second.events[i].kind) << i;
    ASSERT_EQ(first.events[i].hpa, second.events[i].hpa) << i;
    ASSERT_EQ(first.events[i].level, second.events[i].level) << i;
  }
  EXPECT_LT(2 * caching.walker_counters().references, plain.walker_counters().references);
}

TEST(Machine, TwoMachinesInOneSimulationBehaveAsIfAlone) {
  constexpr Cycle kLater = 100'000'000;
  MachineSettings slow_settings = test_machine();
  slow_settings.memory.dram.cycles = 31;
  slow_settings.l1d = {.unified = {.entries = 16, .ways = 16}, .replacement = Replacement::kRandom};
  struct Machine {
    Machine(const char* name, const MachineSettings& settings, Cycle start, std::uint64_t seed)
        : hardware(name, settings, std::make_unique<ModelWalker>()),
          core((std::string(name) + "_core").c_str(), hardware, start,
               [this, seed](TestCore& self) { Workload{seed}(self, hardware); }) {}
    Hardware hardware;
    TestCore core;
  };
  Machine fast("fast", test_machine(), 0, 5);
  Machine slow("slow", slow_settings, 0, 6);
  Machine fast_alone("fast_alone", test_machine(), kLater, 5);
  Machine slow_alone("slow_alone", slow_settings, 2 * kLater, 6);
  sc_core::sc_start();

  EXPECT_EQ(fast.core.events, fast_alone.core.events);
  EXPECT_EQ(slow.core.events, slow_alone.core.events);
  expect_same(fast.hardware.walker_counters(), fast_alone.hardware.walker_counters());
  expect_same(slow.hardware.walker_counters(), slow_alone.hardware.walker_counters());
  EXPECT_EQ(slow.core.events.size(), 3000u);
  EXPECT_NE(fast.core.events, slow.core.events);
}

TEST(Machine, CountersStartAnewWhenAsked) {
  WalkTables tables = one_page();
  const WalkContext context(tables.context);
  Hardware hardware("hardware", test_machine(), std::make_unique<ModelWalker>());
  load(hardware.dram(), tables);
  TestCore core("core", hardware, 0, [&](TestCore& self) {
    self.port.use(context);
    self.access(context, access(AccessKind::kRead, kGva));
    hardware.reset_counters();
    self.access(context, access(AccessKind::kRead, kGva));
  });
  sc_core::sc_start();
  EXPECT_EQ(hardware.walker_counters().walks, 0u);
  EXPECT_EQ(hardware.walker_counters().references, 0u);
  EXPECT_EQ(hardware.mmu().tlbs().l1d().accesses, 1u);
  EXPECT_EQ(hardware.mmu().tlbs().l1d().hits, 1u);
  EXPECT_EQ(hardware.mmu().tlbs().l2().accesses, 0u);
}

/// Has a machine's MMU invalidate, from a process of its own.
class Invalidator final : public sc_core::sc_module {
 public:
  Invalidator(const sc_core::sc_module_name& name, Hardware& hardware, Cycle cycle,
              const InvalidationScope& scope)
      : sc_module(name), hardware_(hardware), cycle_(cycle), scope_(scope) {
    SC_HAS_PROCESS(Invalidator);
    SC_THREAD(run);
  }

 private:
  void run() {
    sc_core::wait(hardware_.timeline().until(cycle_));
    hardware_.mmu().invalidate(scope_, cycle_);
  }

  Hardware& hardware_;
  Cycle cycle_;
  InvalidationScope scope_;
};

TEST(Machine, AResponseThatAnInvalidationCrossedIsUsedAndNotKept) {
  WalkTables tables = one_page();
  const WalkContext context(tables.context);
  Hardware hardware("hardware", test_machine(), std::make_unique<ModelWalker>());
  load(hardware.dram(), tables);
  TestCore core("core", hardware, 0, [&](TestCore& self) {
    self.port.use(context);
    for (int i = 0; i < 3; ++i) self.access(context, access(AccessKind::kRead, kGva));
  });
  // Of another address, but of the whole walk no one knows what it has read.
  Invalidator invalidator("invalidator", hardware, 60, {.linear = 0x1000});
  sc_core::sc_start();
  EXPECT_EQ(core.events[0].kind, OutcomeKind::kTranslated);
  EXPECT_EQ(core.events[1].level, TlbHitLevel::kMiss);
  EXPECT_EQ(core.events[1].hpa, core.events[0].hpa);
  EXPECT_EQ(core.events[2].level, TlbHitLevel::kFirst);
}

TEST(Machine, AFaultRemovesWhatItMetFromTheWalkersCaches) {
  WalkTables tables = one_page();
  for (const std::uint64_t page : {1, 2}) {
    tables.map(kGva + page * 0x1000);
    tables.set(tables.guest_entry(kGva + page * 0x1000, 1), kA);
  }
  tables.clear(tables.guest_entry(kGva + 0x1000, 1), kP);
  const WalkContext context(tables.context);
  MachineSettings settings = test_machine();
  settings.walker = kWithCaches;
  Hardware hardware("hardware", settings, std::make_unique<ModelWalker>(kWithCaches));
  load(hardware.dram(), tables);
  std::vector<std::uint64_t> hits;
  TestCore core("core", hardware, 0, [&](TestCore& self) {
    self.port.use(context);
    for (const std::uint64_t page : {0, 1, 2}) {
      self.access(context, access(AccessKind::kRead, kGva + page * 0x1000));
      hits.push_back(hardware.walker_counters().combined[2].hits);
    }
  });
  sc_core::sc_start();
  EXPECT_EQ(core.events[1].kind, OutcomeKind::kPageFault);
  EXPECT_EQ(core.events[2].kind, OutcomeKind::kTranslated);
  // The fault itself used the entry of the page directory; it is gone afterwards.
  EXPECT_EQ(hits, (std::vector<std::uint64_t>{0, 1, 1}));
}

TEST(Machine, AnInvalidationOfTheCoreReachesTheWalkersCaches) {
  WalkTables tables = one_page();
  for (const std::uint64_t page : {1, 2}) tables.map(kGva + page * 0x1000);
  const WalkContext context(tables.context);
  MachineSettings settings = test_machine();
  settings.walker = kWithCaches;
  Hardware hardware("hardware", settings, std::make_unique<ModelWalker>(kWithCaches));
  load(hardware.dram(), tables);
  std::vector<std::uint64_t> hits;
  TestCore core("core", hardware, 0, [&](TestCore& self) {
    self.port.use(context);
    for (const std::uint64_t page : {0, 1, 2}) {
      if (page == 2) self.port.invalidate(InvalidationScope{}, self.cycle);
      self.access(context, access(AccessKind::kRead, kGva + page * 0x1000));
      hits.push_back(hardware.walker_counters().combined[2].hits);
    }
    EXPECT_EQ(self.access(context, access(AccessKind::kRead, kGva + 0x2000)).level,
              TlbHitLevel::kFirst)
        << "asked for afterwards, the walk was not crossed";
  });
  sc_core::sc_start();
  EXPECT_EQ(hits, (std::vector<std::uint64_t>{0, 1, 1}));
}

}  // namespace
}  // namespace eptsim::mmu::test
