#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

// 32-bit and PAE guests, whose few entries are written by hand.
namespace eptsim::oracle::test {
namespace {

constexpr std::uint64_t kDirectory = 0x3000, kTable = 0x4000;

// Linear address 0x40c05678: PDPTE 1; PAE entries 6 and 5; 32-bit entries 0x103 and 5.
constexpr std::uint64_t kLinear = 0x40c05678;

World pae_world(bool ept) {
  World world(0, ept ? 4 : 0);
  world.state.cr0 = kCr0;
  world.state.efer = 0x800;
  world.state.cr3 = 0x2020;
  for (const std::uint64_t page : {0x2000U, 0x3000U, 0x4000U}) {
    if (ept) world.map_ept(page, world.host(page));
  }
  if (ept) {
    world.state.pdptes[1] = kDirectory | 1;
  } else {
    world.put(0x2028, kDirectory | 1);
  }
  world.put(world.host(kDirectory + 6 * 8), kTable | 0x27);
  world.put(world.host(kTable + 5 * 8), 0x1234567000 | 0x67);
  return world;
}

World plain_world(bool ept) {
  World world(0, ept ? 4 : 0);
  world.state.cr0 = kCr0;
  world.state.cr4 = 0;
  world.state.cr3 = kDirectory;
  if (ept) {
    for (const std::uint64_t page : {kDirectory, kTable}) world.map_ept(page, world.host(page));
  }
  const auto put_half = [&](std::uint64_t gpa, std::uint64_t value) {
    const std::uint64_t word = world.host(gpa & ~std::uint64_t{7});
    world.put(word, world.at(word) | value << (gpa % 8 * 8));
  };
  put_half(kDirectory + 0x103 * 4, kTable | 0x27);
  put_half(kTable + 5 * 4, 0x89abc067);
  return world;
}

constexpr Access kRead{.address = kLinear};

TEST(LegacyPaging, APaeWalkReadsTwoEntriesAndNoPdpte) {
  World native = pae_world(false);
  const Result alone = native.run(kRead);
  EXPECT_EQ(alone.outcome, Outcome::kTranslated);
  EXPECT_EQ(alone.hpa, 0x1234567678U);
  const std::vector<Reference> expected{{Structure::kGuest, 2, kDirectory + 48, kTable | 0x27},
                                        {Structure::kGuest, 1, kTable + 40, 0x1234567067}};
  EXPECT_EQ(alone.references, expected);

  World nested = pae_world(true);
  nested.map_ept(0x1234567000, 0x5000);
  const Result over_ept = nested.run(kRead);
  EXPECT_EQ(over_ept.gpa, 0x1234567678U);
  EXPECT_EQ(over_ept.hpa, 0x5678U);
  EXPECT_EQ(over_ept.references.size(), 14U);
}

TEST(LegacyPaging, AnAbsentPdpteIsAPageFaultWithoutReferences) {
  for (const bool ept : {false, true}) {
    World world = pae_world(ept);
    const Result result = world.run({.address = 0x80000000, .kind = Kind::kWrite, .user = true});
    EXPECT_EQ(result.outcome, Outcome::kPageFault);
    EXPECT_EQ(result.error_code, 6U);
    EXPECT_TRUE(result.references.empty());
  }
}

TEST(LegacyPaging, PaeReservesTheBitsThatLongModeIgnores) {
  for (unsigned number = 46; number <= 62; ++number) {
    World world = pae_world(false);
    world.put(kTable + 40, 0x1234567067 | (std::uint64_t{1} << number));
    EXPECT_EQ(world.run(kRead).error_code, 9U) << number;
  }
  World world = pae_world(false);
  world.put(kDirectory + 48, 0x1234400000 | 0xe7);
  const Result large = world.run(kRead);  // PSE is ignored
  EXPECT_EQ(large.hpa, 0x1234405678U);
  EXPECT_EQ(large.guest_page_size, 0x200000U);
  for (unsigned number = 13; number <= 20; ++number) {
    world.put(kDirectory + 48, 0x1234400000 | 0xe7 | (std::uint64_t{1} << number));
    EXPECT_EQ(world.run(kRead).error_code, 9U) << number;
  }
  world.put(kDirectory + 48, kTable | 0x27);
  world.put(kTable + 40, 0x1234567067 | (std::uint64_t{1} << 63));
  EXPECT_EQ(world.run(kRead).outcome, Outcome::kTranslated);
  EXPECT_EQ(world.run({.address = kLinear, .kind = Kind::kFetch}).error_code, 0x11U);
  world.state.efer = 0;
  EXPECT_EQ(world.run(kRead).error_code, 9U);
}

TEST(LegacyPaging, ProtectionKeysAndHlatAreForLongModeOnly) {
  World keys = pae_world(true);
  keys.map_ept(0x1234567000, 0x5000);
  keys.state.cr4 |= kCr4Pke | kCr4Pks;
  keys.state.pkru = keys.state.pkrs = 0xffffffff;
  keys.state.controls.hlat = true;
  EXPECT_EQ(keys.run(kRead).outcome, Outcome::kTranslated);
}

TEST(LegacyPaging, A32BitWalkReadsTwoEntriesOfFourBytes) {
  World native = plain_world(false);
  const Result alone = native.run(kRead);
  EXPECT_EQ(alone.hpa, 0x89abc678U);
  const std::vector<Reference> expected{{Structure::kGuest, 2, 0x340c, kTable | 0x27},
                                        {Structure::kGuest, 1, 0x4014, 0x89abc067}};
  EXPECT_EQ(alone.references, expected);

  World nested = plain_world(true);
  nested.map_ept(0x89abc000, 0x5000);
  EXPECT_EQ(nested.run(kRead).hpa, 0x5678U);
  EXPECT_EQ(nested.run(kRead).references.size(), 14U);
}

TEST(LegacyPaging, A32BitFlagUpdateLeavesTheNeighbouringEntryAlone) {
  World world = plain_world(false);
  world.put(0x4010, 0x89abc00711223344);
  const Result result = world.run({.address = kLinear, .kind = Kind::kWrite});
  const std::vector<Write> expected{{0x4014, 4, 0x89abc027}, {0x4014, 4, 0x89abc067}};
  EXPECT_EQ(result.writes, expected);
  EXPECT_EQ(world.at(0x4010), 0x89abc06711223344U);
}

TEST(LegacyPaging, FourMegabytePagesHoldHighAddressBitsWithPse) {
  World world = plain_world(false);
  const auto directory = [&](std::uint64_t entry) { world.put(0x3408, entry << 32); };
  directory(0x40000000 | (0x3fU << 13) | 0xe7);
  EXPECT_EQ(world.run(kRead).outcome, Outcome::kPageFault);  // PSE off: a table that isn't there
  EXPECT_EQ(world.run(kRead).references.size(), 2U);
  world.state.cr4 = 0x10;
  const Result result = world.run(kRead);
  EXPECT_EQ(result.hpa, (std::uint64_t{0x3f} << 32) | 0x40005678);
  EXPECT_EQ(result.guest_page_size, 0x400000U);
  EXPECT_EQ(result.page_size, 0x400000U);
  directory(0x40000000 | (1U << 21) | 0xe7);
  EXPECT_EQ(world.run(kRead).error_code, 9U);
  world.state.cpu.maxphyaddr = 36;
  directory(0x40000000 | (1U << 16) | 0xe7);
  EXPECT_EQ(world.run(kRead).hpa, 0x840005678U);
  directory(0x40000000 | (1U << 17) | 0xe7);
  EXPECT_EQ(world.run(kRead).error_code, 9U);
}

TEST(LegacyPaging, SmepAndSmapHoldIn32BitPagingAndFetchIsReportedForSmepOnly) {
  World world = plain_world(false);
  const Access fetch{.address = kLinear, .kind = Kind::kFetch};
  world.put(0x4010, std::uint64_t{0x89abc066} << 32);
  EXPECT_EQ(world.run(fetch).error_code, 0U);
  world.put(0x4010, std::uint64_t{0x89abc067} << 32);
  EXPECT_EQ(world.run(fetch).outcome, Outcome::kTranslated);
  world.put(0x4010, std::uint64_t{0x89abc063} << 32);
  const Access user_fetch{.address = kLinear, .kind = Kind::kFetch, .user = true};
  world.state.efer = 0x800;  // NXE has no meaning here
  EXPECT_EQ(world.run(user_fetch).error_code, 5U);
  world.put(0x4010, std::uint64_t{0x89abc067} << 32);
  world.state.cr4 = kCr4Smep | kCr4Smap;
  EXPECT_EQ(world.run(fetch).error_code, 0x11U);
  EXPECT_EQ(world.run(kRead).error_code, 1U);
}

}  // namespace
}  // namespace eptsim::oracle::test
