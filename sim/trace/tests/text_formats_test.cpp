#include "sim/trace/tests/trace_files.hpp"

namespace eptsim::sim {
namespace {

constexpr std::string_view kLackeyTrace =
    "==77== Lackey, an example Valgrind tool\n"
    "==77== Command: true\n"
    "I  04001000,3\n"
    " L 1ffefffe7d,8\n"
    "I  04001003,5\n"
    " S 1ffefffe78,16\n"
    " M 0421c7cc,4\n"
    "==77== \n"
    "I  04001008,2\n";

class TextFormats : public testing::Test {
 protected:
  ReadResult read(std::string_view text, std::optional<std::string_view> format = std::nullopt,
                  unsigned linear_bits = 57) const {
    return read_trace(folder_.write("t", text), format, linear_bits);
  }
  /// The message of reading `text`, without the folder's name.
  std::string message(std::string_view text, std::optional<std::string_view> format = std::nullopt,
                      unsigned linear_bits = 57) const {
    const auto whole = read(text, format, linear_bits).message();
    const auto name = folder_.path("t");
    return whole.starts_with(name) ? whole.substr(name.size()) : whole;
  }
  TestFolder folder_;
};

TEST_F(TextFormats, LackeyGivesFetchesAndTheAccessesOfEach) {
  const auto result = read(kLackeyTrace);
  ASSERT_FALSE(result.error) << result.message();
  const std::vector<Record> expected = {
      make_record(RecordKind::kFetch, 0x4001000, 3, 0x4001000, 1),
      make_record(RecordKind::kRead, 0x1ffefffe7d, 8, 0x4001000, 0),
      make_record(RecordKind::kFetch, 0x4001003, 5, 0x4001003, 1),
      make_record(RecordKind::kWrite, 0x1ffefffe78, 16, 0x4001003, 0),
      make_record(RecordKind::kModify, 0x421c7cc, 4, 0x4001003, 0),
      make_record(RecordKind::kFetch, 0x4001008, 2, 0x4001008, 1)};
  EXPECT_TRUE(same(result.records, expected));
}

TEST_F(TextFormats, LackeyWithTheLineEndsOfAnotherSystemIsTheSame) {
  std::string text;
  for (const char c : kLackeyTrace) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_TRUE(same(read(text).records, read(kLackeyTrace).records));
}

TEST_F(TextFormats, LackeyNamesLineColumnByteAndRecordOfAMistake) {
  EXPECT_EQ(message("I  04001000,3\n L 1000;8\n"),
            ":2:8: byte 21, record 2: expected a comma and the size");
  EXPECT_EQ(
      message("I  04001000,3\n X 1000,8\n"),
      ":2:1: byte 14, record 2: expected \"I  \", \" L \", \" S \" or \" M \" and an address, or a "
      "comment");
  EXPECT_EQ(message("I  04001000,0\n"),
            ":1:13: byte 12, record 1: expected a size of 1 to 4096 bytes");
  EXPECT_EQ(message("I  04001000,4097\n"),
            ":1:13: byte 12, record 1: expected a size of 1 to 4096 bytes");
  EXPECT_EQ(message("I  04001000,3x\n"), ":1:14: byte 13, record 1: expected the end of the line");
  EXPECT_EQ(message("I  11112222333344445,3\n"), ":1:4: byte 3, record 1: expected an address");
}

TEST_F(TextFormats, LackeyRefusesAnAddressThatIsNotCanonical) {
  EXPECT_EQ(message("I  1000,3\n L 800000000000,8\n", std::nullopt, 48),
            ":2:4: byte 13, record 2: address 0x800000000000 isn't canonical, expected one of 48 "
            "bits");
  EXPECT_EQ(message("I  1000,3\n L 800000000000,8\n", std::nullopt, 57), "");
}

TEST_F(TextFormats, LackeyCutAnywhereGivesTheWholeLinesBefore) {
  const auto all = read(kLackeyTrace).records;
  for (std::size_t size = 60; size < kLackeyTrace.size(); ++size) {
    const auto text = kLackeyTrace.substr(0, size);
    const auto result = read(text, "lackey");
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    EXPECT_GE(result.records.size() + 3, lines) << size;
    if (!result.records.empty()) {
      EXPECT_TRUE(same(
          {result.records.begin(), result.records.end() - 1},
          {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(result.records.size() - 1)}));
    }
  }
}

TEST_F(TextFormats, ALineWithoutEndIsAnErrorAndNotAllOfMemory) {
  EXPECT_EQ(message("I  1000,3\nI  " + std::string(5'000'000, '1')),
            ":2:1: byte 10, record 2: the line is too long for a trace");
}

TEST_F(TextFormats, DinHasReadsWritesAndFetches) {
  const auto result = read("2 401000\n0 7f00\n1 0x7f08 and more\n\n2 401004\n");
  ASSERT_FALSE(result.error) << result.message();
  const std::vector<Record> expected = {make_record(RecordKind::kFetch, 0x401000, 1, 0x401000, 1),
                                        make_record(RecordKind::kRead, 0x7f00, 1, 0x401000, 0),
                                        make_record(RecordKind::kWrite, 0x7f08, 1, 0x401000, 0),
                                        make_record(RecordKind::kFetch, 0x401004, 1, 0x401004, 1)};
  EXPECT_TRUE(same(result.records, expected));
  EXPECT_TRUE(open_trace(folder_.path("t"))->has_fetches());
}

TEST_F(TextFormats, DinWithoutFetchesCountsEachAccessAsAnInstruction) {
  const auto result = read("0 1000\n1 1008\n");
  ASSERT_EQ(result.records.size(), 2u);
  EXPECT_EQ(result.records[1].instructions, 1u);
  EXPECT_FALSE(open_trace(folder_.path("t"))->has_fetches());
}

TEST_F(TextFormats, DinNamesThePlaceOfAMistake) {
  EXPECT_EQ(message("0 1000\n3 1000\n"),
            ":2:1: byte 7, record 2: expected a label (0 read, 1 write, 2 fetch) and an address");
  EXPECT_EQ(message("0 1000\n0 10x0\n"), ":2:5: byte 11, record 2: expected a hexadecimal address");
  EXPECT_EQ(message("0 1000\n0 \n"), ":2:3: byte 9, record 2: expected a hexadecimal address");
  EXPECT_EQ(
      message("0 1000\n1 8000000000000000\n"),
      ":2:3: byte 9, record 2: address 0x8000000000000000 isn't canonical, expected one of 57 "
      "bits");
}

}  // namespace
}  // namespace eptsim::sim
