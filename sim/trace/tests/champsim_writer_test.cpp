#include "sim/trace/champsim_writer.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "sim/trace/tests/trace_files.hpp"

// What is written is read again: the reader is held against bytes put together by hand.
namespace eptsim::sim {
namespace {

class ChampsimWriting : public testing::Test {
 protected:
  std::string write(const std::vector<Record>& records) {
    ChampsimWriter writer(folder_.path("t"));
    for (const Record& record : records) writer.add(record);
    writer.finish();
    counts_ = writer.counts();
    return content_of(folder_.path("t"));
  }
  std::vector<Record> written_and_read(const std::vector<Record>& records) {
    write(records);
    const ReadResult result = read_trace(folder_.path("t"), "champsim");
    EXPECT_FALSE(result.error) << result.message();
    return result.records;
  }
  std::size_t instructions() const { return content_of(folder_.path("t")).size() / 64; }

  TestFolder folder_;
  ChampsimWriter::Counts counts_;
};

TEST_F(ChampsimWriting, APlainLoadIsSixtyFourBytesThatTheFormatHas) {
  const std::string bytes = write({make_record(RecordKind::kRead, 0x7008, 8, 0x401000, 1)});
  std::string expected = bytes_of(std::uint64_t{0x401000}) + std::string(2, '\0') +
                         std::string{'\x40', '\0'} + std::string(4, '\0') + std::string(16, '\0') +
                         bytes_of(std::uint64_t{0x7008}) + std::string(24, '\0');
  EXPECT_EQ(bytes, expected);
}

TEST_F(ChampsimWriting, ProgramsOfWholeInstructionsComeBackAsTheyWere) {
  std::mt19937_64 random(1);
  for (unsigned round = 0; round < 20; ++round) {
    std::vector<Record> records;
    std::uint64_t loads = 0;
    for (unsigned i = 0; i < 500; ++i) {
      const std::uint64_t ip = 0x400000 + 4 * (random() % 1000);
      records.push_back(make_record(RecordKind::kFetch, ip, 1, ip, 1));
      const auto address = [&] { return 0x7f0000000000 + random() % 1'000'000; };
      // The format has one feeding load for all of an instruction's accesses.
      const auto depends =
          loads != 0 && random() % 2 == 0
              ? static_cast<std::uint32_t>(1 + random() % std::min<std::uint64_t>(loads, 128))
              : 0;
      switch (random() % 4) {
        case 0: break;
        case 1:
          records.push_back(make_record(RecordKind::kRead, address(), 1, ip, 0, depends));
          ++loads;
          break;
        case 2:
          records.push_back(make_record(RecordKind::kModify, address(), 1, ip, 0, depends));
          ++loads;
          break;
        default:
          records.push_back(make_record(RecordKind::kWrite, address(), 1, ip, 0, depends));
          records.push_back(make_record(RecordKind::kWrite, address(), 1, ip, 0, depends));
          break;
      }
    }
    EXPECT_TRUE(same(written_and_read(records), records)) << round;
    EXPECT_EQ(counts_.dependences, 0u);
    EXPECT_EQ(counts_.instructions, 500u);
  }
}

TEST_F(ChampsimWriting, InstructionsWithoutAccessesAreThereToo) {
  const auto read = written_and_read({make_record(RecordKind::kRead, 0x7000, 4, 0x401000, 3),
                                      make_record(RecordKind::kWrite, 0x8000, 4, 0x401004, 2)});
  ASSERT_EQ(instructions(), 5u);
  ASSERT_EQ(read.size(), 7u);
  EXPECT_EQ(read[3].address, 0x7000u);
  EXPECT_EQ(read[6].address, 0x8000u);
}

TEST_F(ChampsimWriting, WhatDoesNotFitOneRecordGoesOnInTheNext) {
  std::vector<Record> records;
  for (unsigned i = 0; i < 6; ++i) {
    records.push_back(make_record(RecordKind::kRead, 0x7000 + 64 * i, 8, 0x401000, i == 0));
  }
  const auto read = written_and_read(records);
  EXPECT_EQ(instructions(), 2u);
  ASSERT_EQ(read.size(), 8u);
  EXPECT_EQ(read[5].ip, 0x401000u);
  EXPECT_EQ(read[7].address, 0x7000u + 64 * 5);
}

TEST_F(ChampsimWriting, DependencesOnWhatIsTooLongAgoOrInTheSameInstructionAreLeftOutAndCounted) {
  std::vector<Record> records;
  for (unsigned i = 0; i < 200; ++i) {
    records.push_back(make_record(RecordKind::kRead, 0x7000, 8, 0x401000, 1));
  }
  records.push_back(make_record(RecordKind::kRead, 0x7000, 8, 0x401000, 1, 129));
  records.push_back(make_record(RecordKind::kRead, 0x7000, 8, 0x401000, 0, 1));
  for (const Record& record : written_and_read(records)) EXPECT_EQ(record.depends_on, 0u);
  EXPECT_EQ(counts_.dependences, 2u);
}

TEST_F(ChampsimWriting, EventsAreLeftOutAndOtherAddressSpacesRefused) {
  Record event = make_record(RecordKind::kInvlpg, 0x7000, 0, 0, 0);
  const Record load = make_record(RecordKind::kRead, 0x7000, 8, 0x401000, 1);
  write({load, event, load});
  EXPECT_EQ(counts_.events, 1u);
  EXPECT_EQ(counts_.accesses, 2u);
  Record other = load;
  other.asid = 1;
  EXPECT_THROW(write({load, other}), InputError);
}

TEST_F(ChampsimWriting, AnAddressOrAnInstructionPointerOfZeroIsNoneInTheFormat) {
  const auto read = written_and_read({make_record(RecordKind::kRead, 0, 8, 0, 1)});
  ASSERT_EQ(read.size(), 2u);
  EXPECT_NE(read[0].ip, 0u);
  EXPECT_EQ(read[1].address, 1u);
}

}  // namespace
}  // namespace eptsim::sim
