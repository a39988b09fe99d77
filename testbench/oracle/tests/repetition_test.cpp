#include <gtest/gtest.h>

#include <array>
#include <random>

#include "testbench/oracle/tests/world.hpp"

// A property of every translation, over tables with random damage.
namespace eptsim::oracle::test {
namespace {

std::uint64_t below(std::mt19937_64& random, std::uint64_t limit) { return random() % limit; }

// Bits that hold addresses stay, or tables of one dimension could become pages of the other.
void damage(std::mt19937_64& random, World& world, std::uint64_t address) {
  constexpr std::array<unsigned, 19> numbers{0,  1,  2,  3,  4,  5,  6,  7,  8, 9,
                                             10, 11, 50, 57, 58, 60, 61, 62, 63};
  const unsigned number = numbers[below(random, numbers.size())];
  world.put(address, world.at(address) ^ (std::uint64_t{1} << number));
}

TEST(Repetition, ATranslationDoneAgainGivesTheSameAndWritesNothing) {
  std::mt19937_64 random(1);
  std::array<unsigned, 8> seen{};
  for (unsigned round = 0; round < 20000; ++round) {
    const unsigned guest_levels = below(random, 2) == 0 ? 4 : 5;
    const unsigned ept_levels = below(random, 2) == 0 ? 4 : 5;
    World world(guest_levels, ept_levels, 1 + static_cast<unsigned>(below(random, 3)));
    world.map_data(1 + static_cast<unsigned>(below(random, 3)),
                   1 + static_cast<unsigned>(below(random, 3)));
    const std::uint64_t choice = random();
    if ((choice & 1) != 0) *world.state.eptp |= 0x40;
    world.state.cr4 |= kCr4Cet | ((choice & 2) != 0 ? kCr4Smap | kCr4Smep : 0);
    world.state.controls.mode_based_execute = (choice & 4) != 0;
    world.state.controls.paging_write = (choice & 8) != 0;
    world.state.controls.guest_paging_verification = (choice & 16) != 0;
    world.state.controls.pml = (choice & 32) != 0;
    world.state.controls.ept_violation_ve = (choice & 64) != 0;
    world.state.controls.sub_page_permission = (choice & 128) != 0;
    world.state.ve_info_address = 0x3000;
    world.state.sppt_pointer = 0x4000;
    const Access access{.address = kGva + below(random, 0x1000),
                        .kind = static_cast<Kind>(below(random, 6)),
                        .user = below(random, 2) == 0};
    const Result whole = world.run(access);  // finds the entries to damage
    for (std::uint64_t count = below(random, 4); count > 0 && !whole.references.empty(); --count) {
      damage(random, world, whole.references[below(random, whole.references.size())].address);
    }

    const Result first = world.run(access);
    const Result second = world.run(access);
    ++seen[static_cast<unsigned>(first.outcome)];
    if (first.outcome == Outcome::kVirtualizationException) {
      EXPECT_EQ(second.outcome, Outcome::kEptViolation);
      EXPECT_EQ(second.qualification, first.qualification);
      continue;
    }
    EXPECT_EQ(static_cast<const Page&>(second), static_cast<const Page&>(first)) << round;
    EXPECT_TRUE(second.writes.empty()) << round;
    ASSERT_EQ(second.references.size(), first.references.size()) << round;
    for (std::size_t i = 0; i < first.references.size(); ++i) {
      EXPECT_EQ(second.references[i].address, first.references[i].address);
    }
  }
  for (const Outcome outcome : {Outcome::kTranslated, Outcome::kPageFault, Outcome::kEptViolation,
                                Outcome::kEptMisconfig, Outcome::kVirtualizationException}) {
    EXPECT_GT(seen[static_cast<unsigned>(outcome)], 50U);
  }
}

}  // namespace
}  // namespace eptsim::oracle::test
