#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

#include "sim/tests/program.hpp"

// `eptsim check`, `eptsim dump` and `eptsim walk --context-from` as people and scripts use them.
namespace eptsim::sim::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// Host-physical memory whose words are set one by one.
class Memory {
 public:
  explicit Memory(std::size_t size = 0x10000) : bytes_(size, '\0') {}
  Memory& set(std::size_t address, std::uint64_t value) {
    std::memcpy(bytes_.data() + address, &value, sizeof value);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// An EPT of one 1 GiB page at 16 GiB, and guest tables at 0x5000 (host-physical 0x5000 too).
Memory sound() {
  return Memory()
      .set(0x1000, 0x2007)
      .set(0x2000, 0x4'0000'00b7)
      .set(0x5000, 0x6027)
      .set(0x6000, 0xe7)
      .set(0x6008, 0x4000'00e7);
}

class TablesCommand : public testing::Test {
 protected:
  Ran run(const std::string& command) const { return test::run(command, folder_); }
  TestFolder folder_;
};

TEST_F(TablesCommand, CheckFindsNothingInASoundEpt) {
  folder_.write("image", sound().bytes());
  const Ran ran = run("eptsim check --memory image --eptp 0x101e");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "EPTP 0x101e: 4 levels, accessed and dirty flags off, MAXPHYADDR 46\n"
            "2 tables and 1 page examined\nnothing is wrong\n");
}

TEST_F(TablesCommand, DumpWritesPagesWithTheirTablesAsRunTakesThem) {
  folder_.write("image", sound()
                             .set(0x5ff8, 0x7003)
                             .set(0x7000, 0x8023)
                             .set(0x8010, 0x9001)
                             .set(0x9008, 0x3063)
                             .bytes());
  const Ran host = run("eptsim dump --memory image --eptp 0x101e --pages");
  EXPECT_EQ(host.status, 0) << host.err;
  EXPECT_THAT(host.out, EndsWith("\n0x0 0x1000 0x2000 0x400000000\n"));
  const Ran guest = run("eptsim dump --memory image --cr3 0x5000 --pages");
  EXPECT_EQ(guest.status, 0) << guest.err;
  EXPECT_THAT(guest.out, EndsWith("\nspace 0\n"
                                  "0x0 0x5000 0x6000 0x0 ad\n"
                                  "0x40000000 0x5000 0x6000 0x40000000 ad\n"
                                  "0xffffff8000401000 0x5000 0x7000 0x8000 0x9000 0x3000 ad\n"));
  const Ran through = run(
      "eptsim dump --memory image@0x400000000 --memory image --eptp 0x101e --cr3 0x5000 --pages");
  EXPECT_EQ(through.out, guest.out) << through.err;
  folder_.write("trace.din", "0 40000010\n");
  const Ran ran =
      run("eptsim dump --memory image --cr3 0x5000 --pages > pages && eptsim run trace.din "
          "--mode native --guest-tables pages --references r && head -n 1 r");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, EndsWith("LD 0x5000\n"));
  const Ran five = run("eptsim dump --memory image --cr3 0x5000 --levels 5 --pages");
  EXPECT_EQ(five.status, 2);
  EXPECT_THAT(five.err, HasSubstr("haven't 4 levels"));
}

TEST_F(TablesCommand, CheckSaysWhatIsWrongWhereAndWhichBit) {
  folder_.write("image", sound().set(0x2000, 0x4'0000'00b6).set(0x1008, 0x1007).bytes());
  const Ran ran = run("eptsim check --memory image --eptp 0x101e");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, IsEmpty());
  EXPECT_THAT(
      ran.out,
      HasSubstr("\nwrite_without_read, misconfiguration: WRITE is set without READ (SDM 31.3.3.1)\n"
                "  guest-physical                  entry  at              value               "
                "wrong\n"
                "  0x000000000000..0x00003fffffff  PDPTE  0x000000002000  0x00000004000000b6  bit "
                "1 (WRITE)\n"));
  EXPECT_THAT(ran.out, HasSubstr("\ntable_cycle, oddity: "));
  EXPECT_THAT(ran.out, HasSubstr("bits 45:12 (ADDRESS), as the EPTP\n"));
  EXPECT_THAT(ran.out, EndsWith("\nfound: 1 entry misconfigured, 1 odd\n"));
  EXPECT_THAT(ran.out, Not(HasSubstr("\x1b"))) << "no terminal, no colour";
}

TEST_F(TablesCommand, CheckCallsBitsOfAPagesTypeReservedInAnEntryOfATable) {
  folder_.write("image", sound().set(0x1000, 0x203f).bytes());
  const Ran ran = run("eptsim check --memory image --eptp 0x101e");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("\nreserved_low_bits, misconfiguration: a reserved bit of 7:3 is "
                                 "set in an entry that refers to a table (SDM 31.3.2)\n"));
  EXPECT_THAT(ran.out, HasSubstr("bits 5:3 (reserved)\n"));
  EXPECT_THAT(ran.out, Not(HasSubstr("MEMORY_TYPE")));
}

TEST_F(TablesCommand, CheckEndsSoonOnTreesOfAliasesAndFoldsThem) {
  Memory memory;
  for (std::size_t index = 0; index < 512; ++index) {
    for (const std::size_t table : {0x1000, 0x2000, 0x3000}) {
      memory.set(table + 8 * index, (table + 0x1000) | 7);
    }
    memory.set(0x4000 + 8 * index, 0x9037);
  }
  folder_.write("image", memory.bytes());
  const Ran ran = run("eptsim check --memory image --eptp 0x101e --maxphyaddr 48");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("\n4 tables and 512 pages examined\n"));
  EXPECT_THAT(ran.out, HasSubstr("and 510 entries that follow\n"));
  const Ran dump = run("eptsim dump --memory image --eptp 0x101e --maxphyaddr 48");
  EXPECT_EQ(dump.status, 0);
  EXPECT_THAT(dump.out, HasSubstr("used before\n"));
}

TEST_F(TablesCommand, TheContextSaysWhatTheProcessorCanDo) {
  folder_.write("image", sound().bytes());
  folder_.write("context", R"({"eptp": "0x101e", "cpu": {"page_1g": false}})");
  EXPECT_EQ(run("eptsim check --memory image --eptp 0x101e").status, 0);
  const Ran ran = run("eptsim check --memory image --context context");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("page_size_not_supported"));
}

TEST_F(TablesCommand, DumpPrintsAnEptAsATree) {
  folder_.write("image", sound().bytes());
  const Ran ran = run("eptsim dump --memory image --eptp 0x101e");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("EPTP 0x101e: 4 levels, accessed and dirty flags off\n"));
  EXPECT_THAT(ran.out, EndsWith("  [0] PDPT            0x000000000000                  "
                                "0x000000002000                   rwx-\n"
                                "    [0]               0x000000000000..0x00003fffffff  "
                                "0x000400000000           1 x 1G  rwx-    WB\n"));
  EXPECT_THAT(ran.out, Not(HasSubstr("\x1b")));
}

TEST_F(TablesCommand, DumpPrintsAGuestsTablesWithAndWithoutAnEpt) {
  folder_.write("image", sound().bytes());
  const Ran alone = run("eptsim dump --memory image --cr3 0x5000");
  EXPECT_EQ(alone.status, 0) << alone.err;
  EXPECT_THAT(alone.out,
              StartsWith("CR3 0x5000: 4-level paging, guest-physical is host-physical\n"));
  EXPECT_THAT(
      alone.out,
      HasSubstr("\nrights of each entry: r read, w write, x execute, u user-mode address\n"));
  EXPECT_THAT(alone.out, HasSubstr("[0..1]            0x0000000000000000..0x000000007fffffff  "
                                   "0x000000000000           2 x 1G  rwxu"));
  // The EPT puts guest-physical 0x5000 at 16 GiB and 0x5000, which the image doesn't hold.
  const Ran through = run("eptsim dump --memory image --cr3 0x5000 --eptp 0x101e");
  EXPECT_EQ(through.status, 0) << through.err;
  EXPECT_THAT(through.out, StartsWith("CR3 0x5000: 4-level paging, on EPTP 0x101e\n"));
  EXPECT_THAT(through.out, HasSubstr("outside memory\n"));
  const Ran five = run("eptsim dump --memory image --cr3 0x5000 --levels 5");
  EXPECT_THAT(five.out, HasSubstr("5-level paging"));
}

TEST_F(TablesCommand, DumpEndsAtItsLimit) {
  folder_.write("image", sound().bytes());
  const Ran ran = run("eptsim dump --memory image --cr3 0x5000 --limit 2");
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, EndsWith("The dump met its limit: what lies at 0x0 and above is not shown; "
                                "see --limit.\n"));
}

TEST_F(TablesCommand, ASparseImageOfATebibyteIsSurveyedAtOnce) {
  const std::string path = folder_.write("image", sound().bytes());
  std::filesystem::resize_file(path, std::uintmax_t{1} << 40);
  const Ran ran = run("ulimit -t 20; eptsim check --memory image --eptp 0x101e");
  EXPECT_EQ(ran.status, 0) << ran.err;
}

struct Refusal {
  const char* name;
  const char* command;
  const char* says;
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.command; }

const Refusal kRefusals[] = {
    {"CheckWithoutMemory", "eptsim check --eptp 0x101e", "--memory: is missing"},
    {"CheckWithoutEptp", "eptsim check --memory image", "--eptp: is missing"},
    {"DumpWithoutARoot", "eptsim dump --memory image", "--eptp: is missing"},
    {"EptpWithAReservedType", "eptsim check --memory image --eptp 0x1019",
     "--eptp: VM entry refuses eptp: bits 2:0"},
    {"EptpWithThreeLevels", "eptsim dump --memory image --eptp 0x1016",
     "--eptp: VM entry refuses eptp: bits 5:3"},
    {"EptpTooWide", "eptsim check --memory image --eptp 0x400000000101e --maxphyaddr 40",
     "--eptp: VM entry refuses eptp: bits from the physical-address width up"},
    {"NoNumber", "eptsim check --memory image --eptp here", "--eptp here: not a whole number"},
    {"NumberTooLarge", "eptsim check --memory image --eptp 0x10000000000000000",
     "--eptp 0x10000000000000000: not a whole number"},
    {"Width", "eptsim check --memory image --eptp 0x101e --maxphyaddr 53",
     "--maxphyaddr: VM entry refuses maxphyaddr: must be 32 to 52"},
    {"WidthThatWraps", "eptsim check --memory image --eptp 0x101e --maxphyaddr 4294967336",
     "--maxphyaddr: VM entry refuses maxphyaddr: must be 32 to 52"},
    {"Cr3TooWide", "eptsim dump --memory image --cr3 0x800000000000",
     "--cr3: VM entry refuses cr3"},
    {"Levels", "eptsim dump --memory image --cr3 0 --levels 6", "--levels 6: unknown, expected 2"},
    {"ContextWithoutEpt", "eptsim check --memory image --context empty",
     "--context: says that EPT is off"},
    {"ContextWithoutPaging", "eptsim dump --memory image --context empty --cr3 0x1000",
     "--context: says that paging is off"},
    {"ImagesThatOverlap", "eptsim dump --eptp 0x101e --memory image@0x800 --memory image",
     "image: physical memory 0x0 to 0xfff overlaps 0x800 to 0x17ff of image"},
    {"NoImage", "eptsim check --memory nothing --eptp 0x101e", "nothing: No such file"},
    {"ElfThatIsNoCore", "eptsim check --memory \"$program\" --eptp 0x101e", "/"},
    {"OutputThatCantBeWritten", "eptsim check --memory image --eptp 0x101e --json no/where",
     "no/where: can't be written"},
    {"ContextFromARawDump", "eptsim walk --context-from image", "image: is no ELF file"},
    {"ContextFromNothing", "eptsim walk --context-from nothing", "nothing: No such file"},
    {"ContextFromAndMore", "eptsim walk --context-from image --memory image",
     "--context-from: writes a context, and takes --cpu alone"},
    {"CpuAlone", "eptsim walk --cpu 1 --memory image --context empty --gva 0",
     "--cpu: belongs to --context-from"},
};

class TablesRefused : public TablesCommand, public testing::WithParamInterface<Refusal> {};

TEST_P(TablesRefused, InOneLineWithStatus2) {
  folder_.write("image", std::string(0x1000, '\0'));
  folder_.write("empty", "{}");
  const Ran ran = run(GetParam().command);
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, StartsWith(GetParam().says));
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
}

std::string name_of(const testing::TestParamInfo<Refusal>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Options, TablesRefused, testing::ValuesIn(kRefusals), name_of);

}  // namespace
}  // namespace eptsim::sim::test
