#include "ept/dump.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "ept/tests/table_fixture.hpp"

namespace eptsim::ept::test {
namespace {

using arch::Gpa;
using arch::Hpa;
using arch::PageSize;

class Dump : public testing::Test {
 protected:
  Dump() : machine_({.accessed_dirty = true}) {
    ExtendedPageTable& table = machine_.table;
    expect_done(table.map_range(Gpa(0x1000), Hpa(0x20'1000), 0x3000, kReadWrite));
    expect_done(table.map(Gpa(0x4000), Hpa(0x20'4000), kReadOnly));
    expect_done(table.map(
        Gpa(2 * kMiB), Hpa(0), kAllAccess,
        {.size = PageSize::k2M, .memory_type = arch::MemoryType::kUC, .ignore_pat = true}));
    auto entry = table.walk(Gpa(0x2000))->entry;
    entry.store(entry.load() | 0x300);
  }
  std::string text() const {
    std::ostringstream out;
    dump_text(out, machine_.memory, machine_.table.eptp(), machine_.table.settings());
    return out.str();
  }
  std::string json() const {
    std::ostringstream out;
    dump_json(out, machine_.memory, machine_.table.eptp(), machine_.table.settings());
    return out.str();
  }
  Machine machine_;
};

/// Without the spaces between columns.
std::string squeezed(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ' || (!result.empty() && result.back() != ' ' && result.back() != '\n')) result += c;
  }
  return result;
}

TEST_F(Dump, PrintsTablesAndRunsOfPagesForPeople) {
  EXPECT_EQ(
      text(),
      "EPTP 0x1000005e: 4 levels, accessed and dirty flags on\n"
      "rights of each entry: r read, w write, x execute, u bit 10 (ignored without mode-based "
      "execute control)\n"
      "table or entries      guest-physical                  host-physical             pages  "
      "rights  type      flags\n"
      "PML4                                                  0x000010000000\n"
      "  [0] PDPT            0x000000000000                  0x000010001000                   "
      "rwxu\n"
      "    [0] PD            0x000000000000                  0x000010002000                   "
      "rwxu\n"
      "      [0] PT          0x000000000000                  0x000010003000                   "
      "rwxu\n"
      "        [1]           0x000000001000..0x000000001fff  0x000000201000           1 x 4K  "
      "rw--    WB\n"
      "        [2]           0x000000002000..0x000000002fff  0x000000202000           1 x 4K  "
      "rw--    WB        ACCESSED DIRTY\n"
      "        [3]           0x000000003000..0x000000003fff  0x000000203000           1 x 4K  "
      "rw--    WB\n"
      "        [4]           0x000000004000..0x000000004fff  0x000000204000           1 x 4K  "
      "r---    WB\n"
      "      [1]             0x000000200000..0x0000003fffff  0x000000000000           1 x 2M  "
      "rwxu    UC        IGNORE_PAT\n");
}

TEST_F(Dump, SaysWhatBit10MeansWithModeBasedExecuteControl) {
  Machine m({.mode_based_execute = true});
  std::ostringstream out;
  dump_text(out, m.memory, m.table.eptp(), m.table.settings());
  EXPECT_NE(out.str().find("\nrights of each entry: r read, w write, x execute at supervisor-mode "
                           "addresses, u at user-mode ones\n"),
            std::string::npos);
}

TEST_F(Dump, JoinsPagesThatContinueOneAnother) {
  ASSERT_TRUE(machine_.table.clear_flags({Gpa(0), Gpa(kGiB)}).pending.needs_invept());
  EXPECT_NE(squeezed(text()).find(
                "[1..3] 0x000000001000..0x000000003fff 0x000000201000 3 x 4K rw-- WB\n"),
            std::string::npos);
}

TEST_F(Dump, JoinsPagesOverTablesAndLeavesOutTablesThatOnlyGoOn) {
  Machine m;
  // From the middle of one table, over two whole ones, into a fourth, which has something else too.
  // (Host memory lies a page further, so that no page can be large.)
  expect_done(m.table.map_range(Gpa(kMiB), Hpa(kMiB + 0x1000), 6 * kMiB, kReadWrite, {}));
  expect_done(m.table.map(Gpa(7 * kMiB), Hpa(0), kReadOnly));
  std::ostringstream out;
  dump_text(out, m.memory, m.table.eptp(), m.table.settings());
  const std::string text = squeezed(out.str());
  EXPECT_NE(text.find("[0] PT 0x000000000000 0x000010003000 rwxu\n"
                      "[256]..[255] 0x000000100000..0x0000006fffff 0x000000101000 1,536 x 4K rw-- "
                      "WB in 4 tables\n"
                      "[3] PT 0x000000600000 0x000010006000 rwxu\n"
                      "[256] 0x000000700000..0x000000700fff 0x000000000000 1 x 4K r--- WB\n"),
            std::string::npos)
      << text;
  // JSON lists every table.
  std::ostringstream json;
  dump_json(json, m.memory, m.table.eptp(), m.table.settings());
  EXPECT_NE(json.str().find("\"address\": \"0x10005000\", \"gpa\": \"0x400000\", \"entries\": 512"),
            std::string::npos);
}

TEST_F(Dump, DoesNotJoinPagesWhoseTablesGiveOtherRights) {
  Machine m;
  expect_done(m.table.map_range(Gpa(0), Hpa(0x1000), 4 * kMiB, kReadWrite, {}));
  const Hpa pde = m.table.root() + 0x2000 + 8;
  m.memory.write64(pde, m.memory.read64(pde) & ~std::uint64_t{2});
  std::ostringstream out;
  dump_text(out, m.memory, m.table.eptp(), m.table.settings());
  const std::string text = squeezed(out.str());
  EXPECT_NE(text.find("512 x 4K rw-- WB\n[1] PT 0x000000200000 0x000010004000 r-xu\n[0..511] "),
            std::string::npos)
      << text;
}

TEST_F(Dump, EndsAtItsLimitAndSaysWhere) {
  std::ostringstream out;
  EXPECT_EQ(dump_text(out, machine_.memory, machine_.table.eptp(), machine_.table.settings(),
                      {.most_lines = 6}),
            0x3000u);
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 9) << "three of heading, six lines";
  std::ostringstream json;
  EXPECT_TRUE(dump_json(json, machine_.memory, machine_.table.eptp(), machine_.table.settings(),
                        {.most_lines = 6}));
  EXPECT_NE(json.str().find("\"complete\": false"), std::string::npos);
}

TEST_F(Dump, NamesTablesOutsideMemoryAndGoesIntoNone) {
  std::ostringstream out;
  dump_text(out, machine_.memory, machine_.table.eptp(), machine_.table.settings(),
            {.holds = [](Hpa address) { return address < Hpa(0x1000'2000); }});
  EXPECT_NE(squeezed(out.str()).find("[0] PD 0x000000000000 0x000010002000 rwxu outside memory\n"),
            std::string::npos)
      << out.str();
  EXPECT_EQ(out.str().find("4K"), std::string::npos);
}

TEST_F(Dump, HasColourOnlyOnDemand) {
  EXPECT_EQ(text().find('\x1b'), std::string::npos);
  std::ostringstream out;
  dump_text(out, machine_.memory, machine_.table.eptp(), machine_.table.settings(),
            {.colour = true});
  EXPECT_NE(out.str().find("\x1b[36m"), std::string::npos);
}

TEST_F(Dump, PrintsTheSameAsJson) {
  EXPECT_EQ(json(), R"({
  "schema_version": 1,
  "eptp": "0x1000005e",
  "levels": 4,
  "complete": true,
  "tables": [
    {"level": 4, "address": "0x10000000", "gpa": "0x0", "entries": 1},
    {"level": 3, "address": "0x10001000", "gpa": "0x0", "entries": 1},
    {"level": 2, "address": "0x10002000", "gpa": "0x0", "entries": 2},
    {"level": 1, "address": "0x10003000", "gpa": "0x0", "entries": 4}
  ],
  "mappings": [
    {"gpa": "0x1000", "hpa": "0x201000", "bytes": 4096, "page_size": "4K", "permission": "rw--", "memory_type": "WB", "flags": [], "misconfigured": false},
    {"gpa": "0x2000", "hpa": "0x202000", "bytes": 4096, "page_size": "4K", "permission": "rw--", "memory_type": "WB", "flags": ["ACCESSED", "DIRTY"], "misconfigured": false},
    {"gpa": "0x3000", "hpa": "0x203000", "bytes": 4096, "page_size": "4K", "permission": "rw--", "memory_type": "WB", "flags": [], "misconfigured": false},
    {"gpa": "0x4000", "hpa": "0x204000", "bytes": 4096, "page_size": "4K", "permission": "r---", "memory_type": "WB", "flags": [], "misconfigured": false},
    {"gpa": "0x200000", "hpa": "0x0", "bytes": 2097152, "page_size": "2M", "permission": "rwxu", "memory_type": "UC", "flags": ["IGNORE_PAT"], "misconfigured": false}
  ]
}
)");
}

TEST_F(Dump, MarksWhatIsMisconfiguredAndEndsInACircle) {
  machine_.table.walk(Gpa(0x1000))->entry.store(0x5012);
  machine_.memory.write64(machine_.table.root() + 8, machine_.table.root().value() | 7);
  EXPECT_NE(squeezed(text()).find("0x000000005000 1 x 4K -w-- reserved misconfigured: 0x5012\n"),
            std::string::npos);
  EXPECT_NE(squeezed(text()).find("[1] PDPT 0x008000000000 0x000010000000 rwx- used before\n"),
            std::string::npos);
  EXPECT_NE(json().find("\"memory_type\": \"reserved\", \"flags\": [], \"misconfigured\": true"),
            std::string::npos);
}

TEST(DumpOfNothing, IsAnEmptyTable) {
  Machine m;
  std::ostringstream out;
  dump_json(out, m.memory, m.table.eptp(), m.table.settings());
  EXPECT_NE(out.str().find("\"mappings\": [\n  ]"), std::string::npos);
}

}  // namespace
}  // namespace eptsim::ept::test
