#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/settings/machine.hpp"
#include "sim/statistics/latency.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {
namespace {

using mmu::TlbCounters;

/// A result with a different number in every counter.
RunReport numbered() {
  RunReport report;
  report.settings.machine = resolve_machine("plain");
  report.settings.detail = Detail::kTranslation;
  report.machine_name = "plain";
  report.trace_path = "a.trace";
  report.trace_format = "own";
  report.trace_hash = "00ff";
  RunResult& result = report.result;
  result.accesses = 100;
  result.instructions = 200;
  result.cycles = 400;
  result.cycles_by = {.retiring = 200, .data = 30, .translation = 100, .other = 18};
  result.replayed = 17;
  result.walk_queue = {.merged = 19, .answered = 8, .cycles = 600, .most = 5};
  result.l1d = {60, 50, 10};
  result.l1i = {40, 38, 2};
  result.l2 = {12, 8, 4};
  result.walker.walks = 4;
  result.walker.references = 86;
  result.walker.guest_references = 15;
  result.walker.ept_references = 71;
  result.walker.flag_updates = 3;
  result.walker.cycles = 430;
  result.walker.guest_cycles = 75;
  result.walker.ept_cycles = 355;
  result.walker.combined = {TlbCounters{}, {}, {21, 14, 7}, {7, 4, 3}, {3, 1, 2}, {}};
  result.walker.ept = {TlbCounters{}, {}, {31, 20, 11}, {11, 6, 5}, {5, 1, 4}, {}};
  result.walker.nested_tlb = {51, 20, 31};
  result.walker.latency = {{95, 1}, {115, 1}, {110, 2}};
  result.walker.references_histogram = {{9, 1}, {24, 2}, {100, 1}};
  result.walker.served_by = {41, 25, 15, 5};
  result.shadow_exits = {
      .page_faults = 61, .guest_table_writes = 62, .cr_accesses = 63, .invlpgs = 64};
  result.exits = {
      .external_interrupt = 69, .apic_write = 70, .preemption_timer = 71, .vcpu_switch = 72};
  result.shootdowns = {.of_hypervisor = 73, .of_guest = 74, .interrupts = 75, .cycles = 76};
  result.shadow_mapped.add(arch::PageSize::k2M);
  result.guest_mapped.add(arch::PageSize::k1G);
  result.ept_mapped.add(arch::PageSize::k4K);
  result.ept_mapped.add(arch::PageSize::k4K);
  result.shadow_table_bytes = 65;
  result.host_map_bytes = 66;
  result.guest_no_large_frame = 67;
  result.host_no_large_frame = 68;
  result.timeline = {{64, 150, 300, 60, 50'000, 70, 9, 3, 3, 300},
                     {36, 50, 100, 40, 2'000, 30, 3, 1, 1, 130}};
  result.walker.matrix[4][4] = {7, 35, {1, 2, 3, 1}};
  result.walker.matrix[4][0] = {6, 30, {6, 0, 0, 0}};
  result.walker.matrix[0][1] = {5, 25, {0, 1, 0, 4}};
  for (std::size_t level = 0; level < 3; ++level) {
    const std::uint64_t ten = 100 * (level + 1);
    result.caches.cache[level].by_origin = {
        {{ten + 9, ten + 5, 4, 1, 2}, {ten + 8, ten + 1, 7, 3, 6}}};
    result.caches.cache[level].invalidations = ten;
  }
  result.caches.dram = {901, 802, 703, 604, 505};
  result.guest_page_faults = 11;
  result.ept_violations = 12;
  result.ept_misconfigurations = 1;
  result.dirty_log = {.turns = 78,
                      .rounds = 2,
                      .pages = 81,
                      .protected_writes = 82,
                      .full_logs = 79,
                      .logged = 83,
                      .entries = 84,
                      .splits = 85,
                      .merges = 86,
                      .cycles = 87};
  result.dirty_rounds = {{.vm = 3, .pages = 50, .cycles = 88},
                         {.vm = 3, .pages = 31, .cycles = 89}};
  result.guest_merging = {.merges = 90, .pages = 91, .refused = 92, .cycles = 93};
  result.hypervisor_merging = {.merges = 94, .pages = 95, .refused = 96, .cycles = 97};
  result.exits.merge = 94;
  result.cycles_by.exits = 52'000;
  result.page_bytes = 4096;
  result.guest_table_bytes = 8192;
  result.ept_table_bytes = 12288;
  result.memory_hash = "0123";
  result.hot_pages = {{0xffff'8000'0000'1000, 3, 300}};
  result.forgotten_page_cycles = 77;
  return report;
}

TEST(Statistics, EachHasOneKeyAHelpLineAndUnits) {
  std::set<std::string> keys;
  for (const Statistic& statistic : statistics()) {
    EXPECT_TRUE(keys.insert(statistic.key).second) << statistic.key << " is declared twice";
    EXPECT_FALSE(statistic.help.empty()) << statistic.key;
    EXPECT_NE(statistic.unit.empty(), statistic.members.empty()) << statistic.key;
  }
}

TEST(Statistics, StandWhereScriptsLookForThem) {
  const RunReport report = numbered();
  const Json stats = stats_object(report.settings, report.result);
  EXPECT_EQ(stats.at("accesses"), 100);
  EXPECT_EQ(stats.at("instructions"), 200);
  EXPECT_EQ(stats.at("cycles"), 400);
  EXPECT_EQ(stats.at("translation_cycles"), 100);
  EXPECT_EQ(stats.at("core_cycles"), 52'348) << "the sum of the classes";
  EXPECT_EQ(stats.at("translation_share"), 100.0 / 52'348);
  EXPECT_EQ(stats.at("cycles_by"), Json({{"retiring", 200},
                                         {"data", 30},
                                         {"translation", 100},
                                         {"exits", 52'000},
                                         {"other", 18}}));
  EXPECT_EQ(stats.at("core"),
            Json({{"replayed", 17}, {"interrupts", 75}, {"shootdown_cycles", 76}}));
  EXPECT_EQ(stats.at("walker").at("merged"), 19);
  EXPECT_EQ(stats.at("walker").at("queue"),
            Json({{"mean", 1.5}, {"cycles_per_walk", 75.0}, {"most", 5}}));
  EXPECT_EQ(stats.at("tlb").at("l1d"), Json({{"accesses", 60},
                                             {"hits", 50},
                                             {"misses", 10},
                                             {"hit_rate", 50.0 / 60.0},
                                             {"mpki", 50.0}}));
  EXPECT_EQ(stats.at("tlb").at("l1i").at("hit_rate"), 0.95);
  EXPECT_EQ(stats.at("tlb").at("l1i").at("mpki"), 10.0);
  EXPECT_EQ(stats.at("tlb").at("l2").at("mpki"), 20.0);
  const auto cache = [](std::uint64_t accesses, std::uint64_t hits, std::uint64_t misses) {
    return Json({{"accesses", accesses},
                 {"hits", hits},
                 {"misses", misses},
                 {"hit_rate", static_cast<double>(hits) / static_cast<double>(accesses)}});
  };
  EXPECT_EQ(
      stats.at("psc"),
      Json({{"pml4e", cache(3, 1, 2)}, {"pdpte", cache(7, 4, 3)}, {"pde", cache(21, 14, 7)}}));
  EXPECT_EQ(
      stats.at("ept_psc"),
      Json({{"pml4e", cache(5, 1, 4)}, {"pdpte", cache(11, 6, 5)}, {"pde", cache(31, 20, 11)}}));
  EXPECT_EQ(stats.at("nested_tlb"), cache(51, 20, 31));
  const Json& walker = stats.at("walker");
  EXPECT_EQ(walker.at("walks"), 4);
  EXPECT_EQ(walker.at("references"), 86);
  EXPECT_EQ(walker.at("guest_references"), 15);
  EXPECT_EQ(walker.at("ept_references"), 71);
  EXPECT_EQ(walker.at("cycles"), 430);
  EXPECT_EQ(walker.at("guest_cycles"), 75);
  EXPECT_EQ(walker.at("ept_cycles"), 355);
  EXPECT_EQ(walker.at("walks_per_kilo_instruction"), 20.0);
  EXPECT_EQ(walker.at("latency"), Json({{"mean", 107.5},
                                        {"p50", 110},
                                        {"p90", 115},
                                        {"p99", 115},
                                        {"max", 115},
                                        {"histogram",
                                         {{{"from", 80}, {"to", 95}, {"walks", 1}},
                                          {{"from", 96}, {"to", 111}, {"walks", 2}},
                                          {{"from", 112}, {"to", 127}, {"walks", 1}}}}}));
  EXPECT_EQ(walker.at("references_histogram").dump(), R"({"9":1,"24":2,"100":1})")
      << "by number, not by spelling";
  EXPECT_EQ(walker.at("served_by"), Json({{"l1d", 41}, {"l2", 25}, {"l3", 15}, {"dram", 5}}));
  EXPECT_EQ(walker.at("guest_served_by"), Json({{"l1d", 6}, {"l2", 0}, {"l3", 0}, {"dram", 0}}));
  EXPECT_EQ(walker.at("ept_served_by"), Json({{"l1d", 1}, {"l2", 3}, {"l3", 3}, {"dram", 5}}));
  const auto memory_cache = [](std::uint64_t accesses, std::uint64_t hits, std::uint64_t misses,
                               std::uint64_t merged, std::uint64_t writebacks) {
    return Json({{"accesses", accesses},
                 {"hits", hits},
                 {"misses", misses},
                 {"hit_rate", static_cast<double>(hits) / static_cast<double>(accesses)},
                 {"merged", merged},
                 {"writebacks", writebacks}});
  };
  EXPECT_EQ(stats.at("cache").at("l1d"), Json({{"data", memory_cache(109, 105, 4, 1, 2)},
                                               {"walk", memory_cache(108, 101, 7, 3, 6)},
                                               {"invalidations", 100}}));
  EXPECT_EQ(stats.at("cache").at("l3").at("walk").at("accesses"), 308);
  EXPECT_EQ(stats.at("cache").at("l2").at("data").at("hits"), 205);
  EXPECT_EQ(stats.at("dram"), Json({{"reads", 901},
                                    {"writes", 802},
                                    {"row_hits", 703},
                                    {"row_misses", 604},
                                    {"row_conflicts", 505}}));
  EXPECT_EQ(stats.at("vmx").at("exits"), Json({{"ept_violation", 12},
                                               {"ept_misconfig", 1},
                                               {"page_fault", 61},
                                               {"guest_table_write", 62},
                                               {"cr_access", 63},
                                               {"invlpg", 64},
                                               {"pml_full", 79},
                                               {"dirty_log", 78},
                                               {"external_interrupt", 69},
                                               {"apic_write", 70},
                                               {"preemption_timer", 71},
                                               {"vcpu_switch", 72},
                                               {"merge", 94}}));
  EXPECT_EQ(stats.at("vmx").at("exit_cycles"), 52'000);
  EXPECT_EQ(stats.at("hypervisor").at("dirty_log"),
            Json({{"rounds", 2},
                  {"pages", 81},
                  {"pages_per_round", 40.5},
                  {"protected_writes", 82},
                  {"logged", 83},
                  {"entries", 84},
                  {"splits", 85},
                  {"merges", 86},
                  {"cycles", 87},
                  {"by_round",
                   {{{"vm", 3}, {"pages", 50}, {"cycles", 88}},
                    {{"vm", 3}, {"pages", 31}, {"cycles", 89}}}}}));
  EXPECT_EQ(stats.at("guest").at("merging"),
            Json({{"merges", 90}, {"pages", 91}, {"refused", 92}, {"cycles", 93}}));
  EXPECT_EQ(stats.at("hypervisor").at("merging"),
            Json({{"merges", 94}, {"pages", 95}, {"refused", 96}, {"cycles", 97}}));
  EXPECT_EQ(stats.at("timeline").size(), 2u);
  EXPECT_EQ(stats.at("timeline").at(1), Json({{"accesses", 36},
                                              {"instructions", 50},
                                              {"cycles", 100},
                                              {"translation_cycles", 40},
                                              {"exit_cycles", 2'000},
                                              {"lookups", 30},
                                              {"first_level_misses", 3},
                                              {"tlb_misses", 1},
                                              {"walks", 1},
                                              {"walk_cycles", 130}}));
  EXPECT_EQ(stats.at("hot").at("pages").at(0).at("address"), "0xffff800000001000");
  EXPECT_EQ(stats.at("hot").at("instructions"), Json::array());
  EXPECT_EQ(stats.at("hot").at("forgotten").at("pages"), 77);
}

TEST(Statistics, TheMatrixHasThe24PlacesOfANestedWalkInItsOrder) {
  const RunReport report = numbered();
  const Json matrix = stats_object(report.settings, report.result).at("walker").at("matrix");
  ASSERT_EQ(matrix.size(), 24u);
  EXPECT_EQ(matrix.front(), Json({{"guest_level", 4},
                                  {"ept_level", 4},
                                  {"references", 7},
                                  {"cycles", 35},
                                  {"served_by", {{"l1d", 1}, {"l2", 2}, {"l3", 3}, {"dram", 1}}}}));
  EXPECT_EQ(matrix.at(4), Json({{"guest_level", 4},
                                {"ept_level", 0},
                                {"references", 6},
                                {"cycles", 30},
                                {"served_by", {{"l1d", 6}, {"l2", 0}, {"l3", 0}, {"dram", 0}}}}));
  EXPECT_EQ(matrix.back(), Json({{"guest_level", 0},
                                 {"ept_level", 1},
                                 {"references", 5},
                                 {"cycles", 25},
                                 {"served_by", {{"l1d", 0}, {"l2", 1}, {"l3", 0}, {"dram", 4}}}}));
}

TEST(Statistics, TellWhatIsMappedByPageSizeInEachDimension) {
  const Json stats = stats_object(numbered().settings, numbered().result);
  const Json& memory = stats.at("memory");
  EXPECT_EQ(memory.at("guest_mapped"), Json({{"4k", 0}, {"2m", 0}, {"1g", 1 << 30}}));
  EXPECT_EQ(memory.at("ept_mapped"), Json({{"4k", 8192}, {"2m", 0}, {"1g", 0}}));
  EXPECT_EQ(memory.at("shadow_mapped"), Json({{"4k", 0}, {"2m", 1 << 21}, {"1g", 0}}));
  EXPECT_EQ(memory.at("shadow_table_bytes"), 65);
  EXPECT_EQ(memory.at("host_map_bytes"), 66);
  EXPECT_EQ(stats.at("guest").at("no_large_frame"), 67);
  EXPECT_EQ(stats.at("hypervisor").at("no_large_frame"), 68);
}

TEST(Statistics, TheMatrixHasFourPlacesForANativeWalkAnd35ForFiveLevels) {
  RunReport report = numbered();
  report.settings.mode = Mode::kNative;
  report.result.walker.matrix = {};
  EXPECT_EQ(stats_object(report.settings, report.result).at("walker").at("matrix").size(), 4u);
  report.settings.mode = Mode::kShadow;
  EXPECT_EQ(stats_object(report.settings, report.result).at("walker").at("matrix").size(), 4u);
  report.settings.mode = Mode::kNested;
  report.result.walker.matrix[5][5].references = 1;
  EXPECT_EQ(stats_object(report.settings, report.result).at("walker").at("matrix").size(), 35u);
}

TEST(Statistics, EveryCountHasItsUnit) {
  const Json units = units_object();
  EXPECT_EQ(units.at("tlb.l2.hits"), "1");
  EXPECT_EQ(units.at("walker.cycles"), "cycle");
  EXPECT_EQ(units.at("memory.page_bytes"), "byte");
  EXPECT_EQ(units.at("walker.matrix[].cycles"), "cycle");
  EXPECT_EQ(units.at("timeline[].walk_cycles"), "cycle");
}

TEST(Statistics, NothingCountedGivesZerosAndNoDivision) {
  const Json stats = stats_object({}, {});
  EXPECT_EQ(stats.at("translation_share"), 0.0);
  EXPECT_EQ(stats.at("walker").at("latency").at("mean"), 0.0);
  EXPECT_EQ(stats.at("walker").at("latency").at("histogram"), Json::array());
  EXPECT_EQ(stats.at("tlb").at("l2").at("hit_rate"), 0.0);
  EXPECT_EQ(stats.at("tlb").at("l2").at("mpki"), 0.0);
}

TEST(StatsDocument, SaysWhatRanOnWhatMachine) {
  const Json document = stats_document(numbered());
  EXPECT_EQ(document.at("schema_version"), 1);
  EXPECT_EQ(document.at("mode"), "nested");
  EXPECT_EQ(document.at("detail"), "translation");
  EXPECT_EQ(document.at("model").at("core"), "one instruction a cycle, every miss blocks");
  EXPECT_EQ(document.at("model").at("caches"),
            "no data caches: every reference of a walk goes to memory");
  EXPECT_EQ(document.at("partial"), false);
  EXPECT_EQ(document.at("trace"), Json({{"path", "a.trace"}, {"format", "own"}, {"hash", "00ff"}}));
  const Json& machine = document.at("machine");
  EXPECT_EQ(machine.at("tlb").at("l2").at("entries"), 2048);
  EXPECT_EQ(machine.at("tlb").at("l1d").at("entries").at("4k"), 96);
  EXPECT_EQ(machine.at("guest").at("page"), "4K");
  EXPECT_EQ(document.at("memory"), Json({{"hash", "0123"}}));
  EXPECT_EQ(document.at("host").at("engine"), "model");
  EXPECT_FALSE(document.contains("mismatch"));
}

TEST(StatsDocument, SaysWhatCachesTheMachineHas) {
  RunReport report = numbered();
  report.settings.machine = resolve_machine("default");
  EXPECT_EQ(stats_document(report).at("model").at("caches"),
            "L1D 48 KiB, L2 2 MiB, L3 32 MiB: for walks alone, which enter at l1d");
  report.settings.detail = Detail::kFull;
  EXPECT_EQ(stats_document(report).at("model").at("caches"),
            "L1D 48 KiB, L2 2 MiB, L3 32 MiB: for data, and walks, which enter at l1d");
}

TEST(StatsDocument, TellsWhereModelAndRtlDiffered) {
  RunReport report = numbered();
  report.settings.walker = WalkerKind::kBoth;
  report.result.mismatch = "the walkers differ in cycle 7\n";
  const Json document = stats_document(report);
  EXPECT_EQ(document.at("host").at("engine"), "both");
  EXPECT_EQ(document.at("mismatch"), "the walkers differ in cycle 7\n");
}

TEST(StatsDocument, WhatTheHostTookChangesNothingElse) {
  RunReport report = numbered();
  Json one = stats_document(report);
  report.wall_seconds = 5;
  report.peak_memory_bytes = 1 << 20;
  Json other = stats_document(report);
  EXPECT_NE(one.at("host"), other.at("host"));
  one.erase("host");
  other.erase("host");
  EXPECT_EQ(json_text(one), json_text(other));
}

TEST(StatsDocument, APathThatIsNoUtf8IsStillJson) {
  RunReport report = numbered();
  report.trace_path = "a\xff.trace";
  EXPECT_EQ(Json::parse(json_text(stats_document(report))).at("trace").at("path"),
            "a\xef\xbf\xbd.trace");
}

TEST(Distribution, PercentilesAreTheSmallestValueThatEnoughDoNotExceed) {
  std::map<std::uint64_t, std::uint64_t> histogram = {{10, 50}, {20, 49}, {1000, 1}};
  EXPECT_EQ(distribution_of(histogram).p50, 10u);
  EXPECT_EQ(distribution_of(histogram).p90, 20u);
  EXPECT_EQ(distribution_of(histogram).p99, 20u);
  EXPECT_EQ(distribution_of(histogram).max, 1000u);
  histogram[1000] = 2;  // 101 in all: the 99th percentile is the hundredth
  EXPECT_EQ(distribution_of(histogram).p99, 1000u);
  EXPECT_EQ(distribution_of(histogram).p50, 20u) << "the fifty-first";
  EXPECT_EQ(distribution_of({{7, 1}}).p50, 7u);
}

TEST(LatencyBins, EachNumberOfCyclesIsInOneBinAndTheyAreNarrow) {
  std::map<std::uint64_t, std::uint64_t> histogram;
  for (std::uint64_t cycles = 0; cycles < 5'000; ++cycles) histogram[cycles] = cycles + 1;
  const std::vector<LatencyBin> bins = bins_of(histogram);
  std::uint64_t next = 0;
  for (const LatencyBin& bin : bins) {
    ASSERT_EQ(bin.first, next) << "no gaps";
    ASSERT_LE(4 * (bin.last - bin.first), bin.first);
    std::uint64_t walks = 0;
    for (std::uint64_t cycles = bin.first; cycles <= std::min<std::uint64_t>(bin.last, 4'999);
         ++cycles) {
      walks += cycles + 1;
    }
    ASSERT_EQ(bin.walks, walks) << bin.first;
    next = bin.last + 1;
  }
  EXPECT_EQ(next, 5'120u) << "four bins from 4,096 to 8,191, of which two hold walks";
}

TEST(LatencyBins, GoFromTheShortestWalkToTheLongest) {
  const std::vector<LatencyBin> bins = bins_of({{13, 5}, {40, 7}});
  ASSERT_EQ(bins.size(), 8u);
  EXPECT_EQ(bins.front().first, 12u);
  EXPECT_EQ(bins.front().last, 13u);
  EXPECT_EQ(bins.front().walks, 5u);
  EXPECT_EQ(bins[3].walks, 0u);
  EXPECT_EQ(bins.back().first, 40u);
  EXPECT_EQ(bins.back().last, 47u);
}

}  // namespace
}  // namespace eptsim::sim
