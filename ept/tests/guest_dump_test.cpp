#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "ept/dump.hpp"
#include "ept/tests/table_fixture.hpp"

namespace eptsim::ept::test {
namespace {

using arch::Gpa;
using arch::Hpa;

/// Guest tables written by hand, at 0x1000 to 0x4fff.
class GuestDump : public testing::Test {
 protected:
  void write(std::uint64_t address, std::uint64_t value) { memory_.write64(Hpa(address), value); }

  /// The lines below the headings, without the spaces between columns.
  std::string lines(const GuestRoot& guest, const DumpOptions& options = {},
                    const Settings& settings = {}) const {
    std::ostringstream out;
    dump_guest_text(out, memory_, guest, settings, options);
    std::string text = out.str();
    text.erase(0, text.find("\nP") + 1);
    std::string result;
    for (const char c : text) {
      if (c != ' ' || (!result.empty() && result.back() != ' ' && result.back() != '\n')) {
        result += c;
      }
    }
    return result;
  }

  SparseMemory memory_;
};

TEST_F(GuestDump, PrintsFourLevelsWithTheUpperHalfAtTheTop) {
  write(0x1000, 0x2067);
  write(0x1ff8, 0x2063);  // the same table again, from the kernel's half
  write(0x2000, 0x3027);
  write(0x2008, 0x4000'01e3);  // 1 GiB, global
  write(0x3000, 0x4007);
  write(0x3008, 0x8000'0000'0020'0087);  // 2 MiB, execute-disable
  write(0x4000, 0x2800'0000'0000'9025);  // key 5, read-only, accessed
  write(0x4008, 0xa01b);                 // PAT index 3
  EXPECT_EQ(lines({.cr3 = 0x1018}),
            "PML4 0x000000001000\n"
            "[0] PDPT 0x0000000000000000 0x000000002000 rwxu ACCESSED\n"
            "[0] PD 0x0000000000000000 0x000000003000 rwxu ACCESSED\n"
            "[0] PT 0x0000000000000000 0x000000004000 rwxu\n"
            "[0] 0x0000000000000000..0x0000000000000fff 0x000000009000 1 x 4K r-xu PAT0 ACCESSED "
            "KEY5\n"
            "[1] 0x0000000000001000..0x0000000000001fff 0x00000000a000 1 x 4K rwx- PAT3\n"
            "[1] 0x0000000000200000..0x00000000003fffff 0x000000200000 1 x 2M rw-u PAT0\n"
            "[1] 0x0000000040000000..0x000000007fffffff 0x000040000000 1 x 1G rwx- PAT0 ACCESSED "
            "DIRTY GLOBAL\n"
            "[511] PDPT 0xffffff8000000000 0x000000002000 rwx- ACCESSED used before\n");
}

TEST_F(GuestDump, PrintsFiveLevels) {
  write(0x1ff8, 0x2003);
  write(0x2ff8, 0x3003);
  write(0x3ff8, 0x83);
  EXPECT_EQ(lines({.cr3 = 0x1000, .mode = PagingMode::k5Level}),
            "PML5 0x000000001000\n"
            "[511] PML4 0xffff000000000000 0x000000002000 rwx-\n"
            "[511] PDPT 0xffffff8000000000 0x000000003000 rwx-\n"
            "[511] 0xffffffffc0000000..0xffffffffffffffff 0x000000000000 1 x 1G rwx- PAT0\n");
}

TEST_F(GuestDump, PrintsPaeTablesFromFourEntries) {
  write(0x1020, 0x2001);
  write(0x1038, 0x3001);
  write(0x1040, 0x4001);  // behind the fourth
  write(0x2000, 0x20'0083);
  write(0x3ff8, 0x40'0087);
  EXPECT_EQ(lines({.cr3 = 0x1020, .mode = PagingMode::kPae}),
            "PDPT 0x000000001020\n"
            "[0] PD 0x00000000 0x000000002000 rwxu\n"
            "[0] 0x00000000..0x001fffff 0x000000200000 1 x 2M rwx- PAT0\n"
            "[3] PD 0xc0000000 0x000000003000 rwxu\n"
            "[511] 0xffe00000..0xffffffff 0x000000400000 1 x 2M rwxu PAT0\n");
}

TEST_F(GuestDump, PrintsTablesOf32BitsWithLargePagesAboveFourGigabytes) {
  write(0x1000, 0x0040'0083'0000'2007);  // a table; 4 MiB
  write(0x1008, 0x0080'2083);            // 4 MiB at 4 GiB and 8 MiB (PSE-36)
  write(0x2000, 0x0000'6007'0000'5007);
  GuestRoot guest{.cr3 = 0x1000, .mode = PagingMode::k32Bit};
  EXPECT_EQ(lines(guest),
            "PD 0x000000001000\n"
            "[0] PT 0x00000000 0x000000002000 rwxu\n"
            "[0..1] 0x00000000..0x00001fff 0x000000005000 2 x 4K rwxu PAT0\n"
            "[1] 0x00400000..0x007fffff 0x000000400000 1 x 4M rwx- PAT0\n"
            "[2] 0x00800000..0x00bfffff 0x000100800000 1 x 4M rwx- PAT0\n");
  guest.large_pages = false;  // then the entries refer to tables
  EXPECT_NE(lines(guest).find("[1] PT 0x00400000 0x000000400000 rwx- empty\n"), std::string::npos);
}

TEST_F(GuestDump, ReadsTablesThroughTheEptAndNamesThoseThatItDoesNotMap) {
  // EPT: guest-physical 0 to 2 MiB lie at 16 MiB, 2 MiB to 4 MiB can't be read, the rest is absent.
  write(0x1000, 0x2007);
  write(0x2000, 0x3007);
  write(0x3000, 0x100'00b7);
  write(0x3008, 0x120'00b4);
  write(0x100'5000, 0x6003);
  write(0x100'5008, 0x20'0003);
  write(0x100'5010, 0x40'0003);
  write(0x100'6000, 0x83);
  EXPECT_EQ(lines({.cr3 = 0x5000, .eptp = 0x101e}),
            "PML4 0x000000005000\n"
            "[0] PDPT 0x0000000000000000 0x000000006000 rwx-\n"
            "[0] 0x0000000000000000..0x000000003fffffff 0x000000000000 1 x 1G rwx- PAT0\n"
            "[1] PDPT 0x0000008000000000 0x000000200000 rwx- the EPT doesn't let it be read\n"
            "[2] PDPT 0x0000010000000000 0x000000400000 rwx- the EPT doesn't let it be read\n");
  write(0x3000, 0x100'00b6);
  EXPECT_EQ(lines({.cr3 = 0x5000, .eptp = 0x101e}),
            "PML4 0x000000005000 its EPT entry is misconfigured\n");
}

TEST_F(GuestDump, MarksReservedBitsAndEndsInACircle) {
  write(0x1000, 0x1003);
  write(0x1008, 0x2083);                 // bit 7 of a PML4E
  write(0x2000, 0x4000'2083);            // bit 13 of a 1 GiB leaf
  write(0x2008, 0x0020'0000'0000'0083);  // bit 53: ignored
  write(0x2010, 0x0008'0000'0000'0083);  // bit 51: beyond MAXPHYADDR
  EXPECT_EQ(lines({.cr3 = 0x1000}),
            "PML4 0x000000001000\n"
            "[0] PDPT 0x0000000000000000 0x000000001000 rwx- used before\n"
            "[1] PDPT 0x0000008000000000 0x000000002000 rwx- reserved bits: 0x2083\n"
            "[0] 0x0000008000000000..0x000000803fffffff 0x000040000000 1 x 1G rwx- PAT0 reserved "
            "bits: 0x40002083\n"
            "[1] 0x0000008040000000..0x000000807fffffff 0x000000000000 1 x 1G rwx- PAT0\n"
            "[2] 0x0000008080000000..0x00000080bfffffff 0x000000000000 1 x 1G rwx- PAT0 reserved "
            "bits: 0x8000000000083\n");
}

TEST_F(GuestDump, PrintsTheSameAsJson) {
  write(0x1000, 0x2007);
  write(0x2000, 0x83);
  write(0x2008, 0x4000'0083);
  std::ostringstream out;
  EXPECT_FALSE(dump_guest_json(out, memory_, {.cr3 = 0x1000}, {}));
  EXPECT_EQ(out.str(), R"({
  "schema_version": 1,
  "cr3": "0x1000",
  "eptp": null,
  "levels": 4,
  "complete": true,
  "tables": [
    {"level": 4, "address": "0x1000", "gva": "0x0", "entries": 1},
    {"level": 3, "address": "0x2000", "gva": "0x0", "entries": 2}
  ],
  "mappings": [
    {"gva": "0x0", "gpa": "0x0", "bytes": 2147483648, "page_size": "1G", "permission": "rwx-", "memory_type": "PAT0", "flags": [], "misconfigured": false}
  ]
}
)");
}

}  // namespace
}  // namespace eptsim::ept::test
