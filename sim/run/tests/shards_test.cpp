#include "sim/run/shards.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "sim/run/result_bytes.hpp"
#include "sim/run/tests/result_text.hpp"

namespace eptsim::sim {
namespace {

constexpr std::uint64_t kAccesses = 100'000'000;

TEST(Cuts, PartsFollowOneAnotherFromTheWarmupToTheEnd) {
  for (const std::uint64_t accesses : {100ul, 1'000ul, 12'345ul, 5'000'011ul, kAccesses}) {
    for (const unsigned count : {2u, 3u, 7u, 64u, kMostShards}) {
      RunSettings whole;
      whole.warmup = 12'345;
      const std::vector<RunSettings> parts = cut_into_shards(whole, count, accesses);
      ASSERT_EQ(parts.size(), count);
      EXPECT_EQ(parts.front().warmup, whole.warmup);
      EXPECT_EQ(parts.front().lead_in.warmed, 0u);
      for (unsigned part = 1; part < count; ++part) {
        ASSERT_TRUE(parts[part - 1].limit);
        EXPECT_GT(*parts[part - 1].limit, 0u);
        EXPECT_EQ(parts[part].warmup, parts[part - 1].warmup + *parts[part - 1].limit);
      }
      EXPECT_FALSE(parts.back().limit);
      EXPECT_LT(parts.back().warmup, whole.warmup + accesses);
    }
  }
}

TEST(Cuts, KeepTheLimitOfTheWhole) {
  RunSettings whole;
  whole.warmup = 1000;
  whole.limit = kAccesses;
  std::uint64_t counted = 0;
  for (const RunSettings& part : cut_into_shards(whole, 5, kAccesses))
    counted += part.limit.value();
  EXPECT_EQ(counted, kAccesses);
}

TEST(Cuts, LaterPartsWarmUpForLongerAndCountLess) {
  const std::vector<RunSettings> parts = cut_into_shards({}, 4, kAccesses);
  for (std::size_t part = 1; part < parts.size(); ++part) {
    const LeadIn& lead_in = parts[part].lead_in;
    EXPECT_GT(lead_in.warmed, parts[part - 1].lead_in.warmed);
    EXPECT_LE(lead_in.touched, lead_in.warmed);
    EXPECT_LT(lead_in.warmed, parts[part].warmup);
    if (part + 1 < parts.size()) {
      EXPECT_LT(parts[part].limit.value(), parts[part - 1].limit.value());
    }
  }
  EXPECT_LT(kAccesses - parts.back().warmup, parts[2].limit.value());
}

TEST(Cuts, AreWholeIntervalsOfTheTimeline) {
  Intervals intervals;
  Interval total;
  while (total.accesses < 1'000'000) {
    total.accesses = intervals.next_end();
    intervals.end(total);
  }
  const std::uint64_t length = intervals.up_to(total).length;
  ASSERT_GT(length, 1000u);
  for (const RunSettings& part : cut_into_shards({}, 3, 1'000'000)) {
    EXPECT_EQ(part.warmup % length, 0u);
  }
}

TEST(Cuts, OfWhatCantBeCutAreRefused) {
  const auto why = [](const RunSettings& settings, std::uint64_t accesses) -> std::string {
    try {
      cut_into_shards(settings, 8, accesses);
      return "cut";
    } catch (const InputError& error) {
      return error.what();
    }
  };
  EXPECT_EQ(why({}, 1000), "cut");
  EXPECT_NE(why({}, 7).find("too short"), std::string::npos);
  RunSettings rtl;
  rtl.walker = WalkerKind::kRtl;
  EXPECT_NE(why(rtl, 1000).find("--walker"), std::string::npos);
  RunSettings sampled;
  sampled.machine.sampling.windows = 10;
  EXPECT_NE(why(sampled, 1000).find("sampling.windows"), std::string::npos);
  RunSettings logged;
  logged.machine.dirty_log.tracking = DirtyTracking::kWriteProtect;
  EXPECT_NE(why(logged, 1000).find("dirty_log"), std::string::npos);
}

/// Of which no two numbers are alike, nor lists as long.
RunResult numbered(std::uint64_t base) {
  std::uint64_t next = base;
  const auto number = [&next] { return ++next; };
  RunResult result;
  result.translated = number();
  result.accesses = 100;
  result.instructions = number();
  result.cycles = number();
  result.cycles_by = {number(), number(), number(), number(), number()};
  result.l1d = {number(), number(), number()};
  result.walker.walks = number();
  result.walker.served_by = {number(), number(), number(), number()};
  result.walker.latency = {{20, number()}, {base, number()}};
  result.walker.references_histogram = {{4, number()}};
  result.walker.matrix[1][2] = {number(), number(), {number(), number(), number(), number()}};
  result.walker.nested_tlb = {number(), number(), number()};
  result.caches.cache[1].by_origin[0] = {number(), number(), number(), number(), number()};
  result.caches.cache[2].invalidations = number();
  result.caches.dram = {number(), number(), number(), number(), number()};
  result.walk_queue = {number(), number(), number(), static_cast<unsigned>(number())};
  result.guest_page_faults = number();
  result.hypervisor_merging = {number(), number(), number(), number()};
  result.dirty_rounds = {{1, number(), number()}};
  result.page_bytes = number();
  result.guest_table_bytes = number();
  result.guest_mapped.add(arch::PageSize::k4K);
  result.memory_hash = "hash of " + std::to_string(base);
  result.hot_pages = {{0x1000, 1, base}, {base << 12, 2, 7}};
  result.hot_instructions = {{0x400, 3, base}};
  result.forgotten_page_cycles = number();
  result.timeline = {{.accesses = 64, .cycles = number()}, {.accesses = 36, .cycles = number()}};
  result.stale.guest = 1;
  result.stale.first = {{.number = number(), .address = number(), .use = {}}};
  result.cores = {{.accesses = 100, .cycles = number(), .cycles_by = {}, .walks = number()}};
  result.error = InputError("a.trace: byte 7", "odd", "even it");
  return result;
}

TEST(ResultBytes, ComeBackAsTheyWere) {
  const RunResult result = numbered(1000);
  const RunResult back = result_of(bytes_of(result));
  EXPECT_EQ(text_of(back), text_of(result));
  EXPECT_EQ(bytes_of(back), bytes_of(result));
  EXPECT_EQ(back.walker.latency, result.walker.latency);
  EXPECT_EQ(back.memory_hash, result.memory_hash);
  EXPECT_EQ(back.error->what(), std::string("a.trace: byte 7: odd"));
  EXPECT_EQ(back.error->place(), "a.trace: byte 7");
  EXPECT_EQ(back.error->hint(), "even it");
  EXPECT_EQ(bytes_of(result_of(bytes_of(RunResult{}))), bytes_of(RunResult{}));
}

TEST(ResultBytes, ThatArentAllThereAreRefused) {
  const std::string bytes = bytes_of(numbered(1000));
  for (std::size_t size = 0; size < bytes.size(); size += 97) {
    EXPECT_THROW(result_of(bytes.substr(0, size)), std::runtime_error) << size;
  }
  EXPECT_THROW(result_of(bytes + '0'), std::runtime_error);
}

TEST(JoinedResults, CountWhatTheirPartsCounted) {
  const RunResult first = numbered(1000);
  const RunResult second = numbered(5000);
  const RunResult whole = joined({first, second});
  EXPECT_EQ(whole.accesses, 200u);
  EXPECT_EQ(whole.cycles, first.cycles + second.cycles);
  EXPECT_EQ(whole.cycles_by.sum(), first.cycles_by.sum() + second.cycles_by.sum());
  EXPECT_EQ(whole.l1d.hits, first.l1d.hits + second.l1d.hits);
  EXPECT_EQ(whole.walker.matrix[1][2].cycles, 2 * first.walker.matrix[1][2].cycles + 4000);
  EXPECT_EQ(whole.walker.latency.size(), 3u);
  EXPECT_EQ(whole.walker.latency.at(20),
            first.walker.latency.at(20) + second.walker.latency.at(20));
  EXPECT_EQ(whole.caches.cache[1].by_origin[0].writebacks,
            2 * first.caches.cache[1].by_origin[0].writebacks + 4000);
  EXPECT_EQ(whole.caches.dram.row_conflicts, 2 * first.caches.dram.row_conflicts + 4000);
  EXPECT_EQ(whole.walk_queue.most, second.walk_queue.most);
  EXPECT_EQ(whole.guest_page_faults, 2 * first.guest_page_faults + 4000);
  EXPECT_EQ(whole.hypervisor_merging.cycles, 2 * first.hypervisor_merging.cycles + 4000);
  EXPECT_EQ(whole.stale.guest, 2u);
  EXPECT_EQ(whole.stale.first.size(), 2u);
  ASSERT_EQ(whole.cores.size(), 1u);
  EXPECT_EQ(whole.cores[0].accesses, 200u);
  EXPECT_EQ(whole.cores[0].walks, 2 * first.cores[0].walks + 4000);
}

TEST(JoinedResults, HaveTheMemoryOfTheLastPartThatCameSoFar) {
  const RunResult first = numbered(1000);
  const RunResult second = numbered(5000);
  RunResult nothing;
  nothing.partial = true;
  const RunResult whole = joined({first, second, nothing});
  EXPECT_EQ(whole.translated, second.translated);
  EXPECT_EQ(whole.page_bytes, second.page_bytes);
  EXPECT_EQ(whole.guest_table_bytes, second.guest_table_bytes);
  EXPECT_EQ(whole.guest_mapped, second.guest_mapped);
  EXPECT_EQ(whole.memory_hash, second.memory_hash);
  EXPECT_TRUE(whole.partial);
  EXPECT_FALSE(joined({first, second}).partial);
}

TEST(JoinedResults, HaveIntervalsAsLongAsThoseOfARunThatWasntCut) {
  RunResult first;
  first.accesses = 384;
  first.timeline.assign(192, {.accesses = 2, .cycles = 1});
  RunResult second;
  second.accesses = 101;
  second.timeline.assign(101, {.accesses = 1, .cycles = 1});
  const std::vector<Interval> timeline = joined({first, second}).timeline;
  ASSERT_EQ(timeline.size(), 122u);  // of 4 accesses, the last of 1
  for (std::size_t i = 0; i < 121; ++i) {
    EXPECT_EQ(timeline[i].accesses, 4u) << i;
    EXPECT_EQ(timeline[i].cycles, i < 96 ? 2u : 4u) << i;
  }
  EXPECT_EQ(timeline.back().accesses, 1u);
}

TEST(JoinedResults, RankWhatIsHotInAllParts) {
  const RunResult whole = joined({numbered(1000), numbered(5000)});
  ASSERT_EQ(whole.hot_pages.size(), 3u);
  EXPECT_EQ(whole.hot_pages[0].address, 0x1000u);
  EXPECT_EQ(whole.hot_pages[0].walks, 2u);
  EXPECT_EQ(whole.hot_pages[0].walk_cycles, 6000u);
  EXPECT_EQ(whole.hot_instructions[0].walk_cycles, 6000u);
  RunResult many;
  many.accesses = 1;
  for (std::uint64_t page = 0; page < 100; ++page) many.hot_pages.push_back({page << 12, 1, page});
  EXPECT_EQ(joined({many, many}).hot_pages.size(), kHotSpots);
}

TEST(JoinedResults, SayTheFirstError) {
  RunResult good = numbered(1000);
  good.error.reset();
  RunResult bad = numbered(5000);
  bad.error = InputError("a.trace: record 9", "odd");
  RunResult later = numbered(9000);
  later.error = InputError("a.trace: record 8", "even");
  EXPECT_EQ(joined({good, bad, later}).error->place(), "a.trace: record 9");
  EXPECT_FALSE(joined({good, good}).error);
}

}  // namespace
}  // namespace eptsim::sim
