#include <zlib.h>

#include "sim/trace/tests/compressed.hpp"
#include "sim/trace/tests/trace_files.hpp"
#include "sim/trace/zip.hpp"

namespace eptsim::sim {
namespace {

std::string entry(std::uint16_t type, std::uint16_t size, std::uint64_t address) {
  return bytes_of(type) + bytes_of(size) + bytes_of(address);
}

struct Member {
  std::string name;
  std::string content;
  bool deflated = true;
};

/// A zip archive, byte by byte; with `zip64` its sizes and offsets stand in the extra fields.
std::string make_zip(const std::vector<Member>& members, bool zip64 = false,
                     const std::string& comment = "") {
  const auto u16 = [](std::size_t value) { return bytes_of(static_cast<std::uint16_t>(value)); };
  const auto u32 = [](std::size_t value) { return bytes_of(static_cast<std::uint32_t>(value)); };
  const auto u64 = [](std::size_t value) { return bytes_of(static_cast<std::uint64_t>(value)); };
  constexpr std::size_t kElsewhere = 0xffffffff;
  std::string out;
  std::string directory;
  for (const auto& member : members) {
    const auto offset = out.size();
    const auto stored = member.deflated ? gzip(member.content, -15) : member.content;
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(member.content.data()),
                           static_cast<uInt>(member.content.size()));
    const auto common = u16(0) + u16(member.deflated ? 8 : 0) + u32(0) + u32(crc);
    out += u32(0x04034b50) + u16(20) + common + u32(stored.size()) + u32(member.content.size()) +
           u16(member.name.size()) + u16(4) + member.name + u16(0x9999) + u16(0) + stored;
    std::string extra = u16(0x1234) + u16(2) + "ab";  // one that is to be overlooked
    if (zip64)
      extra += u16(1) + u16(24) + u64(member.content.size()) + u64(stored.size()) + u64(offset);
    directory += u32(0x02014b50) + u16(20) + u16(20) + common +
                 u32(zip64 ? kElsewhere : stored.size()) +
                 u32(zip64 ? kElsewhere : member.content.size()) + u16(member.name.size()) +
                 u16(extra.size()) + u16(0) + u16(0) + u16(0) + u32(0) +
                 u32(zip64 ? kElsewhere : offset) + member.name + extra;
  }
  const auto start = out.size();
  out += directory;
  if (zip64) {
    const auto end64 = out.size();
    out += u32(0x06064b50) + u64(44) + u16(45) + u16(45) + u32(0) + u32(0) + u64(members.size()) +
           u64(members.size()) + u64(directory.size()) + u64(start);
    out += u32(0x07064b50) + u32(0) + u64(end64) + u32(1);
  }
  out += u32(0x06054b50) + u16(0) + u16(0) + u16(members.size()) + u16(members.size()) +
         u32(directory.size()) + u32(zip64 ? kElsewhere : start) + u16(comment.size()) + comment;
  return out;
}

std::string first_chunk() {
  return entry(25, 0, 4) + entry(22, 0, 77) + entry(24, 0, 77) + entry(28, 3, 5) +
         entry(47, 3, 0x909090) + entry(10, 3, 0x401000) + entry(0, 8, 0x7f00) +
         entry(13, 2, 0x401003);
}
std::string second_chunk() {
  return entry(28, 1, 9) + entry(48, 2, 0x401010) + entry(1, 4, 0x7f10) + entry(29, 2, 0x401020) +
         entry(1, 1, 0x7f20) + entry(5, 64, 0x7f40) + entry(16, 1, 0x401030) + entry(23, 0, 77) +
         entry(26, 0, 0);
}

const std::vector<Record>& expected() {
  static const std::vector<Record> records = {
      make_record(RecordKind::kFetch, 0x401000, 3, 0x401000, 1),
      make_record(RecordKind::kRead, 0x7f00, 8, 0x401000, 0),
      make_record(RecordKind::kFetch, 0x401003, 2, 0x401003, 1),
      make_record(RecordKind::kFetch, 0x401010, 2, 0x401010, 1),
      make_record(RecordKind::kWrite, 0x7f10, 4, 0x401010, 0),
      // a further turn of a repeated instruction isn't fetched again
      make_record(RecordKind::kWrite, 0x7f20, 1, 0x401020, 0),
      make_record(RecordKind::kFetch, 0x401030, 1, 0x401030, 1)};
  return records;
}

class Dynamorio : public testing::Test {
 protected:
  ReadResult read(const std::string& bytes) const {
    return read_trace(folder_.write("t", bytes), std::nullopt, 48);
  }
  TestFolder folder_;
};

TEST_F(Dynamorio, ChunksAreReadInTheOrderOfTheirNumbers) {
  // The directory has them in another order, and something else between them.
  const std::vector<Member> members = {{"chunk.0001", second_chunk(), true},
                                       {"notes.txt", "not a chunk", false},
                                       {"chunk.0000", first_chunk(), false}};
  for (const bool zip64 : {false, true}) {
    const auto result = read(make_zip(members, zip64, "a comment"));
    EXPECT_FALSE(result.error) << result.message();
    EXPECT_TRUE(same(result.records, expected()));
  }
  EXPECT_EQ(open_trace(folder_.path("t"))->format(), "dynamorio");
}

TEST_F(Dynamorio, AZipInsideGzipIsReadToo) {
  const auto result = read(gzip(make_zip({{"chunk.0000", first_chunk() + second_chunk()}})));
  EXPECT_FALSE(result.error) << result.message();
  EXPECT_TRUE(same(result.records, expected()));
}

TEST_F(Dynamorio, AZipCutAnywhereIsAnError) {
  const auto whole = make_zip({{"chunk.0000", first_chunk() + second_chunk()}});
  for (std::size_t size = 4; size < whole.size(); ++size)
    EXPECT_TRUE(read(whole.substr(0, size)).error) << size;
}

TEST_F(Dynamorio, ADamagedZipIsNoticedOrReadAsBefore) {
  for (const bool zip64 : {false, true}) {
    const auto whole =
        make_zip({{"chunk.0000", first_chunk()}, {"chunk.0001", second_chunk()}}, zip64);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      auto bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x21);
      const auto result = read(bytes);
      EXPECT_TRUE(result.error || same(result.records, expected())) << at;
    }
  }
}

TEST_F(Dynamorio, AChunkThatEndsInsideARecordIsAnErrorWithItsPlace) {
  const auto chunk = first_chunk();
  const auto result = read(make_zip({{"chunk.0000", chunk.substr(0, chunk.size() - 5)}}));
  EXPECT_NE(result.message().find("member chunk.0000: byte 84, record 8: the member ends after 7"),
            std::string::npos)
      << result.message();
  EXPECT_EQ(result.records.size(), 2u);
}

TEST_F(Dynamorio, MissingHeaderFooterOrChunksAndUnknownTypesAreErrors) {
  EXPECT_NE(read(make_zip({{"chunk.0000", second_chunk()}})).message().find("header"),
            std::string::npos);
  EXPECT_NE(read(make_zip({{"chunk.0000", first_chunk()}})).message().find("no footer"),
            std::string::npos);
  EXPECT_NE(read(make_zip({{"other", first_chunk()}})).message().find("chunk.NNNN"),
            std::string::npos);
  EXPECT_NE(read(make_zip({{"chunk.0000", first_chunk() + entry(999, 0, 0)}}))
                .message()
                .find("record 9: record of unknown type 999"),
            std::string::npos);
}

TEST_F(Dynamorio, AnAddressThatIsNotCanonicalIsAnError) {
  const auto result = read(make_zip({{"chunk.0000", first_chunk() + entry(0, 8, 0x800000000000)}}));
  EXPECT_NE(result.message().find("isn't canonical"), std::string::npos) << result.message();
  EXPECT_EQ(result.records.size(), 3u);
}

}  // namespace
}  // namespace eptsim::sim
