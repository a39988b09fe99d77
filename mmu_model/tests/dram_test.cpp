#include "mmu_model/dram.hpp"

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>

namespace eptsim::mmu {
namespace {

using arch::Hpa;

TEST(Dram, WhatWasNeverWrittenReadsAsZeroAndCostsNothing) {
  const Dram dram(1ull << 52);
  const std::uint64_t empty = dram.resident_bytes();
  EXPECT_EQ(dram.read64(Hpa(0)), 0u);
  EXPECT_EQ(dram.read64(Hpa((1ull << 52) - 8)), 0u);
  EXPECT_EQ(dram.read64(Hpa(~7ull)), 0u);
  EXPECT_EQ(dram.resident_bytes(), empty);
  EXPECT_LT(empty, 4096u);
}

TEST(Dram, KeepsEachWordOfScatteredPages) {
  Dram dram(1ull << 52);
  std::map<std::uint64_t, std::uint64_t> written;
  std::uint64_t x = 1;
  for (int i = 0; i < 20000; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t address = (x >> 12) & ~7ull & ((1ull << (i % 2 == 0 ? 52 : 20)) - 1);
    dram.write64(Hpa(address), x);
    written[address] = x;
  }
  for (const auto& [address, value] : written) EXPECT_EQ(dram.read64(Hpa(address)), value);
}

TEST(Dram, CostsLittleMoreThanItsPagesWhereverTheyLie) {
  Dram dram(1ull << 52);
  constexpr std::uint64_t kPages = 10000;
  for (std::uint64_t i = 0; i < kPages; ++i) dram.write64(Hpa(i << 38 >> 12 << 12), 1);
  EXPECT_GE(dram.resident_bytes(), kPages * 4096);
  EXPECT_LE(dram.resident_bytes(), kPages * 4096 * 102 / 100);
}

TEST(Dram, ASwapStoresOnlyIfTheWordIsTheOneExpected) {
  Dram dram(1 << 20);
  dram.write64(Hpa(0x10), 5);
  EXPECT_EQ(dram.compare_exchange64(Hpa(0x10), 4, 9), 5u);
  EXPECT_EQ(dram.read64(Hpa(0x10)), 5u);
  EXPECT_EQ(dram.compare_exchange64(Hpa(0x10), 5, 9), 5u);
  EXPECT_EQ(dram.read64(Hpa(0x10)), 9u);
}

TEST(Dram, AStoreBeyondTheEndIsAnErrorThatNamesItsAddress) {
  Dram dram(1 << 20);
  EXPECT_TRUE(dram.table_view(Hpa(1 << 20)).empty());
  dram.write64(Hpa((1 << 20) - 8), 1);
  try {
    dram.write64(Hpa(1 << 20), 1);
    FAIL() << "the store was accepted";
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "store to 0x100000, beyond the end of memory at 0x100000");
  }
}

TEST(Dram, AViewOfATableIsTheTableItselfAndOutlivesGrowth) {
  Dram dram(1ull << 40);
  const auto table = dram.table_view(Hpa(0x5000));
  ASSERT_EQ(table.size(), 512u);
  for (std::uint64_t i = 0; i < 1000; ++i) dram.write64(Hpa(i << 20), i);
  table[3] = 42;
  EXPECT_EQ(dram.read64(Hpa(0x5018)), 42u);
  dram.write64(Hpa(0x5020), 43);
  EXPECT_EQ(table[4], 43u);
}

}  // namespace
}  // namespace eptsim::mmu
