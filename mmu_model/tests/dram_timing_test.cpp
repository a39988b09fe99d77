#include "mmu_model/memory/dram_timing.hpp"

#include <gtest/gtest.h>

namespace eptsim::mmu {
namespace {

/// DRAM that is asked in the order of time.
class Dram {
 public:
  explicit Dram(const DramSettings& settings) : dram_(settings) {}
  Cycle read(std::uint64_t line, Cycle cycle) { return dram_.read(line, cycle, cycle); }
  Cycle write(std::uint64_t line, Cycle cycle) { return dram_.write(line, cycle, cycle); }
  const DramCounters& counters() const { return dram_.counters(); }
  void reset_counters() { dram_.reset_counters(); }

 private:
  DramTiming dram_;
};

/// Two channels of two banks with rows of four lines. Of a line's number, bit 0 is the channel,
/// bits 2:1 the column, bit 3 the bank, and the rest the row.
constexpr DramSettings kBanked{.model = DramModel::kBanked,
                               .channels = 2,
                               .banks = 2,
                               .row_bytes = 256,
                               .tcas = 14,
                               .trcd = 15,
                               .trp = 16,
                               .burst_cycles = 4};
constexpr std::uint64_t kNextColumn = 2;
constexpr std::uint64_t kNextBank = 8;
constexpr std::uint64_t kNextRow = 16;

TEST(PlainDram, TakesTheSameTimeForAnyNumberOfAccesses) {
  Dram dram({.cycles = 100});
  for (std::uint64_t line = 0; line < 50; ++line) EXPECT_EQ(dram.read(line, 7), 107u);
  EXPECT_EQ(dram.write(0, 7), 107u);
  EXPECT_EQ(dram.counters().reads, 50u);
  EXPECT_EQ(dram.counters().writes, 1u);
  EXPECT_EQ(dram.counters().row_hits + dram.counters().row_misses, 0u) << "it has no rows";
}

TEST(BankedDram, OpensARowHitsItAndClosesItForAnother) {
  Dram dram(kBanked);
  EXPECT_EQ(dram.read(0, 100), 100u + 15 + 14 + 4);
  EXPECT_EQ(dram.read(kNextColumn, 200), 200u + 14 + 4);
  EXPECT_EQ(dram.write(3 * kNextColumn, 300), 300u + 14 + 4);
  EXPECT_EQ(dram.read(kNextRow, 400), 400u + 16 + 15 + 14 + 4);
  EXPECT_EQ(dram.read(0, 500), 500u + 16 + 15 + 14 + 4);
  EXPECT_EQ(dram.counters().row_misses, 1u);
  EXPECT_EQ(dram.counters().row_hits, 2u);
  EXPECT_EQ(dram.counters().row_conflicts, 2u);
  EXPECT_EQ(dram.counters().reads, 4u);
  EXPECT_EQ(dram.counters().writes, 1u);
}

TEST(BankedDram, EachBankHasARowOfItsOwn) {
  Dram dram(kBanked);
  EXPECT_EQ(dram.read(0, 100), 133u);
  EXPECT_EQ(dram.read(kNextBank, 200), 233u);
  EXPECT_EQ(dram.read(1, 300), 333u) << "the other channel";
  EXPECT_EQ(dram.read(0, 400), 418u);
  EXPECT_EQ(dram.read(kNextBank, 500), 518u);
  EXPECT_EQ(dram.read(1, 600), 618u);
}

TEST(BankedDram, DataOfOneChannelFollowOneAnotherOnItsBus) {
  Dram dram(kBanked);
  // The row opens at 115. Columns are read as fast as the bus takes their data.
  EXPECT_EQ(dram.read(0, 100), 133u);
  EXPECT_EQ(dram.read(kNextColumn, 100), 137u);
  EXPECT_EQ(dram.read(2 * kNextColumn, 100), 141u);
  // Another bank has opened its row meanwhile, and its data come behind.
  EXPECT_EQ(dram.read(kNextBank, 100), 145u);
  // The other channel has a bus of its own.
  EXPECT_EQ(dram.read(1, 100), 133u);
}

TEST(BankedDram, ABankOpensItsNextRowOnlyAfterTheLastColumn) {
  Dram dram(kBanked);
  ASSERT_EQ(dram.read(0, 100), 133u);
  // The column was read at 115, and four cycles later the bank takes a command again.
  EXPECT_EQ(dram.read(kNextRow, 100), 119u + 16 + 15 + 14 + 4);
  EXPECT_EQ(dram.read(2 * kNextRow, 100), 154u + 16 + 15 + 14 + 4);
}

TEST(BankedDram, ABankThatWaitsHoldsUpNoOther) {
  Dram dram(kBanked);
  ASSERT_EQ(dram.read(0, 100), 133u);
  ASSERT_EQ(dram.read(kNextRow, 100), 168u);
  // The bus is free between the two, for five bursts behind the first.
  EXPECT_EQ(dram.read(kNextBank, 100), 137u);
  EXPECT_EQ(dram.read(kNextBank + kNextColumn, 100), 141u);
  EXPECT_EQ(dram.read(kNextBank + 2 * kNextColumn, 140), 140u + 14 + 4);
  EXPECT_EQ(dram.read(kNextBank + 3 * kNextColumn, 141), 162u);
  EXPECT_EQ(dram.read(kNextBank, 142), 172u) << "two cycles are too few before the second";
}

TEST(BankedDram, ItsBusBoundsTheBandwidth) {
  DramSettings settings = kBanked;
  settings.row_bytes = 1 << 17;
  Dram dram(settings);
  // A line of each channel is asked for in each cycle: four times what the two buses take.
  Cycle last = 0;
  for (std::uint64_t line = 0; line < 4000; ++line) last = dram.read(line, 100 + line / 2);
  EXPECT_EQ(last, 100 + 15 + 14 + 2000 * 4u);
}

TEST(BankedDram, WritesTakeTheBandwidthOfReads) {
  Dram dram(kBanked);
  EXPECT_EQ(dram.write(0, 100), 133u);
  EXPECT_EQ(dram.read(kNextColumn, 100), 137u);
}

TEST(BankedDram, TheWayToTheControllerIsAddedToEachAccess) {
  DramSettings settings = kBanked;
  settings.controller_cycles = 60;
  Dram dram(settings);
  EXPECT_EQ(dram.read(0, 100), 193u);
  EXPECT_EQ(dram.read(kNextColumn, 200), 278u);
}

TEST(BankedDram, CountersStartAgainButRowsStayOpen) {
  Dram dram(kBanked);
  dram.read(0, 100);
  dram.reset_counters();
  EXPECT_EQ(dram.read(kNextColumn, 200), 218u);
  EXPECT_EQ(dram.counters().reads, 1u);
  EXPECT_EQ(dram.counters().row_hits, 1u);
  EXPECT_EQ(dram.counters().row_misses, 0u);
}

}  // namespace
}  // namespace eptsim::mmu
