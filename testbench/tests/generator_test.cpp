#include "testbench/stimulus/generator.hpp"

#include <gtest/gtest.h>

#include <set>

#include "ept/arch/registers.hpp"
#include "mmu_model/walk/translate.hpp"
#include "testbench/scoreboard/coverage.hpp"
#include "testbench/scoreboard/cross_check.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"
#include "testbench/stimulus/page_parts.hpp"

namespace eptsim::tb {
namespace {

TestCase made(std::uint64_t seed, std::uint64_t number, Features features = {}) {
  Generator generator(seed, features);
  TestCase test;
  generator.make(number, test);
  return test;
}

TEST(Random, ItsNumbersAreThoseOfTheAlgorithmWhateverTheLibrary) {
  Random random(1, 0);
  Random other(1, 1);
  const std::uint64_t first = random.next();
  EXPECT_EQ(first, Random(1, 0).next());
  EXPECT_NE(first, other.next());
  for (unsigned i = 0; i < 100; ++i) {
    const std::uint64_t bit = random.bit_of(0x8000'0000'0010'0004);
    EXPECT_TRUE(bit == 4 || bit == 0x10'0000 || bit == 0x8000'0000'0000'0000) << bit;
  }
}

TEST(Generator, ACaseIsTheSameWhateverWasMadeBeforeIt) {
  Generator generator(7, {});
  TestCase test;
  for (std::uint64_t number = 0; number < 600; ++number) {
    generator.make(number, test);
    if (number % 97 != 0) continue;
    EXPECT_EQ(case_text(test), case_text(made(7, number))) << number;
    EXPECT_EQ(test.timing.seed, made(7, number).timing.seed);
  }
  EXPECT_NE(case_text(made(7, 500)), case_text(made(8, 500)));
}

TEST(Generator, TheDirectedPairsReadAsManyEntriesAsTheirLevelsMake) {
  std::multiset<unsigned> counts;
  for (std::uint64_t number = 0; number < 2 * kPagePairs; ++number) {
    const TestCase test = made(1, number);
    ASSERT_FALSE(mmu::check(test.context)) << number;
    SparseMemory memory;
    memory.load(test.image);
    const auto result = mmu::translate(mmu::WalkContext(test.context), test.request, memory);
    EXPECT_EQ(result.outcome.kind, mmu::OutcomeKind::kTranslated) << number;
    if (number < kPagePairs) counts.insert(result.references);
  }
  // Native walks, then each of 4 and 5 guest levels with each page size under EPT leaves that are
  // 5, 4, 3 (twice each of the last two) and 2 entries deep: (g+1)(h+1)-1.
  std::multiset<unsigned> expected;
  for (const unsigned guest : {4U, 3U, 2U, 5U, 4U, 3U}) {
    expected.insert(guest);
    for (const unsigned ept : {4U, 3U, 2U, 5U, 4U, 3U})
      expected.insert((guest + 1) * (ept + 1) - 1);
  }
  EXPECT_EQ(expected.size(), kPagePairs);
  EXPECT_EQ(counts, expected);
}

TEST(Generator, EachSwapOfALongWalkIsMetByAStore) {
  std::set<unsigned> before;
  for (std::uint64_t number = 2 * kPagePairs; number < 2 * kPagePairs + kMostSwaps; ++number) {
    const TestCase test = made(1, number);
    ASSERT_TRUE(test.store);
    before.insert(test.store->before);
    SharedMemory memory;
    memory.load(test);
    mmu::translate(mmu::WalkContext(test.context), test.request, memory);
    EXPECT_TRUE(memory.store_made() && memory.store_seen()) << number;
  }
  // Some walks have fewer swaps: guest-physical addresses may share their upper EPT entries.
  EXPECT_GT(before.size(), kMostSwaps - 8);
}

TEST(Generator, FeaturesThatAreOffAreNotUsed) {
  Features features = Features::none();
  features.add(Feature::kEpt);
  features.add(Feature::kFaults);
  Generator generator(1, features);
  TestCase test;
  for (std::uint64_t number = 0; number < 3000; ++number) {
    generator.make(number, test);
    const mmu::Context& context = test.context;
    ASSERT_FALSE(mmu::check(context)) << number;
    ASSERT_FALSE(mmu::check(context, test.request)) << number;
    EXPECT_FALSE(context.controls.mode_based_execute);
    EXPECT_FALSE(context.cpu.execute_only);
    EXPECT_FALSE(test.store);
    const mmu::WalkContext walk(context);
    EXPECT_FALSE(walk.ept_accessed_dirty);
    EXPECT_NE(walk.ept_levels, 5U);
    EXPECT_NE(walk.guest_levels, 5U);
    EXPECT_FALSE(walk.smep || walk.smap || walk.lass || walk.user_keys || walk.supervisor_keys);
    const mmu::Controls& controls = context.controls;
    EXPECT_FALSE(controls.pml || controls.sub_page_permission || controls.ept_violation_ve ||
                 controls.hlat || controls.paging_write || controls.guest_paging_verification);
    EXPECT_NE(walk.guest_levels, 2U);
    EXPECT_TRUE(test.request.linear);
    EXPECT_FALSE(test.request.implicit);
    EXPECT_EQ(page_parts(context, test.request).count, 1U);
    EXPECT_FALSE(concerns(Feature::kShadowStacks, test));
    EXPECT_EQ(context.pat, arch::kResetPat);
  }
}

TEST(Generator, WithoutFaultsTablesAreValid) {
  Features features = Features::none();
  for (const Feature feature : {Feature::kEpt, Feature::kFiveLevel, Feature::kLargePages,
                                Feature::kEptAccessedDirty, Feature::kModeBasedExecute}) {
    features.add(feature);
  }
  Generator generator(5, features);
  TestCase test;
  unsigned translated = 0;
  unsigned malformed = 0;
  for (std::uint64_t number = 0; number < 3000; ++number) {
    generator.make(number, test);
    SparseMemory memory;
    memory.load(test.image);
    const auto result = mmu::translate(mmu::WalkContext(test.context), test.request, memory);
    if (result.outcome.kind == mmu::OutcomeKind::kTranslated) ++translated;
    if (result.outcome.kind == mmu::OutcomeKind::kEptMisconfiguration ||
        result.outcome.reason == mmu::Reason::kEptNotPresent ||
        result.outcome.reason == mmu::Reason::kGuestNotPresent ||
        result.outcome.reason == mmu::Reason::kGuestReservedBit) {
      ++malformed;
    }
  }
  // What is refused lacks a right, but for the few walks whose random tables overlap.
  EXPECT_LT(malformed, 30U);
  EXPECT_GT(translated, 2000U);
}

TEST(Generator, EachRefusedCaseBreaksARuleThatBothNoticeAndMostOfTheirRulesAreBroken) {
  Features features;
  Generator generator(6, features);
  TestCase test;
  std::set<std::string> rules;
  unsigned refused = 0;
  for (std::uint64_t number = kDirectedCases; number < 40'000; ++number) {
    generator.make(number, test);
    if (test.origin != "refused") continue;
    ++refused;
    SparseMemory memory;
    memory.load(test.image);
    auto refusal = mmu::check(test.context);
    if (!refusal) refusal = mmu::check(test.context, test.request);
    if (!refusal) {
      mmu::WalkContext context(test.context);
      refusal = mmu::load_pdptes(context, memory);
    }
    ASSERT_TRUE(refusal) << case_text(test);
    rules.insert(refusal->key + refusal->text);
  }
  EXPECT_GT(refused, 400U);
  EXPECT_GT(rules.size(), 30U);
}

TEST(PageParts, AnAccessAcrossAPageIsItsTwoPartsAndWrapsAroundAt32Bits) {
  mmu::Context context;
  const mmu::Request request{.address = 0xffff'fffe, .size = 5};
  const PageParts parts = page_parts(context, request);
  ASSERT_EQ(parts.count, 2U);
  EXPECT_EQ(parts.part[0].size, 2U);
  EXPECT_EQ(parts.part[1].address, 0U);
  EXPECT_EQ(parts.part[1].size, 3U);
  context.efer = arch::efer::kLma.mask();
  EXPECT_EQ(page_parts(context, request).part[1].address, 0x1'0000'0000U);
  EXPECT_EQ(page_parts(context, {.address = 0xfff, .size = 1}).count, 1U);
}

TEST(SharedMemory, TheOutsideStoreComesBeforeItsRequest) {
  TestCase test;
  test.image = {{0x1000, 1}, {0x2000, 2}};
  test.store = OutsideStore{1, {0x1000, 7}};
  SharedMemory memory;
  memory.load(test);
  EXPECT_EQ(memory.read64(arch::Hpa(0x1000)), 1U);
  EXPECT_TRUE(memory.store_seen());
  EXPECT_FALSE(memory.store_made());
  EXPECT_EQ(memory.compare_exchange64(arch::Hpa(0x1000), 1, 3), 7U);
  EXPECT_TRUE(memory.store_made());
  EXPECT_EQ(memory.words().read64(arch::Hpa(0x1000)), 7U);
}

TEST(SparseMemory, TwoDifferAtTheLowestAddressThatDiffers) {
  const std::vector<Word> image{{0x3000, 1}, {0xffff'ffff'f000, 2}};
  SparseMemory one;
  SparseMemory two;
  one.load(image);
  two.load(image);
  EXPECT_FALSE(one.difference(two));
  two.write64(arch::Hpa(0xffff'ffff'f000), 3);
  EXPECT_EQ(one.difference(two), 0xffff'ffff'f000U);
  two.write64(arch::Hpa(0x2000), 5);
  EXPECT_EQ(one.difference(two), 0x2000U);
  EXPECT_EQ(two.difference(one), 0x2000U);
}

/// A 4 MiB page, of a processor with 38 address bits: bits 20:19 of the entry are reserved, 18:13
/// are address bits 37:32.
TEST(ReservedBit, TheOneThatRefusedAWalkIsNamed) {
  mmu::Context context;
  context.cpu.maxphyaddr = 38;
  context.cr0 = arch::cr0::kPg.mask() | arch::cr0::kPe.mask();
  context.cr4 = arch::cr4::kPse.mask();
  mmu::Outcome outcome{.kind = mmu::OutcomeKind::kPageFault,
                       .reason = mmu::Reason::kGuestReservedBit,
                       .place = {.guest_level = 2},
                       .entry = 0x0014'0083};
  ASSERT_TRUE(refused_for(context, outcome));
  EXPECT_EQ(name(*refused_for(context, outcome)), "32-bit L2, page, bit 20");
  outcome.entry |= 1 << 19;
  EXPECT_FALSE(refused_for(context, outcome)) << "which of two can't be said";
  outcome.entry = 0x0004'0083;
  EXPECT_FALSE(refused_for(context, outcome)) << "bit 18 is an address bit";
}

TEST(ReservedBit, EachIsTheOnlyOneInSomeOfAModestNumberOfWalks) {
  Voices voices = built_voices();
  voices.device.reset();
  CrossCheck check(std::move(voices), 2, {});
  EXPECT_FALSE(check.run(60'000));
  const CoverageTable& reserved = check.judge().coverage().reserved;
  ASSERT_EQ(reserved.counts.size(), reserved_bits().size());
  unsigned missed = 0;
  for (std::size_t row = 0; row < reserved.rows.size(); ++row) {
    const ReservedBit bit = reserved_bits()[row];
    missed += reserved.counts[row] == 0;
    if (bit.kind.level != 2 || !bit.kind.leaf || bit.bit > 20) continue;
    EXPECT_GT(reserved.counts[row], 0U) << reserved.rows[row];
  }
  EXPECT_LT(missed, reserved.rows.size() / 10);
}

}  // namespace
}  // namespace eptsim::tb
