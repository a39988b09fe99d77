#include "ept/dump.hpp"

#include <gtest/gtest.h>

#include <sstream>

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

TEST_F(Dump, PrintsTablesAndRunsOfPagesForPeople) {
  EXPECT_EQ(text(),
            "EPTP 0x1000005e: 4 levels, accessed and dirty flags on\n"
            "PML4 at 0x10000000\n"
            "  [0] 0x0: PDPT at 0x10001000 rwxu\n"
            "    [0] 0x0: PD at 0x10002000 rwxu\n"
            "      [0] 0x0: PT at 0x10003000 rwxu\n"
            "        [1] 0x1000..0x1fff -> 0x201000 4K rw-- WB\n"
            "        [2] 0x2000..0x2fff -> 0x202000 4K rw-- WB ACCESSED DIRTY\n"
            "        [3] 0x3000..0x3fff -> 0x203000 4K rw-- WB\n"
            "        [4] 0x4000..0x4fff -> 0x204000 4K r--- WB\n"
            "      [1] 0x200000..0x3fffff -> 0x0 2M rwxu UC IGNORE_PAT\n");
}

TEST_F(Dump, JoinsPagesThatContinueOneAnother) {
  ASSERT_TRUE(machine_.table.clear_flags({Gpa(0), Gpa(kGiB)}).pending.needs_invept());
  EXPECT_NE(text().find("[1..3] 0x1000..0x3fff -> 0x201000 4K rw-- WB\n"), std::string::npos);
}

TEST_F(Dump, PrintsTheSameAsJson) {
  EXPECT_EQ(json(), R"({
  "schema_version": 1,
  "eptp": "0x1000005e",
  "levels": 4,
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
  EXPECT_NE(text().find("-> 0x5000 4K -w-- reserved, misconfigured: 0x5012\n"), std::string::npos);
  EXPECT_NE(text().find("[1] 0x8000000000: PDPT at 0x10000000 rwx-, used before\n"),
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
