#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <systemc>

#include "mmu_model/tests/machine_bench.hpp"

/// Several walks under way at a core's port, before a walker of one slot. A walk of 24 references
/// has its response 122 cycles after the walker has taken it, as the memory takes 4.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7000;
constexpr std::uint64_t kOther = kGva + 0x1000;

WalkTables two_pages() {
  WalkTables tables(4, 4);
  for (const std::uint64_t gva : {kGva, kOther}) {
    tables.map(gva);
    for (unsigned level = 1; level <= 4; ++level) tables.set(tables.guest_entry(gva, level), kA);
  }
  return tables;
}

Request read(std::uint64_t gva) { return access(AccessKind::kRead, gva); }

/// Waits for the next answer and takes it.
const TranslationPort::Walk& next_answer(TranslationPort& port) {
  while (port.next_answer() == kNever) port.wait_until(kNever);
  port.wait_until(port.next_answer());
  return port.take_answer();
}

class TranslationPortTest : public testing::Test {
 protected:
  /// Runs `program` on a core whose context is in use.
  void run(const std::function<void(TranslationPort&, const WalkContext&)>& program) {
    WalkTables tables = two_pages();
    const WalkContext context(tables.context);
    load(hardware.dram(), tables);
    TestCore core("core", hardware, 0, [&](TestCore& self) {
      self.port.use(context);
      program(self.port, context);
      ended = true;
    });
    sc_core::sc_start();
    EXPECT_TRUE(ended);
  }

  Hardware hardware{"hardware", test_machine(), std::make_unique<ModelWalker>()};
  bool ended = false;
};

TEST_F(TranslationPortTest, AnswersComeOneAfterTheOtherAndGoToTheTlbs) {
  run([](TranslationPort& port, const WalkContext& context) {
    const auto& first = port.ask(context, read(kGva), 0);
    const auto& second = port.ask(context, read(kOther), 0);
    EXPECT_NE(first.number, second.number);
    EXPECT_EQ(port.under_way(), 2u);
    EXPECT_EQ(port.next_answer(), kNever);
    EXPECT_EQ(&next_answer(port), &first);
    EXPECT_EQ(first.answered, 1u + 122);
    EXPECT_TRUE(port.lookup(read(kGva)));
    EXPECT_FALSE(port.lookup(read(kOther)));
    // Its slot is free from the cycle after the response on.
    EXPECT_EQ(&next_answer(port), &second);
    EXPECT_EQ(second.answered, 124u + 122);
    EXPECT_TRUE(port.lookup(read(kOther)));
    EXPECT_EQ(port.under_way(), 0u);
    EXPECT_EQ(port.counters().most, 2u);
    EXPECT_EQ(port.counters().cycles, 123u + 246);
  });
}

TEST_F(TranslationPortTest, OneThatIsAskedForLaterMayHoldEarlier) {
  run([](TranslationPort& port, const WalkContext& context) {
    const auto& later = port.ask(context, read(kGva), 10);
    const auto& sooner = port.ask(context, read(kOther), 9);
    EXPECT_EQ(&next_answer(port), &sooner);
    EXPECT_EQ(sooner.answered, 10u + 122);
    EXPECT_EQ(&next_answer(port), &later);
  });
}

TEST_F(TranslationPortTest, AWalkIsSharedByWhatItAnswersToo) {
  run([](TranslationPort& port, const WalkContext& context) {
    const auto& write = port.ask(context, access(AccessKind::kWrite, kGva), 0);
    EXPECT_EQ(&port.ask(context, read(kGva + 8), 3), &write);
    const auto& fetch = port.ask(context, access(AccessKind::kFetch, kGva), 3);
    EXPECT_NE(&fetch, &write);
    EXPECT_NE(&port.ask(context, read(kOther), 3), &write);
    EXPECT_EQ(port.counters().merged, 1u);
    EXPECT_EQ(port.under_way(), 3u);
    while (port.under_way() != 0) next_answer(port);
    EXPECT_NE(&port.ask(context, read(kGva), 1000), nullptr) << "none is under way to be shared";
    EXPECT_EQ(port.counters().merged, 1u);
    next_answer(port);
  });
}

TEST_F(TranslationPortTest, AReadsWalkIsNotSharedByAWrite) {
  run([](TranslationPort& port, const WalkContext& context) {
    const auto& read_walk = port.ask(context, read(kGva), 0);
    EXPECT_NE(&port.ask(context, access(AccessKind::kWrite, kGva), 0), &read_walk);
    while (port.under_way() != 0) next_answer(port);
  });
}

TEST_F(TranslationPortTest, AnInvalidationEndsTheSharingAndKeepsTheAnswerFromTheTlbs) {
  run([](TranslationPort& port, const WalkContext& context) {
    const auto& before = port.ask(context, read(kGva), 0);
    port.wait_until(5);
    port.invalidate(invalidation::invlpg(current_tags(context), kGva), 5);
    const auto& after = port.ask(context, read(kGva), 5);
    EXPECT_NE(&before, &after);
    EXPECT_EQ(&next_answer(port), &before);
    EXPECT_FALSE(port.lookup(read(kGva)));
    EXPECT_EQ(&next_answer(port), &after);
    EXPECT_TRUE(port.lookup(read(kGva)));
  });
}

TEST_F(TranslationPortTest, WalksThatAreAbandonedEndInTheTlbsIfTheyHaveBegun) {
  run([](TranslationPort& port, const WalkContext& context) {
    const auto& begun = port.ask(context, read(kGva), 0);
    port.ask(context, read(kOther), 0);
    port.wait_until(5);
    port.abandon();
    EXPECT_EQ(port.under_way(), 1u);
    EXPECT_NE(&port.ask(context, read(kGva), 5), &begun);
    next_answer(port);
    EXPECT_TRUE(port.lookup(read(kGva)));
    next_answer(port);
    EXPECT_FALSE(port.lookup(read(kOther)));
  });
  EXPECT_EQ(hardware.walker_counters().walks, 2u);
}

}  // namespace
}  // namespace eptsim::mmu::test
