#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <vector>

#include "mmu_model/tests/walker_bench.hpp"

/// Several walks in flight: slots, engine and queues, against docs/microarchitecture.md.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7000;
/// Ends in its first step: there is no such address.
const Request kNoAddress = access(AccessKind::kRead, 0x8000'0000'0000'0000);

using Numbers = std::vector<unsigned>;
using Tags = std::vector<std::uint32_t>;

/// Guest-physical pages that the EPT maps, one reference to each EPT level apiece.
std::vector<PageAddress> map_pages(WalkTables& tables, unsigned count) {
  std::vector<PageAddress> pages;
  for (unsigned i = 0; i < count; ++i) {
    pages.push_back({.gpa = (i + 1) * 0x40'0000'0000ull, .hpa = (i + 2) * 0x1'0000'0000ull});
    tables.map_ept(pages.back().gpa, pages.back().hpa, PageSize::k4K);
  }
  return pages;
}

TEST(WalkerSlots, ARequestGoesIntoTheIdleSlotWithTheLowestNumber) {
  WalkerBench bench({.walks = 4});
  const std::vector<PageAddress> pages = map_pages(bench.tables, 4);
  bench.offer(0, guest_physical(pages[0].gpa), 0);
  bench.offer(1, kNoAddress, 1);  // soon leaves slot 1
  bench.offer(2, guest_physical(pages[1].gpa), 2);
  bench.offer(3, guest_physical(pages[2].gpa), 8);
  bench.offer(4, guest_physical(pages[3].gpa), 9);
  bench.latency = 40;
  bench.run();
  EXPECT_EQ(bench.accepted[3], 8u);
  const Numbers ids = bench.ids_taken();
  EXPECT_EQ(Numbers(ids.begin(), ids.begin() + 4), (Numbers{0, 2, 1, 3}));
  for (std::uint32_t tag : {0u, 2u, 3u, 4u}) {
    EXPECT_EQ(bench.response(tag).response.outcome.hpa, pages[tag == 0 ? 0 : tag - 1].hpa) << tag;
  }
}

TEST(WalkerSlots, AWalkInWhoseCycleAnAnswerArrivesWaitsForTheEngine) {
  WalkerBench bench({.walks = 2});
  const std::vector<PageAddress> pages = map_pages(bench.tables, 2);
  bench.latency = 1;
  bench.offer(1, guest_physical(pages[0].gpa), 0);  // step in 1, to memory in 2, answer in 3
  bench.offer(2, guest_physical(pages[1].gpa), 2);  // ready in 3: the engine is taken
  bench.run();
  ASSERT_GE(bench.transfers.size(), 3u);
  EXPECT_EQ(bench.transfers[1].request.id, 0u);
  EXPECT_EQ(bench.transfers[1].taken, 4u);
  EXPECT_EQ(bench.transfers[2].request.id, 1u);
  EXPECT_EQ(bench.transfers[2].first_valid, 5u);
  EXPECT_EQ(bench.response(1).response.cycles, 4u * 2 + 1);
  EXPECT_EQ(bench.response(2).response.cycles, 4u * 2 + 1 + 1);
}

TEST(WalkerSlots, ReadySlotsAreFollowedInCyclicOrder) {
  WalkerBench bench({.walks = 4, .combined = {0, 0, 4}});
  bench.tables.map(kGva);
  for (std::uint32_t tag = 0; tag < 4; ++tag) {
    bench.offer(tag, access(AccessKind::kRead, kGva), tag);
  }
  bench.run();
  // Slot 0 is ready for its look-up from cycle 2 on, when slot 1 comes after it; and so on.
  std::map<Cycle, unsigned> expected{{5, 0}, {6, 1}, {7, 2}, {8, 3}};
  std::map<Cycle, unsigned> asked;
  for (const auto& [cycle, lookup] : bench.lookups) asked[cycle] = lookup.id;
  EXPECT_EQ(asked, expected);
}

TEST(WalkerSlots, AnAnswerIsNoPick) {
  WalkerBench bench({.walks = 4, .nested_tlb = 1});
  std::vector<std::uint64_t> addresses;
  for (unsigned i = 0; i < 4; ++i) {
    addresses.push_back(kGva - (std::uint64_t{i} << 39));
    bench.tables.map(addresses.back());
    bench.mark_accessed(addresses.back());
  }
  // The guest's first entries come in 1000, 1001 and 1002; then three slots are ready at once.
  const std::map<unsigned, Cycle> answered{{2, 1000}, {1, 1001}, {0, 1002}, {3, 2000}};
  bench.answer_in = [&](const MemoryRequest& request, Cycle taken) {
    return request.place == Place{4, 0} && taken < 1000 ? answered.at(request.id) : taken + 4;
  };
  for (std::uint32_t tag = 0; tag < 4; ++tag) {
    bench.offer(tag, access(AccessKind::kRead, addresses[tag]), tag);
  }
  bench.run();
  std::vector<unsigned> order;
  for (auto lookup = bench.lookups.lower_bound(1000); order.size() < 3; ++lookup) {
    EXPECT_EQ(lookup->first, 1003 + order.size());
    order.push_back(lookup->second.id);
  }
  // Slot 3 was picked last, with the first of its look-ups.
  EXPECT_EQ(order, (Numbers{0, 1, 2}));
}

TEST(WalkerSlots, AnAnswerThatNoSlotWaitsForIsNone) {
  for (const std::uint8_t id : {std::uint8_t{1}, std::uint8_t{7}}) {  // an idle slot, and none
    WalkerBench bench({.walks = 2});
    const std::vector<PageAddress> pages = map_pages(bench.tables, 1);
    bench.unasked = MemoryAnswer{.id = id, .value = 0};
    const WalkResponse response = bench.run(guest_physical(pages[0].gpa)).response;
    EXPECT_EQ(response.outcome.hpa, pages[0].hpa);
    EXPECT_EQ(response.cycles, 4u * 5 + 1);
    EXPECT_EQ(bench.responses.size(), 1u);
  }
}

TEST(WalkerSlots, MemoryIsAskedInTheOrderOfEntering) {
  WalkerBench bench({.walks = 4});
  const std::vector<PageAddress> pages = map_pages(bench.tables, 4);
  bench.memory_ready = [](Cycle cycle) { return cycle >= 50; };
  bench.latency = 1;
  for (std::uint32_t tag = 0; tag < 4; ++tag) {
    bench.offer(tag, guest_physical(pages[tag].gpa), 10 + tag);
  }
  bench.run();
  // Each answer enters its slot again, behind those that stand there already.
  const Numbers ids = bench.ids_taken();
  EXPECT_EQ(Numbers(ids.begin(), ids.begin() + 8), (Numbers{0, 1, 2, 3, 0, 1, 2, 3}));
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(bench.transfers[i].taken, 50 + i);
    EXPECT_EQ(bench.transfers[i].first_valid, i == 0 ? 12 : 50 + i) << "one after the other";
  }
}

TEST(WalkerSlots, ResponsesComeInTheOrderOfEntering) {
  WalkerBench bench({.walks = 4});
  const std::vector<PageAddress> pages = map_pages(bench.tables, 1);
  bench.latency = 1;
  bench.response_ready = [](Cycle cycle) { return cycle >= 50 && cycle % 2 == 0; };
  bench.offer(9, guest_physical(pages[0].gpa), 0);
  for (const std::uint32_t tag : {7u, 3u, 5u}) bench.offer(tag, kNoAddress, 2);
  bench.run();
  EXPECT_EQ(bench.tags_answered(), (Tags{7, 3, 5, 9}));
  EXPECT_EQ(bench.response(7).taken, 50u);
  EXPECT_EQ(bench.response(3).first_valid, 51u);
  EXPECT_EQ(bench.response(3).taken, 52u);
  EXPECT_EQ(bench.response(9).taken, 56u);
  // Counted until it was in the queue, not until it was first there.
  EXPECT_LT(bench.response(9).response.cycles, 20u);
}

TEST(WalkerSlots, AnswersMayComeInAnyOrder) {
  WalkerBench bench({.walks = 4});
  const std::vector<PageAddress> pages = map_pages(bench.tables, 4);
  bench.answer_in = [](const MemoryRequest& request, Cycle taken) {
    return taken + 40 - 10 * request.id;
  };
  for (std::uint32_t tag = 0; tag < 4; ++tag) {
    bench.offer(tag, guest_physical(pages[tag].gpa + 0x10 * tag), 0);
  }
  bench.run();
  EXPECT_EQ(bench.tags_answered(), (Tags{3, 2, 1, 0}));
  for (std::uint32_t tag = 0; tag < 4; ++tag) {
    EXPECT_EQ(bench.response(tag).response.outcome.hpa, pages[tag].hpa + 0x10 * tag);
  }
}

TEST(WalkerSlots, TheUnitIsReadyWhileASlotIsIdle) {
  WalkerBench bench({.walks = 2});
  const std::vector<PageAddress> pages = map_pages(bench.tables, 3);
  for (std::uint32_t tag = 0; tag < 3; ++tag) bench.offer(tag, guest_physical(pages[tag].gpa), 10);
  bench.run();
  EXPECT_EQ(bench.accepted,
            (std::map<std::uint32_t, Cycle>{{0, 10}, {1, 11}, {2, bench.response(0).taken + 1}}));
}

TEST(WalkerSlots, TwoWalksThatSetFlagsOfOneEntryBothFindThemSet) {
  WalkerBench bench({.walks = 2});
  const PageAddress page = bench.tables.map(kGva);
  bench.latency = 10;
  bench.offer(1, access(AccessKind::kWrite, kGva), 0);
  bench.offer(2, access(AccessKind::kWrite, kGva + 8), 1);
  bench.run();
  // Each swap of the second finds the entry changed, and takes it as found.
  EXPECT_EQ(bench.response(1).response.outcome.hpa, page.hpa);
  EXPECT_EQ(bench.response(2).response.outcome.hpa, page.hpa + 8);
  EXPECT_EQ(bench.response(2).response.references, 24u);
  EXPECT_EQ(bench.tables.memory.at(bench.tables.guest_entry(kGva, 1)) & (kA | kD), kA | kD);
}

}  // namespace
}  // namespace eptsim::mmu::test
