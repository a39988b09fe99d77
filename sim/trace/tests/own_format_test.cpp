#include <xxhash.h>

#include <algorithm>
#include <random>
#include <thread>

#include "sim/trace/own_reader.hpp"
#include "sim/trace/own_writer.hpp"
#include "sim/trace/tests/compressed.hpp"
#include "sim/trace/tests/trace_files.hpp"
#include "sim/trace/varint.hpp"

namespace eptsim::sim {
namespace {

own::Header some_header() {
  own::Header header;
  header.fetches = true;
  header.dependences = true;
  header.page_hints = {{0x1000, 0x400000, 4096}, {0x7f0000000000, 0x7f0040000000, 2097152}};
  header.notes = {{"command", "sleep 1: nothing"}, {"empty", ""}};
  return header;
}

/// A program of a few loops over arrays, with calls, seldom branches, events and several contexts.
std::vector<Record> program_like(std::size_t count, std::uint32_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Record> records;
  std::uint64_t row = 0;
  while (records.size() < count) {
    const std::uint64_t ip = 0x401000 + 64 * (random() % 16);
    const auto vcpu = static_cast<std::uint8_t>(random() % 2);
    for (int i = 0; i < 12; ++i, ++row) {
      auto fetch = make_record(RecordKind::kFetch, ip, 4, ip, 1);
      auto load = make_record(RecordKind::kRead, 0x7f0000000000 + row * 8, 8, ip, 0,
                              static_cast<std::uint32_t>(random() % 3));
      auto store = make_record(RecordKind::kWrite, 0x600000 + random() % 100000, 4, ip + 4, 0);
      for (auto* record : {&fetch, &load, &store}) {
        record->vcpu = vcpu;
        record->asid = static_cast<std::uint16_t>(vcpu + 5);
        records.push_back(*record);
      }
    }
    if (random() % 8 == 0) {
      auto event = make_record(RecordKind::kMovCr3, random(), 8, 0, 0);
      event.vm = 3;
      records.push_back(event);
    }
  }
  records.resize(count);
  return records;
}

/// Records of which each field takes any value: nothing can be predicted.
std::vector<Record> arbitrary(std::size_t count, std::uint32_t seed) {
  std::mt19937_64 random(seed);
  // Of all magnitudes, with 0 and the largest values among them.
  const auto any = [&] {
    return random() % 5 == 0 ? ~std::uint64_t{0} : random() >> random() % 64;
  };
  std::vector<Record> records(count);
  for (auto& record : records) {
    record.kind = static_cast<RecordKind>(random() % 12);
    record.ip = any();
    record.address = random() % 3 == 0 ? record.ip : any();
    if (is_access(record.kind))  // sign-extended from 48 bits
      record.address =
          static_cast<std::uint64_t>(static_cast<std::int64_t>(record.address << 16) >> 16);
    record.instructions = static_cast<std::uint32_t>(any());
    record.depends_on = static_cast<std::uint32_t>(any());
    record.size = static_cast<std::uint16_t>(any());
    record.asid = static_cast<std::uint16_t>(any());
    record.vcpu = static_cast<std::uint8_t>(any());
    record.vm = static_cast<std::uint16_t>(any());
  }
  return records;
}

class OwnFormat : public testing::Test {
 protected:
  std::string write(const std::vector<Record>& records, std::uint32_t block_records = 1000,
                    const own::Header& header = some_header()) {
    const auto path = folder_.path("trace.ept");
    OwnTraceWriter::Options options;
    options.block_records = block_records;
    OwnTraceWriter writer(path, header, options);
    writer.add(records);
    index_ = writer.finish();
    return path;
  }
  TestFolder folder_;
  own::Index index_;
};

TEST_F(OwnFormat, GivesBackTheRecordsOfAProgram) {
  const auto records = program_like(25'000, 1);
  const auto path = write(records, 7'000);
  for (const std::size_t batch : {std::size_t{1}, std::size_t{64}, std::size_t{100'000}})
    EXPECT_TRUE(same(read_trace(path, std::nullopt, 48, batch).records, records)) << batch;
}

TEST_F(OwnFormat, GivesBackArbitraryRecords) {
  for (std::uint32_t seed = 0; seed < 30; ++seed) {
    const auto records = arbitrary(1 + seed * 97, seed);
    const auto result = read_trace(write(records, 500));
    ASSERT_FALSE(result.error) << result.message();
    ASSERT_TRUE(same(result.records, records)) << "seed " << seed;
  }
}

TEST_F(OwnFormat, GivesBackFewSitesInArbitraryOrder) {
  for (std::uint32_t seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    const auto sites = arbitrary(2 + seed, seed);
    std::vector<Record> records(3000);
    for (auto& record : records) {
      record = sites[random() % sites.size()];
      if (random() % 4 == 0 && is_access(record.kind)) record.address = random() >> 20;
      if (random() % 4 == 0) record.instructions = static_cast<std::uint32_t>(random() % 3);
      if (random() % 4 == 0) record.depends_on = static_cast<std::uint32_t>(random());
    }
    const auto result = read_trace(write(records, 1024));
    ASSERT_FALSE(result.error) << result.message();
    ASSERT_TRUE(same(result.records, records)) << "seed " << seed;
  }
}

TEST_F(OwnFormat, TheSameRecordsMakeTheSameBytes) {
  const auto records = program_like(5000, 2);
  const auto first = content_of(write(records));
  EXPECT_EQ(content_of(write(records)), first);
}

TEST_F(OwnFormat, AStraightLoopOverAnArrayCostsNearlyNothing) {
  std::vector<Record> records;
  for (std::uint64_t i = 0; records.size() < 200'000; ++i) {
    records.push_back(make_record(RecordKind::kFetch, 0x401000, 4, 0x401000, 1));
    records.push_back(make_record(RecordKind::kRead, 0x7f0000000000 + 8 * i, 8, 0x401000, 0));
    records.push_back(make_record(RecordKind::kFetch, 0x401004, 2, 0x401004, 1));
  }
  EXPECT_LT(content_of(write(records, own::kDefaultBlockRecords)).size(), 2000u);
}

TEST_F(OwnFormat, PageHintsAreTheProgramsAreas) {
  const auto areas = open_trace(write(program_like(10, 3)))->areas();
  ASSERT_EQ(areas.size(), 2u);
  EXPECT_EQ(areas[1].begin, 0x7f0000000000u);
  EXPECT_EQ(areas[1].end, 0x7f0040000000u);
  EXPECT_TRUE(open_trace("generate:chase")->areas().empty());
}

TEST_F(OwnFormat, HeaderAndCountsComeBack) {
  const auto records = program_like(10'000, 3);
  const auto path = write(records);
  const OwnTraceFile file(path);
  EXPECT_EQ(file.header(), some_header());
  own::Counts counts;
  for (const auto& record : records) counts.add(record);
  EXPECT_EQ(file.index().counts, counts);
  EXPECT_EQ(counts.records(), 10'000u);
  const auto reader = open_trace(path);
  EXPECT_EQ(reader->format(), "eptsim");
  EXPECT_TRUE(reader->has_fetches());
  EXPECT_EQ(reader->total_accesses(), counts.accesses());
}

TEST_F(OwnFormat, ATraceWithoutRecordsIsATrace) {
  const auto result = read_trace(write({}));
  EXPECT_FALSE(result.error) << result.message();
  EXPECT_TRUE(result.records.empty());
}

TEST_F(OwnFormat, BlocksAreReadInAnyOrderByManyThreads) {
  const auto records = program_like(40'000, 4);
  const auto path = write(records, 1000);
  const OwnTraceFile file(path);
  ASSERT_EQ(file.index().blocks.size(), 40u);
  std::vector<std::vector<Record>> blocks(40);
  std::vector<std::thread> threads;
  for (std::size_t first = 0; first < 4; ++first)
    threads.emplace_back([&, first] {
      for (std::size_t i = first; i < 40; i += 4) blocks[39 - i] = file.block(39 - i);
    });
  for (auto& thread : threads) thread.join();
  std::vector<Record> together;
  for (const auto& block : blocks) together.insert(together.end(), block.begin(), block.end());
  EXPECT_TRUE(same(together, records));
}

TEST_F(OwnFormat, HeadersOfBlocksTellWhetherThereIsMoreThanOneContext) {
  std::vector<Record> records = program_like(5000, 5);
  for (Record& record : records) {
    record.vm = 0;
    record.vcpu = 0;
    record.asid = 0;
  }
  EXPECT_FALSE(OwnTraceFile(write(records)).has_contexts());
  records.back().vcpu = 1;
  EXPECT_TRUE(OwnTraceFile(write(records)).has_contexts());
}

TEST_F(OwnFormat, AMissingIndexIsMadeAgainFromTheBlocks) {
  const auto records = program_like(10'000, 5);
  const auto path = write(records);
  const auto whole = content_of(path);
  const auto& last = index_.blocks.back();
  const auto cut = folder_.write("cut", whole.substr(0, last.offset + last.bytes));
  const OwnTraceFile file(cut);
  EXPECT_FALSE(file.had_index());
  EXPECT_EQ(file.index(), index_);
  const auto result = read_trace(cut);
  EXPECT_FALSE(result.error) << result.message();
  EXPECT_TRUE(same(result.records, records));
}

TEST_F(OwnFormat, ADamagedBlockIsNamedByItsOffsetAndWhatCameBeforeStaysGood) {
  const auto records = program_like(10'000, 6);
  auto bytes = content_of(write(records));
  const auto& block = index_.blocks[6];
  bytes[block.offset + block.bytes / 2] ^= 1;
  const auto result = read_trace(folder_.write("damaged", bytes));
  EXPECT_NE(result.message().find(": byte " + std::to_string(block.offset) + ", record 6000"),
            std::string::npos)
      << result.message();
  EXPECT_TRUE(same(result.records, {records.begin(), records.begin() + 6000}));
}

TEST_F(OwnFormat, AFileCutAnywhereButBetweenBlocksIsAnError) {
  const auto records = program_like(150, 7);
  const auto path = write(records, 50);
  const auto whole = content_of(path);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const auto result = read_trace(folder_.write("cut", whole.substr(0, size)));
    bool between_blocks = size == index_.blocks[0].offset;
    for (const auto& block : index_.blocks) between_blocks |= size == block.offset + block.bytes;
    EXPECT_EQ(!result.error, between_blocks) << size << ": " << result.message();
    EXPECT_TRUE(same(
        result.records,
        {records.begin(), records.begin() + static_cast<std::ptrdiff_t>(result.records.size())}));
    try {
      const OwnTraceFile file(path);
    } catch (const InputError&) {
    }
  }
}

TEST_F(OwnFormat, NoDamagedByteGoesUnnoticed) {
  const auto records = program_like(150, 8);
  const auto whole = content_of(write(records, 50));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x41);
    const auto path = folder_.write("damaged", bytes);
    const auto result = read_trace(path, "eptsim");
    // The minor version is the one part that a reader is to overlook, but for its checksum.
    EXPECT_TRUE(result.error) << "byte " << at;
    EXPECT_TRUE(same(
        result.records,
        {records.begin(), records.begin() + static_cast<std::ptrdiff_t>(result.records.size())}));
  }
}

/// A block's columns, decompressed, changed, and put together again with checksums that fit.
std::string with_changed_columns(const std::string& block, std::mt19937_64& random) {
  constexpr std::size_t kSizes = 4 + 4 + 8 + own::kCountsBytes;
  const auto number = [&](std::size_t at) {
    std::uint32_t value;
    std::memcpy(&value, block.data() + at, sizeof value);
    return value;
  };
  std::string sizes;
  std::string payload;
  std::size_t at = own::kBlockHeaderBytes;
  const auto changed = random() % own::kColumns;
  for (std::size_t i = 0; i < own::kColumns; ++i) {
    std::string column(number(kSizes + 8 * i), '\0');
    const auto stored = number(kSizes + 8 * i + 4);
    if (stored > 0) ZSTD_decompress(column.data(), column.size(), block.data() + at, stored);
    at += stored;
    if (i == changed && !column.empty()) {
      for (int times = 0; times < 3; ++times)
        column[random() % column.size()] = static_cast<char>(random());
      if (random() % 4 == 0) column.resize(random() % column.size());
      if (random() % 4 == 0) column += static_cast<char>(random());
    }
    const auto frame = column.empty() ? "" : zstd(column);
    sizes += bytes_of(static_cast<std::uint32_t>(column.size())) +
             bytes_of(static_cast<std::uint32_t>(frame.size()));
    payload += frame;
  }
  auto header = block.substr(0, kSizes) + sizes;
  header += bytes_of(std::uint64_t{XXH3_64bits(payload.data(), payload.size())});
  header += bytes_of(std::uint64_t{XXH3_64bits(header.data(), header.size())});
  return header + payload;
}

TEST_F(OwnFormat, ABlockThatContradictsItselfIsReadSafely) {
  std::mt19937_64 random(14);
  std::size_t errors = 0;
  const auto whole = content_of(write(program_like(400, 14), 400));
  const auto& block = index_.blocks[0];
  for (int i = 0; i < 400; ++i) {
    const auto bytes = whole.substr(0, block.offset) +
                       with_changed_columns(whole.substr(block.offset, block.bytes), random);
    const auto result = read_trace(folder_.write("hostile", bytes));
    EXPECT_LE(result.records.size(), 400u);
    errors += result.error ? 1 : 0;
  }
  EXPECT_GT(errors, 100u);
}

TEST_F(OwnFormat, ABlockLeftOutIsNoticed) {
  const auto whole = content_of(write(program_like(5000, 9)));
  const auto& block = index_.blocks[2];
  const auto result = read_trace(folder_.write(
      "cut", whole.substr(0, block.offset) + whole.substr(block.offset + block.bytes)));
  EXPECT_NE(result.message().find("a part is missing"), std::string::npos) << result.message();
  EXPECT_EQ(result.records.size(), 2000u);
}

TEST_F(OwnFormat, BytesBehindTheIndexAreAnError) {
  const auto whole = content_of(write(program_like(50, 10)));
  EXPECT_TRUE(read_trace(folder_.write("more", whole + "x")).error);
}

TEST_F(OwnFormat, AnotherMajorVersionIsRefusedByItsNumber) {
  auto bytes = content_of(write(program_like(50, 11)));
  bytes[8] = 9;
  EXPECT_NE(read_trace(folder_.write("other", bytes)).message().find("version 9"),
            std::string::npos);
}

TEST_F(OwnFormat, IsReadThroughCompressionWithoutKnowingItsLength) {
  const auto records = program_like(3000, 12);
  const auto path = folder_.write("trace.gz", gzip(content_of(write(records))));
  EXPECT_TRUE(same(read_trace(path).records, records));
  EXPECT_FALSE(open_trace(path)->total_accesses().has_value());
}

TEST_F(OwnFormat, AnAddressThatIsNotCanonicalStopsAtItsRecord) {
  auto records = program_like(100, 13);
  records[60].address = 0x0000'9000'0000'0000;  // canonical for 57 bits, not for 48
  const auto path = write(records);
  EXPECT_FALSE(read_trace(path, std::nullopt, 57).error);
  for (const std::size_t batch : {std::size_t{1}, std::size_t{60}, std::size_t{100}}) {
    const auto result = read_trace(path, std::nullopt, 48, batch);
    EXPECT_EQ(result.records.size(), 60u);
    EXPECT_NE(result.message().find("record 60: address 0x900000000000 isn't canonical"),
              std::string::npos)
        << result.message();
  }
}

TEST_F(OwnFormat, WithoutFinishNoFileIsLeft) {
  const auto path = folder_.path("unfinished.ept");
  {
    OwnTraceWriter writer(path, some_header());
    writer.add(make_record(RecordKind::kRead, 1, 1, 1, 1));
    EXPECT_TRUE(std::filesystem::exists(path + ".part"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

TEST_F(OwnFormat, AnOutputThatCannotBeWrittenIsAnError) {
  EXPECT_THROW(OwnTraceWriter(folder_.path("no/such/folder"), some_header()), InputError);
  EXPECT_THROW(OwnTraceWriter("/dev/full", some_header()), InputError);
}

TEST_F(OwnFormat, NotesThatWouldBreakTheHeaderAreRefused) {
  for (const auto& note : std::vector<std::pair<std::string, std::string>>{
           {"a:b", "x"}, {"a", "x\ny"}, {"", "x"}, {"fetches", "maybe"}}) {
    own::Header header;
    header.notes = {note};
    EXPECT_THROW(own::encode_header(header), std::invalid_argument) << note.first;
  }
}

TEST(Varint, EveryLengthComesBackAndTooLongOnesAreRefused) {
  for (unsigned bits = 0; bits <= 64; ++bits) {
    const auto value = bits == 0 ? 0 : ~std::uint64_t{0} >> (64 - bits);
    std::vector<std::uint8_t> bytes;
    own::put_varint(bytes, value);
    const std::uint8_t* at = bytes.data();
    std::uint64_t got;
    ASSERT_TRUE(own::get_varint(at, bytes.data() + bytes.size(), got));
    EXPECT_EQ(got, value);
    at = bytes.data();
    EXPECT_FALSE(own::get_varint(at, bytes.data() + bytes.size() - 1, got));
  }
  const std::vector<std::uint8_t> too_long(11, 0xff);
  const std::uint8_t* at = too_long.data();
  std::uint64_t got;
  EXPECT_FALSE(own::get_varint(at, at + 11, got));
}

}  // namespace
}  // namespace eptsim::sim
