#include <signal.h>

#include <algorithm>
#include <map>

#include "sim/trace/own_reader.hpp"
#include "sim/trace/recorded_events.hpp"
#include "sim/trace/recorder.hpp"
#include "sim/trace/tests/trace_files.hpp"

namespace eptsim::sim {
namespace {

constexpr std::uint64_t kBegin = recording::kCodeEvent;

std::uint64_t code(std::uint64_t address, std::uint64_t length, bool repeats = false) {
  return address | length << recording::kLengthShift | (repeats ? recording::kRepeats : 0);
}

std::uint64_t data(std::uint64_t instruction, std::uint64_t address, std::uint64_t log_size,
                   std::uint64_t flags = 0) {
  return address | instruction << recording::kInstructionShift | log_size << recording::kSizeShift |
         flags;
}

/// The records that come of one thread's events.
std::vector<Record> records_of(const std::vector<std::uint64_t>& code_area,
                               const std::vector<std::uint64_t>& words, bool fetches = true) {
  std::vector<Record> records;
  RecordedEvents events(code_area.data(), fetches, [&](std::span<const Record> batch) {
    records.insert(records.end(), batch.begin(), batch.end());
  });
  events.add(0, words);
  events.finish();
  return records;
}

TEST(RecordedEvents, AccessesStandBehindTheFetchOfTheirInstruction) {
  const std::vector<std::uint64_t> area = {3, code(0x1000, 4), code(0x1004, 2), code(0x1006, 1)};
  const auto records = records_of(area, {kBegin | 0, data(1, 0x7000, 3, recording::kStore)});
  const std::vector<Record> expected = {make_record(RecordKind::kFetch, 0x1000, 4, 0x1000, 1),
                                        make_record(RecordKind::kFetch, 0x1004, 2, 0x1004, 1),
                                        make_record(RecordKind::kWrite, 0x7000, 8, 0x1004, 0),
                                        make_record(RecordKind::kFetch, 0x1006, 1, 0x1006, 1)};
  EXPECT_TRUE(same(records, expected));
}

TEST(RecordedEvents, WithoutFetchesTheInstructionsAreCounted) {
  const std::vector<std::uint64_t> area = {3, code(0x1000, 4), code(0x1004, 2), code(0x1006, 1)};
  const auto records = records_of(
      area, {kBegin | 0, data(1, 0x7000, 2), kBegin | 0, data(0, 0x7004, 0), data(0, 0x7008, 0)},
      false);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].instructions, 2u);
  EXPECT_EQ(records[1].instructions, 2u);
  EXPECT_EQ(records[2].instructions, 0u);
}

TEST(RecordedEvents, ALoadAndAStoreOfOnePlaceByOneInstructionAreAModify) {
  const std::vector<std::uint64_t> area = {2, code(0x1000, 4), code(0x1004, 2)};
  const auto records =
      records_of(area, {kBegin | 0, data(0, 0x7000, 2), data(0, 0x7000, 2, recording::kStore),
                        data(1, 0x7008, 2), data(1, 0x7010, 2, recording::kStore)});
  ASSERT_EQ(records.size(), 5u);
  EXPECT_EQ(records[1].kind, RecordKind::kModify);
  EXPECT_EQ(records[3].kind, RecordKind::kRead);
  EXPECT_EQ(records[4].kind, RecordKind::kWrite);
}

TEST(RecordedEvents, ARepeatedInstructionIsFetchedOnce) {
  const std::vector<std::uint64_t> area = {1, code(0x1000, 2, true), 1, code(0x1002, 1)};
  std::vector<std::uint64_t> words;
  for (std::uint64_t i = 0; i < 3; ++i) {
    words.push_back(kBegin | 0);
    words.push_back(data(0, 0x7000 + i, 0, recording::kStore));
  }
  words.push_back(kBegin | 2);
  words.push_back(kBegin | 0);  // the same instruction, but after another one: fetched again
  const auto records = records_of(area, words);
  std::size_t fetches = 0;
  for (const auto& record : records) fetches += record.kind == RecordKind::kFetch ? 1 : 0;
  EXPECT_EQ(fetches, 3u);
  EXPECT_EQ(records.size(), 6u);
}

TEST(RecordedEvents, AnAddressNearALoadedPointerDependsOnThatLoad) {
  const std::vector<std::uint64_t> area = {1, code(0x1000, 4)};
  const auto pointer_load = [](std::uint64_t at) {
    return data(0, at, 3, recording::kValueFollows);
  };
  const auto records =
      records_of(area, {kBegin | 0, pointer_load(0x70000), 0x5500'0000,  // load 0: a pointer
                        data(0, 0x71000, 2),                             // load 1
                        pointer_load(0x72000), 7,                        // load 2: not one
                        data(0, 0x5500'0010, 2),                         // load 3, by load 0
                        data(0, 0x5500'03ff, 2, recording::kStore),  // by load 0, four loads ago
                        data(0, 0x5500'0400, 2),                     // too far behind the pointer
                        data(0, 0x54ff'ffff, 2)});                   // before it
  std::vector<std::uint32_t> depends;
  for (const auto& record : records)
    if (record.kind != RecordKind::kFetch) depends.push_back(record.depends_on);
  EXPECT_EQ(depends, (std::vector<std::uint32_t>{0, 0, 0, 3, 4, 0, 0}));
}

TEST(RecordedEvents, FillingWordsOfAChunkMeanNothing) {
  const std::vector<std::uint64_t> area = {1, code(0x1000, 4)};
  EXPECT_EQ(records_of(area, {0, kBegin | 0, 0, 0, data(0, 0x7000, 0), 0}).size(), 2u);
}

class Recorder : public testing::Test {
 protected:
  RecordResult record(std::vector<std::string> command, std::uint64_t limit = 0,
                      bool fetches = true) {
    RecordOptions options;
    options.output = path_;
    options.command = std::move(command);
    options.limit = limit;
    options.fetches = fetches;
    return record_trace(options);
  }
  TestFolder folder_;
  std::string path_ = folder_.path("trace.ept");
};

TEST_F(Recorder, ASmallProgramIsRecordedToItsEnd) {
  const auto result = record({"true"});
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_EQ(result.signal, 0);
  EXPECT_TRUE(result.remarks.empty());
  const auto trace = read_trace(path_, std::nullopt, 48, 4096);
  ASSERT_FALSE(trace.error) << trace.message();
  EXPECT_EQ(trace.records.size(), result.counts.records());
  EXPECT_GT(result.counts.fetches, 1000u);
  EXPECT_GT(result.counts.reads, 100u);
  EXPECT_GT(result.counts.writes, 100u);
  EXPECT_EQ(result.counts.instructions, result.counts.fetches);
  // Each access belongs to the instruction fetched last.
  for (std::size_t i = 0, last = 0; i < trace.records.size(); ++i) {
    if (trace.records[i].kind == RecordKind::kFetch) last = i;
    ASSERT_EQ(trace.records[i].ip, trace.records[last].ip) << i;
  }
}

TEST_F(Recorder, WithoutFetchesTheInstructionsAreTheSame) {
  const auto with = record({"true"});
  const auto without = record({"true"}, 0, false);
  EXPECT_EQ(without.counts.fetches, 0u);
  EXPECT_EQ(without.counts.accesses(), with.counts.accesses() - with.counts.fetches);
  EXPECT_NEAR(static_cast<double>(without.counts.instructions),
              static_cast<double>(with.counts.instructions), 1000.0);
}

TEST_F(Recorder, TheProgramsExitStatusIsGiven) { EXPECT_EQ(record({"false"}).exit_status, 1); }

TEST_F(Recorder, TheLimitEndsAProgramThatWouldRunForEver) {
  const auto result = record({"sh", "-c", "while :; do :; done"}, 300'000);
  EXPECT_TRUE(result.limited);
  EXPECT_EQ(result.counts.accesses(), 300'000u);
}

TEST_F(Recorder, WhatAKilledProgramDidBeforeIsThere) {
  const auto result = record({"sh", "-c", "kill -KILL $$"});
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_GT(result.counts.fetches, 1000u);
  EXPECT_FALSE(read_trace(path_).error);
}

TEST_F(Recorder, ProgramsThatAreNotRecordedAreTold) {
  const auto replaced = record({"sh", "-c", "exec true"});
  ASSERT_EQ(replaced.remarks.size(), 1u);
  EXPECT_NE(replaced.remarks[0].find("replaced itself by"), std::string::npos)
      << replaced.remarks[0];
  EXPECT_NE(replaced.remarks[0].find("/true"), std::string::npos) << replaced.remarks[0];

  const auto started = record({"sh", "-c", "/bin/true; /bin/true; :"});
  ASSERT_EQ(started.remarks.size(), 2u);
  EXPECT_NE(started.remarks[0].find("started 2 other program(s), the last of them /bin/true"),
            std::string::npos)
      << started.remarks[0];

  const auto forked = record({"sh", "-c", "(:); (:)"});
  ASSERT_EQ(forked.remarks.size(), 1u);
  EXPECT_NE(forked.remarks[0].find("forked 2 process(es)"), std::string::npos) << forked.remarks[0];
  EXPECT_FALSE(read_trace(path_).error);
}

/// Loads by one instruction that follows a list of 4096 nodes for 100,000 steps.
std::size_t longest_chase(const std::vector<Record>& records, std::uint8_t vcpu) {
  std::map<std::uint64_t, std::size_t> loads;
  std::size_t most = 0;
  for (const auto& record : records)
    if (record.kind == RecordKind::kRead && record.size == 8 && record.depends_on == 1 &&
        record.vcpu == vcpu)
      most = std::max(most, ++loads[record.ip]);
  return most;
}

TEST_F(Recorder, ALoadOfAPointerThatWasLoadedDependsOnThatLoad) {
  record({EPTSIM_RECORDED_PROGRAM});
  const auto records = read_trace(path_, std::nullopt, 48, 4096).records;
  EXPECT_EQ(longest_chase(records, 0), 99'999u);
}

TEST_F(Recorder, EachThreadIsAVcpuOfItsOwn) {
  const auto result = record({EPTSIM_RECORDED_PROGRAM, "threads"});
  EXPECT_TRUE(result.remarks.empty());
  const auto records = read_trace(path_, std::nullopt, 48, 4096).records;
  // A thread that begins when another has ended may take its number: then one vCPU has its loads
  // too.
  std::size_t chased = 0;
  for (std::uint8_t vcpu = 1; vcpu <= 3; ++vcpu) chased += longest_chase(records, vcpu);
  EXPECT_GE(chased, 3 * 99'999u);
  EXPECT_LT(longest_chase(records, 0), 1000u);
}

TEST_F(Recorder, AProgramMayCloseAllDescriptors) {
  record({EPTSIM_RECORDED_PROGRAM, "close"});
  EXPECT_EQ(longest_chase(read_trace(path_, std::nullopt, 48, 4096).records, 0), 99'999u);
}

TEST_F(Recorder, WhatAForkedChildDoesIsNotInTheTrace) {
  const auto result = record({EPTSIM_RECORDED_PROGRAM, "fork"});
  ASSERT_EQ(result.remarks.size(), 1u);
  EXPECT_NE(result.remarks[0].find("forked 1 process(es)"), std::string::npos);
  EXPECT_EQ(longest_chase(read_trace(path_, std::nullopt, 48, 4096).records, 0), 99'999u);
}

TEST_F(Recorder, ACrashLosesNothingOfWhatCameBefore) {
  const auto result = record({EPTSIM_RECORDED_PROGRAM, "crash"});
  EXPECT_EQ(result.signal, SIGSEGV);
  EXPECT_EQ(longest_chase(read_trace(path_, std::nullopt, 48, 4096).records, 0), 99'999u);
}

TEST_F(Recorder, TheSameProgramGivesTheSameTrace) {
  record({EPTSIM_RECORDED_PROGRAM});
  const auto first = content_of(path_);
  record({EPTSIM_RECORDED_PROGRAM});
  EXPECT_TRUE(content_of(path_) == first);
}

TEST_F(Recorder, TheHeaderSaysHowItWasMade) {
  record({"sh", "-c", "echo 'a b' >/dev/null"}, 1000);
  const OwnTraceFile file(path_);
  EXPECT_TRUE(file.header().fetches);
  EXPECT_TRUE(file.header().dependences);
  EXPECT_EQ(file.header().notes[0].second, "sh -c 'echo '\\''a b'\\'' >/dev/null'");
  EXPECT_NE(file.header().notes[1].second.find("qemu"), std::string::npos);
}

TEST_F(Recorder, AScriptIsRunByItsInterpreter) {
  const auto script = folder_.write("script", "#!/bin/sh -e\nexit 3\n");
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  EXPECT_EQ(record({script}).exit_status, 3);
}

TEST_F(Recorder, WhatCannotBeRecordedIsAnErrorAndLeavesNoFile) {
  const auto text = folder_.write("text", "hello");
  std::filesystem::permissions(text, std::filesystem::perms::owner_all);
  for (const auto& command : std::vector<std::vector<std::string>>{
           {}, {"no-such-program-at-all"}, {folder_.path("")}, {text}})
    EXPECT_THROW(record(command), InputError);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace eptsim::sim
