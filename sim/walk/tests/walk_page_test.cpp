#include "sim/walk/walk_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "sim/report/tests/document.hpp"
#include "sim/walk/model_engine.hpp"
#include "sim/walk/tests/refused_accesses.hpp"

namespace eptsim::sim {
namespace {

using report::test::Document;
using test::Memory;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::string page_of(const test::World& world, const mmu::Request& request,
                    const std::optional<mmu::MachineSettings>& machine = std::nullopt) {
  const mmu::WalkContext context(world.context);
  Memory memory(world.image);
  WalkAnswer answer;
  ModelEngine(context, memory, 1).answer(request, answer);
  std::optional<OnMachine> on_machine;
  if (machine) {
    Memory anew(world.image);
    on_machine =
        OnMachine{"<m>", walk_on_machine(*machine, context, request, answer.recording, anew)};
  }
  return walk_page(account_of(world.context, request, answer, MemoryImage()), on_machine);
}

test::World world() { return {test::image(), test::context()}; }
mmu::Request read_page() { return test::request(arch::AccessKind::kRead); }

/// Cells of the grid, of one kind.
std::vector<std::string> cells(const Document& page, const std::string& kind) {
  std::vector<std::string> out;
  for (const Document::Element& element : page.elements()) {
    const auto classes = element.attributes.find("class");
    if (element.tag != "td" || classes == element.attributes.end()) continue;
    if ((" " + classes->second + " ").find(" " + kind + " ") != std::string::npos) {
      out.push_back(element.text);
    }
  }
  return out;
}

TEST(WalkPage, HasEveryEntryInTheRowOfItsLevelAndTheColumnOfWhatItLeadsTo) {
  const Document page(page_of(world(), read_page()));
  EXPECT_THAT(page.texts("h1"), ElementsAre("Translated to host-physical 0x20000"));
  EXPECT_THAT(cells(page, "ept"), SizeIs(20));
  EXPECT_THAT(cells(page, "guest"), SizeIs(4));
  EXPECT_THAT(cells(page, "end"), ElementsAre("the data"));
  const auto pdes = page.rows("EPT PDE");
  ASSERT_FALSE(pdes.empty());
  EXPECT_THAT(pdes.front(),
              ElementsAre("EPT PDE", StartsWith("30x3000[0] = 0x4007"), StartsWith("8"),
                          StartsWith("13"), StartsWith("18"), StartsWith("23")));
  const auto entries = page.rows("its entry");
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_THAT(entries.front(), ElementsAre("its entry", StartsWith("50x10000[0] = 0x11007"),
                                           StartsWith("100x11000"), StartsWith("150x12000"),
                                           StartsWith("200x13028[5] = 0x20007"), "the data"));
}

TEST(WalkPage, MarksTheEntryThatDecidesAndSaysWhy) {
  for (const test::Case& it : test::all_cases()) {
    const Document page(page_of(it.world, it.request));
    const std::vector<std::string> headings = page.texts("h1");
    ASSERT_THAT(headings, SizeIs(1));
    const std::vector<std::string> deciding = cells(page, "decides");
    EXPECT_LE(deciding.size(), 1u);
    for (const std::string& cell : deciding) {
      EXPECT_THAT(cell, HasSubstr("decides: " + headings.front()));
    }
    EXPECT_THAT(page.texts("h2"), testing::Contains("Why"));
  }
  test::World refused = world();
  refused.image.ept_page(0x20, 3);
  const Document page(page_of(refused, test::request(arch::AccessKind::kFetch)));
  EXPECT_THAT(cells(page, "decides"), ElementsAre(StartsWith("240x4100[32] = 0x20033")));
  EXPECT_THAT(cells(page, "end"), SizeIs(0));
}

TEST(WalkPage, GivesEachPageOfAnAccessAGridOfItsOwn) {
  test::World both = world();
  both.image.guest_page(6, 0x21007);
  const Document page(page_of(both, {.address = 0x5ffc, .size = 8}));
  EXPECT_THAT(page.rows("its entry"), SizeIs(2));
  EXPECT_THAT(cells(page, "ept"), SizeIs(40));
  EXPECT_THAT(cells(page, "end"), SizeIs(2));
}

TEST(WalkPage, ShowsWhatAMachineReadsAndWhatItIsSpared) {
  mmu::MachineSettings machine;
  machine.walker.ept.at(2) = 4;
  const std::string html = page_of(world(), read_page(), machine);
  const Document page(html);
  EXPECT_THAT(cells(page, "spared"), SizeIs(12));
  EXPECT_THAT(cells(page, "spared").front(), HasSubstr("spared by a structure cache"));
  EXPECT_THAT(cells(page, "guest").front(), HasSubstr("DRAM, 101 cycles"));
  EXPECT_THAT(html, Not(HasSubstr("<m>")));
}

TEST(WalkPage, OfAWalkWithoutEptIsARow) {
  test::World native = world();
  native.context.ept_enabled = false;
  native.context.eptp = 0;
  const Document page(page_of(native, read_page()));
  EXPECT_THAT(cells(page, "ept"), SizeIs(0));
  EXPECT_THAT(cells(page, "guest"), SizeIs(4));
}

TEST(WalkPage, LoadsNothing) {
  for (const test::Case& it : test::all_cases()) {
    const std::string html = page_of(it.world, it.request, mmu::MachineSettings{});
    for (const char* const mark : {"http:", "https:", "src=", "url(", "@import"}) {
      EXPECT_THAT(html, Not(HasSubstr(mark)));
    }
  }
}

}  // namespace
}  // namespace eptsim::sim
