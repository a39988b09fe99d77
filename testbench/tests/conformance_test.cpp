#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "testbench/conformance/guest_paging_matrix.hpp"
#include "testbench/conformance/suite.hpp"
#include "testbench/tests/mutant_walker.hpp"

namespace eptsim::tb::conformance {
namespace {

std::string text_of(const Report& report) {
  std::string text;
  for (const Failure& failure : report.failures) {
    text += failure.family + ", " + failure.voice + ": " + failure.vector + "\n";
    for (const Difference& difference : failure.differences) {
      text += "    " + difference.field + ": expected " + difference.expected + ", got " +
              difference.got + "\n";
    }
  }
  return text;
}

void expect_all_passed(const Report& report) {
  EXPECT_TRUE(report.passed()) << text_of(report);
  for (const FamilyResult& family : report.families) {
    for (std::size_t i = 0; i < family.voices.size(); ++i) {
      const Count& count = family.voices[i];
      EXPECT_EQ(count.failed, 0U) << family.family << ", " << report.voices[i];
      EXPECT_EQ(count.not_yet, 0U) << family.family << ", " << report.voices[i];
      EXPECT_EQ(count.passed + count.not_applicable + count.left_out, family.vectors);
    }
  }
}

class ConformanceFamily : public testing::TestWithParam<Family> {};

TEST_P(ConformanceFamily, IsPassedByEveryVoice) {
  Suite suite(built_voices());
  suite.run(GetParam());
  expect_all_passed(suite.report());
  const std::vector<Count>& voices = suite.report().families.front().voices;
  EXPECT_GT(voices.front().passed, 100U);
}

INSTANTIATE_TEST_SUITE_P(Conformance, ConformanceFamily,
                         testing::ValuesIn(families().begin(), families().end()),
                         [](const testing::TestParamInfo<Family>& family) {
                           return std::string(family.param.name);
                         });

class ConformanceProcedure : public testing::TestWithParam<Procedure> {};

TEST_P(ConformanceProcedure, IsPassedByTheProcessor) {
  Suite suite(built_voices());
  suite.run(GetParam());
  expect_all_passed(suite.report());
  EXPECT_GT(suite.report().families.front().voices.back().passed, 50U);
}

INSTANTIATE_TEST_SUITE_P(Conformance, ConformanceProcedure,
                         testing::ValuesIn(procedures().begin(), procedures().end()),
                         [](const testing::TestParamInfo<Procedure>& procedure) {
                           return std::string(procedure.param.name);
                         });

TEST(Conformance, NamesOfVectorsTellThemApart) {
  for (const Family& family : families()) {
    std::set<std::string> names;
    std::uint64_t vectors = 0;
    std::string twice;
    family.generate([&](const Vector& vector) {
      ++vectors;
      if (!names.insert(vector.name).second) twice = vector.name;
    });
    EXPECT_EQ(names.size(), vectors) << family.name << ": " << twice;
  }
}

TEST(Conformance, NoImageHasAnAddressTwice) {
  for (const Family& family : families()) {
    family.generate([&](const Vector& vector) {
      std::set<std::uint64_t> addresses;
      for (const Word& word : vector.image) addresses.insert(word.address);
      ASSERT_EQ(addresses.size(), vector.image.size()) << vector.name;
    });
  }
}

TEST(GuestPagingMatrix, APartOfItIsPassedByEveryVoice) {
  Suite suite(built_voices());
  suite.run_guest_paging(Strides::part());
  expect_all_passed(suite.report());
}

TEST(GuestPagingMatrix, ItsCombinationsAreThoseThatMeanSomething) {
  // Of 2^30: three quarters are left by kinds of access, of PDEs a quarter leads to tables, and a
  // half maps pages, which have one PTE instead of 256.
  const std::uint64_t entries = 256 * 256 + 512;
  EXPECT_EQ(GuestPagingMatrix::kVectors, entries * 2 * 8 * (2 * 3 * 2) * 16);
  EXPECT_EQ(GuestPagingMatrix::kVectors, 202'899'456U);
  EXPECT_EQ(GuestPagingMatrix::kCombinations - GuestPagingMatrix::kVectors, 870'842'368U);

  std::array<bool, 12> seen{};
  for (std::uint64_t pair = 0; pair < GuestPagingMatrix::kPairs; pair += 9973) {
    const PagingCase c = GuestPagingMatrix::case_of(pair);
    ASSERT_FALSE(c.write && c.fetch);
    ASSERT_FALSE(c.pde_bit_13 && !c.pde_large);
    const bool now[] = {c.pte.present, c.pde.bit_51, c.pde_large, c.pde_bit_13, c.key,  c.ad,
                        c.wd,          c.user,       c.nxe,       c.wp,         c.smep, c.pke};
    for (unsigned i = 0; i < seen.size(); ++i) seen[i] = seen[i] || now[i];
  }
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](bool one) { return one; }));
  const PagingCase first = GuestPagingMatrix::case_of(0);
  EXPECT_FALSE(first.pde.present || first.pke);
  const PagingCase last = GuestPagingMatrix::case_of(GuestPagingMatrix::kPairs - 1);
  EXPECT_TRUE(last.pde_large && last.pde.bit_36 && last.pde_bit_13 && last.pke && last.smep);
}

// The rules against a few cases that anyone can work out.
TEST(GuestPagingRules, ASupervisorWriteToAReadOnlyPageDependsOnWp) {
  PagingCase c{};
  c.pde.present = c.pte.present = c.pde.writable = true;
  c.write = true;
  EXPECT_FALSE(judge(c).fault);
  EXPECT_TRUE(judge(c).pte_dirty);
  EXPECT_FALSE(judge(c).pde_dirty);
  c.wp = true;
  EXPECT_TRUE(judge(c).fault);
  EXPECT_EQ(judge(c).error_code, 0x3U);
  EXPECT_TRUE(judge(c).pte_accessed);
  EXPECT_FALSE(judge(c).pte_dirty);
}

TEST(GuestPagingRules, AnAbsentEntryHidesItsReservedBitsAndThoseBelow) {
  PagingCase c{};
  c.pde.bit_51 = c.pte.bit_51 = c.pte.present = true;
  EXPECT_EQ(judge(c).error_code, 0x0U);
  c.pde.present = true;
  EXPECT_EQ(judge(c).error_code, 0x9U);
  EXPECT_FALSE(judge(c).pde_accessed);
  c.pde.bit_51 = false;
  EXPECT_EQ(judge(c).error_code, 0x9U);
  EXPECT_TRUE(judge(c).pde_accessed);
  EXPECT_FALSE(judge(c).pte_accessed);
}

// ---- a bug in a voice is found ----------------------------------------------------------------

/// Failures of the clocked model, when it is one with a bug, in the named families.
std::uint64_t failures_of(std::unique_ptr<mmu::WalkerUnit> mutant,
                          std::initializer_list<std::string_view> names) {
  Voices voices = built_voices();
  voices.model = std::move(mutant);
  voices.device.reset();
  Suite suite(std::move(voices));
  for (const Family& family : families()) {
    if (std::find(names.begin(), names.end(), family.name) != names.end()) suite.run(family);
  }
  std::uint64_t failed = 0;
  for (const FamilyResult& family : suite.report().families) {
    EXPECT_EQ(family.voices[0].failed, 0U);
    failed += family.voices[1].failed;
  }
  EXPECT_EQ(failed == 0, suite.report().passed());
  return failed;
}

TEST(ConformanceOfABug, AContextReadWronglyIsFound) {
  struct Case {
    const char* bug;
    std::string_view family;
    void (*change)(mmu::Context&);
  };
  const Case cases[] = {
      {"execute-only always allowed", "ept_data_page",
       [](mmu::Context& c) { c.cpu.execute_only = true; }},
      {"no EPT A/D", "accessed_dirty", [](mmu::Context& c) { c.eptp &= ~std::uint64_t{0x40}; }},
      {"no 1 GiB pages", "nested_references", [](mmu::Context& c) { c.cpu.page_1g = false; }},
      {"SMAP forgets AC", "guest_rights", [](mmu::Context& c) { c.rflags_ac = false; }},
      {"one bit of width too much", "guest_reserved_bits",
       [](mmu::Context& c) { c.cpu.maxphyaddr += c.cpu.maxphyaddr < 52 ? 1 : 0; }},
      {"caches never off", "memory_types",
       [](mmu::Context& c) { c.cr0 &= ~std::uint64_t{0x40000000}; }},
      {"the log's index off by one", "page_modification_log",
       [](mmu::Context& c) { c.pml_index = static_cast<std::uint16_t>(c.pml_index - 1); }},
      {"HLAT for the upper half alone", "hlat", [](mmu::Context& c) { c.hlat_prefix_size = 1; }},
      {"no verification", "guest_paging_verification",
       [](mmu::Context& c) { c.controls.guest_paging_verification = false; }},
      {"no sub-page permissions", "sub_page_permission",
       [](mmu::Context& c) { c.controls.sub_page_permission = false; }},
      {"bit 7 of the EPTP ignored", "supervisor_shadow_stack",
       [](mmu::Context& c) { c.eptp &= ~std::uint64_t{0x80}; }},
  };
  for (const Case& each : cases) {
    EXPECT_GT(failures_of(MutantWalker::of_context(each.change), {each.family}), 0U) << each.bug;
  }
}

TEST(ConformanceOfABug, AnAnswerThatIsSlightlyWrongIsFound) {
  const auto mutant = [](void (*change)(mmu::Outcome&)) {
    return MutantWalker::of_outputs([change](mmu::WalkerOutputs& outputs) {
      if (outputs.response) change(outputs.response->outcome);
    });
  };
  EXPECT_GT(failures_of(mutant([](mmu::Outcome& o) { o.qualification &= ~kPx; }),
                        {"ept_data_page", "guest_table_page"}),
            1000U);
  EXPECT_GT(failures_of(mutant([](mmu::Outcome& o) { o.gpa &= ~std::uint64_t{0xfff}; }),
                        {"ept_data_page"}),
            1000U);
  EXPECT_GT(failures_of(mutant([](mmu::Outcome& o) { o.error_code &= ~0x80U; }), {"hlat"}), 20U);
  EXPECT_GT(
      failures_of(mutant([](mmu::Outcome& o) { o.page_size = arch::PageSize::k1G; }), {"hlat"}),
      5U);
}

TEST(ConformanceOfABug, AStoreThatIsLostIsFound) {
  const auto mutant = [] {
    // Dirty flags of EPT leaves are never asked for.
    return MutantWalker::of_outputs([](mmu::WalkerOutputs& outputs) {
      if (outputs.memory && outputs.memory->kind == mmu::StepKind::kCompareExchange &&
          !outputs.memory->place.is_guest_entry()) {
        outputs.memory->desired &= ~std::uint64_t{0x200};
      }
    });
  };
  EXPECT_GT(failures_of(mutant(), {"accessed_dirty"}), 10U);
  EXPECT_GT(failures_of(mutant(), {"guest_table_page"}), 10U);
}

TEST(ConformanceOfABug, AWrongRightIsFoundInThePartOfTheMatrix) {
  Voices voices = built_voices();
  voices.device.reset();
  voices.model = MutantWalker::of_context(
      [](mmu::Context& c) { c.cr4 &= ~std::uint64_t{1U << 20}; });  // no SMEP
  Suite suite(std::move(voices));
  suite.run_guest_paging({.step_machine = 10007, .clocked_model = 1009, .oracle = 10007});
  for (const FamilyResult& family : suite.report().families) {
    EXPECT_EQ(family.voices[0].failed, 0U);
    EXPECT_GT(family.voices[1].failed, 1000U);
    EXPECT_EQ(family.voices[2].failed, 0U);
  }
}

}  // namespace
}  // namespace eptsim::tb::conformance
