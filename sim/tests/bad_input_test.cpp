#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/tests/program.hpp"

// Runs the program on what it can't use: the exit status, the one line that says what is wrong and
// where, and that no file is left.
namespace eptsim::sim::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct BadInput {
  const char* name;
  const char* command;
  const char* says;           ///< how standard error begins: the place and the problem
  const char* says_too = "";  ///< further on: what was expected, or a hint
  int status = 2;
};

void PrintTo(const BadInput& bad, std::ostream* out) { *out << bad.command; }

class BadInputTest : public testing::TestWithParam<BadInput> {
 protected:
  BadInputTest() {
    folder_.write("good", small_trace(50, 4));
    folder_.write("empty", "");
    folder_.write("text", "This is a letter, and no trace.\nIt has two lines.\n");
    folder_.write("noncanonical", " L 7f0000000000,8\n L 800000000000,8\n");
    folder_.write("reads", "0 7f0000000000\n0 7f0000001000\n");
    folder_.write("broken.gz", "\x1f\x8b\x08 and then nothing that inflates");
    folder_.write("unknown.toml", "[tlb.l2]\nways = 16\nentires = 2048\n");
    folder_.write("doubled.toml", "dram.cycles = 5\ndram.cycles = 6\n");
    folder_.write("range.toml", "\n[dram]\ncycles = 0\n");
    folder_.write("type.toml", "[dram]\ncycles = \"fast\"\n");
    folder_.write("broken.toml", "[dram\n");
    // A record of 64 bytes and half of another, by the name of its format.
    std::string record(64, '\0');
    record[0] = 0x10;
    record[32] = 0x20;
    folder_.write("truncated", record + record.substr(0, 32));
    before_ = folder_.names();
  }

  TestFolder folder_;
  std::vector<std::string> before_;
};

TEST_P(BadInputTest, IsRefusedWithItsPlaceAndLeavesNothing) {
  const BadInput& bad = GetParam();
  const Ran ran = run(bad.command, folder_);
  EXPECT_EQ(ran.status, bad.status) << ran.err;
  EXPECT_THAT(ran.err, StartsWith(bad.says));
  EXPECT_THAT(ran.err, HasSubstr(bad.says_too));
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << "one line: " << ran.err;
  EXPECT_EQ(folder_.names(), before_);
}

const BadInput kTraces[] = {
    {"UnknownWorkload", "eptsim run generate:gup", "generate:gup: unknown workload, expected gups",
     "did you mean 'gups'?"},
    {"WorkloadParameter", "eptsim compare generate:gups,footprnt=1GiB",
     "generate:gups: unknown parameter \"footprnt\"", "did you mean 'footprint'?"},
    {"WorkloadValue", "eptsim trace convert generate:chase,pages=0 out.ept",
     "generate:chase: pages can't be 0, expected a whole number from 1"},
    {"MissingFile", "eptsim run nothing --output out", "nothing: ", "No such file"},
    {"Directory", "eptsim run . --output out", ".: ", "directory"},
    {"EmptyFile", "eptsim run empty --output out", "empty: "},
    {"TextThatIsNoTrace", "eptsim run text --output out", "text:1:1: ", "isn't a trace"},
    {"CorruptCompression", "eptsim run broken.gz --output out", "broken.gz"},
    {"AddressNotCanonical", "eptsim run noncanonical --limit 1 --warmup 1 --output out",
     "noncanonical", "canonical"},
    {"TruncatedRecord", "eptsim run truncated --format champsim --warmup 100 --output out",
     "truncated: ", "record"},
    {"UnknownFormat", "eptsim run good --format champsin", "", "did you mean 'champsim'?"},
    {"FetchesThatArentThere", "eptsim run reads --fetch on", "--fetch on: ", "reads"},
    {"NothingAfterTheWarmUp", "eptsim run good --warmup 100000 --output out",
     "good: the trace ends within the warm-up"},
    {"PipeTwice", "cat good | eptsim compare /dev/stdin --output out",
     "/dev/stdin: can't be read twice, expected a regular file"},
    {"CheckpointWithoutWarmUp", "eptsim run good --checkpoint state",
     "--checkpoint: without a warm-up there is no end of it", "expected --warmup"},
    {"CheckpointWithoutFile", "eptsim run good --checkpoint-every 10",
     "--checkpoint-every: says no file, expected --checkpoint FILE", "or --resume FILE"},
    {"CheckpointToStandardOutput", "eptsim run good --checkpoint - --warmup 10",
     "-: this can't be written to standard output, expected a file", "./-"},
    {"CheckpointOfNothing", "eptsim run good --checkpoint state --checkpoint-every 0",
     "--checkpoint-every 0: "},
    {"CheckpointThatCantBeWritten", "eptsim run good --checkpoint no/state --warmup 10",
     "no/state: can't be written"},
    {"CheckpointThatIsntThere", "eptsim run good --resume state", "state: No such file"},
    {"CheckpointThatIsNone", "eptsim run good --resume text", "text: isn't a checkpoint"},
    {"CheckpointThatIsEmpty", "eptsim run good --resume empty", "empty: is empty"},
    {"UnknownScheme", "eptsim compare good --schemes native:4K,nested:4K",
     "--schemes native:4K,nested:4K: unknown scheme 'nested:4K', expected native:PAGE"},
    {"SchemeNearlyNamed", "eptsim compare good --schemes nativ:4k",
     "--schemes nativ:4k: unknown scheme 'nativ:4k'", "did you mean 'native:4K'?"},
    {"SchemeTwice", "eptsim compare good --schemes ideal:1G,ideal:1G",
     "--schemes ideal:1G,ideal:1G: ideal:1G is there twice"},
    {"NoJobs", "eptsim compare good --jobs 0", "--jobs 0: expected a number from 1 to 1024"},
    {"StandardInputTwice", "eptsim compare - <good", "-: standard input can't be read twice"},
};

const BadInput kMachines[] = {
    {"UnknownKey", "eptsim run good --machine unknown.toml",
     "unknown.toml:3:1: unknown setting 'tlb.l2.entires'", "did you mean 'tlb.l2.entries'?"},
    {"DoubledKey", "eptsim run good --machine doubled.toml",
     "doubled.toml:2:15: cannot redefine existing integer 'dram.cycles'"},
    {"OutOfRange", "eptsim run good --machine range.toml",
     "range.toml:3:10: dram.cycles can't be 0", "expected a whole number from 1 to 100000"},
    {"WrongType", "eptsim run good --machine type.toml", "type.toml:2:10: dram.cycles can't be"},
    {"BrokenToml", "eptsim run good --machine broken.toml", "broken.toml:1:"},
    {"MissingMachine", "eptsim run good --machine nothing.toml", "nothing.toml: No such file"},
    {"MachineOfAnotherName", "eptsim run good --machine zen-5", "zen-5: No such file",
     "did you mean 'zen5'?"},
    {"MachineOfNoName", "eptsim run good --machine pdp11", "pdp11: No such file",
     "`eptsim machine list` names"},
    {"SetOfUnknownKey", "eptsim run good --set tlb.l2.entires=5",
     "--set tlb.l2.entires=5: unknown setting", "did you mean 'tlb.l2.entries'?"},
    {"SetOutOfRange", "eptsim run good --set dram.cycles=0", "--set dram.cycles=0: "},
    {"MachineNearlyNamed", "eptsim run good --machine plian", "plian: No such file",
     "did you mean 'plain'?"},
    {"MachineWithoutAName", "eptsim run good --machine ''", "--machine: is empty",
     "zen4, zen5 or a file"},
    {"SetAtOddsWithThePreset", "eptsim run good --set tlb.l2.entries=100",
     "--set tlb.l2.entries=100: ", "tlb.l2.ways = 16"},
    {"SizeInPowersOfTen", "eptsim run good --set dram.bytes=1GB",
     "--set dram.bytes=1GB: ", "as in 64GiB or 64G"},
    {"TooManyWalks", "eptsim run good --set walker.slots=17",
     "--set walker.slots=17: ", "expected a whole number from 1 to 16"},
    {"CachesThatAreNoPowerOfTwo", "eptsim run good --machine default --set psc.pde.entries=33",
     "--set psc.pde.entries=33: ", "a power of two"},
    {"WalkerThatIsNotBuilt", "eptsim run good --machine default --set psc.kind=guest --walker rtl",
     "--walker rtl: ", "psc.kind = \"guest\", expected \"combined\""},
    {"PagesThatOutrunMemory",
     "eptsim run generate:chase,pages=1000 --set dram.bytes=1MiB --ept-page 1G --warmup 100000 "
     "--output out",
     "dram.bytes: ", "memory"},
    {"UnknownPageSize", "eptsim run good --guest-page 4M",
     "--guest-page 4M: ", "expected 4K, 2M, 1G or thp"},
    {"WriteProtectionOfShadowTables",
     "eptsim run good --mode shadow --set hypervisor.dirty_log=pml",
     "hypervisor.dirty_log: this version write-protects no shadow tables"},
    {"DirtyLoggingOfANativeRun", "eptsim run good --mode native --set hypervisor.dirty_log=pml",
     "--set hypervisor.dirty_log=pml: ", "a native run, which has no hypervisor"},
    {"HypervisorOfANativeRun", "eptsim run good --mode native --set hypervisor.invalidate=off",
     "--set hypervisor.invalidate=off: ", "a native run, which has no hypervisor"},
    {"EptPageOfANativeRun", "eptsim run good --mode native --ept-page 2M",
     "--ept-page 2M: ", "hypervisor.page isn't a setting of a native run"},
    {"UnknownStatistic", "eptsim statistics walker.walk",
     "eptsim statistics: unknown statistic 'walker.walk'", "did you mean 'walker.walks'?"},
    {"UnknownGroupOfStatistics", "eptsim statistics walker.latencyy",
     "eptsim statistics: unknown statistic", "did you mean 'walker.latency'?"},
    {"UnknownKeyToExplain", "eptsim machine explain dram.cycle",
     "eptsim machine explain: unknown setting 'dram.cycle'", "did you mean 'dram.cycles'?"},
};

const BadInput kOutputs[] = {
    {"FolderAtStandardOutput", "eptsim run good --output -",
     "-: this can't be written to standard output, expected a folder"},
    {"RecordingToStandardOutput", "eptsim trace record --output - -- true",
     "--output -: standard output is the program's, expected a file"},
    {"FolderThatCantBeMade", "eptsim run good --output good/out", "good/out: can't be written: "},
    {"FolderInProc", "eptsim run good --output /proc/out", "/proc/out: can't be written: "},
    {"FolderWithASlash", "eptsim run empty --output new/sub/", "empty: "},
    {"FileInNoFolder", "eptsim run good --json no/stats.json", "no/stats.json: can't be written: "},
    {"FileThatIsAFolder", "eptsim run good --json .", ".: can't be written: "},
    // A limit on the size of files stands for a disk that fills up. (Not --json /dev/full: were it
    // replaced by a rename, a test run as root would take the device from everybody.)
    {"FullDisk", "ulimit -f 1; trap '' XFSZ; eptsim run good --json stats.json",
     "stats.json: can't be written: File too large"},
    {"FullDiskAtStandardOutput", "eptsim run good >/dev/full",
     "standard output: can't be written: No space left on device"},
    // The pipe's only reader is gone before the program begins, however fast anything is.
    {"ClosedPipe", "mkfifo p && exec 3<>p 4>p 3>&- && rm p && eptsim run good >&4",
     "standard output: can't be written: Broken pipe"},
    {"ClosedStandardOutput", "eptsim run good >&-", "standard output: can't be written: "},
};

const BadInput kUsage[] = {
    {"UnknownOption", "eptsim run good --machin plain", "eptsim run: unknown option '--machin'",
     "did you mean '--machine'?"},
    {"UnknownCommand", "eptsim rnu good", "eptsim: unknown command 'rnu'", "did you mean 'run'?"},
    {"UnknownCommandOfAGroup", "eptsim machine lits", "eptsim machine: unknown command 'lits'",
     "did you mean 'list'?"},
    {"NoCommand", "eptsim", "eptsim: no command, expected run, ", "see eptsim --help"},
    {"HelpAsACommand", "eptsim help", "eptsim: unknown command 'help'",
     "did you mean 'eptsim --help'?"},
    {"VersionAsACommand", "eptsim version", "eptsim: unknown command 'version'",
     "did you mean 'eptsim --version'?"},
    {"CommandLikeNoOther", "eptsim frobnicate", "eptsim: unknown command", "see eptsim --help"},
    {"NoTrace", "eptsim run", "eptsim run: TRACE is required"},
    {"NoValue", "eptsim run good --set", "eptsim run: --set needs a value"},
    {"OptionTwice", "eptsim run good --mode native --mode nested",
     "eptsim run: --mode is given more than once"},
    {"OneArgumentTooMany", "eptsim machine show plain twice",
     "eptsim machine show: 'twice' is one argument too many"},
    {"UnknownMode", "eptsim run good --mode nestde", "--mode nestde: unknown",
     "did you mean 'nested'?"},
    {"UnknownDetail", "eptsim run good --detail fulll", "--detail fulll: unknown",
     "did you mean 'full'?"},
    {"NoNumber", "eptsim run good --limit many", "--limit many: not a whole number"},
    {"NothingToCount", "eptsim run good --limit 0", "--limit 0: "},
    {"NothingToConvert", "eptsim trace convert good out --limit 0", "--limit 0: "},
    {"NothingToRecord", "eptsim trace record --limit 0 -- true", "--limit 0: "},
    {"NothingToVerify", "eptsim verify --walks 0", "--walks 0: "},
    {"ShortOption", "eptsim trace record -o x -- ls -l", "eptsim trace record: unknown option '-o'",
     "did you mean '--output'?"},
    {"AssignmentWithoutAValue", "eptsim run good --set dram.cycles",
     "--set dram.cycles: no value, expected key=value"},
};

std::string name_of(const testing::TestParamInfo<BadInput>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Trace, BadInputTest, testing::ValuesIn(kTraces), name_of);
INSTANTIATE_TEST_SUITE_P(Machine, BadInputTest, testing::ValuesIn(kMachines), name_of);
INSTANTIATE_TEST_SUITE_P(Output, BadInputTest, testing::ValuesIn(kOutputs), name_of);
INSTANTIATE_TEST_SUITE_P(Usage, BadInputTest, testing::ValuesIn(kUsage), name_of);

}  // namespace
}  // namespace eptsim::sim::test
