#include "mmu_model/word_access.hpp"

#include <gtest/gtest.h>

#include "mmu_model/dram.hpp"

namespace eptsim::mmu {
namespace {

using arch::Hpa;

TEST(WordAccess, SmallStoresChangeTheirBytesAlone) {
  Dram dram(1 << 20);
  dram.write64(Hpa(0x1000), 0x1122'3344'5566'7788);
  write(dram, Hpa(0x1004), 4, 0xaabb'ccdd);
  EXPECT_EQ(dram.read64(Hpa(0x1000)), 0xaabb'ccdd'5566'7788);
  write(dram, Hpa(0x1000), 2, 0xffff'eeee);
  EXPECT_EQ(dram.read64(Hpa(0x1000)), 0xaabb'ccdd'5566'eeee);
  EXPECT_EQ(read(dram, Hpa(0x1004), 4), 0xaabb'ccddu);
  EXPECT_EQ(read(dram, Hpa(0x1002), 2), 0x5566u);
}

TEST(WordAccess, ASwapOfHalfAWordLeavesTheOtherHalf) {
  Dram dram(1 << 20);
  dram.write64(Hpa(0x10), 0x7'0000'0005);
  EXPECT_EQ(compare_exchange(dram, Hpa(0x14), 4, 7, 8), 7u);
  EXPECT_EQ(dram.read64(Hpa(0x10)), 0x8'0000'0005u);
  EXPECT_EQ(compare_exchange(dram, Hpa(0x14), 4, 7, 1), 8u);
  EXPECT_EQ(dram.read64(Hpa(0x10)), 0x8'0000'0005u);
  EXPECT_EQ(compare_exchange(dram, Hpa(0x14), 4, 0xabc'0000'0008, 9), 8u);  // no other bits count
  EXPECT_EQ(dram.read64(Hpa(0x10)), 0x9'0000'0005u);
}

}  // namespace
}  // namespace eptsim::mmu
