#include "sim/run/memory_hash.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace eptsim::sim {
namespace {

constexpr arch::Hpa kPage(0x7000);

TEST(MemoryHash, IsOfWhatReadsBackAndNotOfHowItCameToBeSo) {
  mmu::Dram one(1 << 20);
  one.write64(kPage, 1);
  one.write64(arch::Hpa(0x3008), 2);
  mmu::Dram other(1 << 24);
  other.write64(arch::Hpa(0x9000), 5);
  other.write64(arch::Hpa(0x3008), 2);
  other.write64(kPage, 1);
  EXPECT_NE(hash_of_memory(one), hash_of_memory(other));
  other.write64(arch::Hpa(0x9000), 0);
  EXPECT_EQ(hash_of_memory(one), hash_of_memory(other)) << "a page of zeros is as good as none";
  EXPECT_EQ(hash_of_memory(one).size(), 32u);
}

TEST(MemoryHash, DependsOnEachWordAndOnWhereItLies) {
  std::set<std::string> hashes;
  mmu::Dram empty(1 << 20);
  hashes.insert(hash_of_memory(empty));
  for (const std::uint64_t at : {0x0, 0x7000, 0x7008, 0x7ff8, 0x8000}) {
    for (const std::uint64_t value : {1, 2}) {
      mmu::Dram memory(1 << 20);
      memory.write64(arch::Hpa(at), value);
      hashes.insert(hash_of_memory(memory));
    }
  }
  EXPECT_EQ(hashes.size(), 11u);
}

}  // namespace
}  // namespace eptsim::sim
