#include "sim/trace/tests/trace_files.hpp"

namespace eptsim::sim {
namespace {

/// A ChampSim record under construction, in either layout.
struct Instruction {
  std::uint64_t ip = 0x401000;
  std::uint8_t is_branch = 0;
  std::uint8_t taken = 0;
  std::vector<std::uint8_t> destination_registers;
  std::vector<std::uint8_t> source_registers;
  std::vector<std::uint64_t> destination_memory;
  std::vector<std::uint64_t> source_memory;

  std::string small() const { return encode(2, 4, 0, 2, 4, 0); }
  std::string large() const { return encode(4, 4, 6, 4, 4, 8); }

 private:
  template <class Number>
  static std::string padded(std::vector<Number> values, std::size_t count) {
    values.resize(count);
    std::string bytes;
    for (const auto value : values) bytes += bytes_of(value);
    return bytes;
  }
  std::string encode(std::size_t dst_registers, std::size_t src_registers, std::size_t padding,
                     std::size_t dst_memory, std::size_t src_memory, std::size_t tail) const {
    return bytes_of(ip) + bytes_of(is_branch) + bytes_of(taken) +
           padded(destination_registers, dst_registers) + padded(source_registers, src_registers) +
           std::string(padding, '\x55') + padded(destination_memory, dst_memory) +
           padded(source_memory, src_memory) + std::string(tail, '\x01');
  }
};

Instruction load(std::uint64_t ip, std::uint8_t to, std::uint8_t from, std::uint64_t address) {
  Instruction instruction;
  instruction.ip = ip;
  instruction.destination_registers = {to};
  instruction.source_registers = {from};
  instruction.source_memory = {address};
  return instruction;
}

class Champsim : public testing::TestWithParam<bool> {
 protected:
  static std::string encode(const Instruction& instruction) {
    return GetParam() ? instruction.large() : instruction.small();
  }
  static std::size_t record_bytes() { return GetParam() ? 96 : 64; }
  ReadResult read(const std::string& bytes, unsigned linear_bits = 57) const {
    return read_trace(folder_.write("t", bytes), name(), linear_bits);
  }
  static std::string name() { return GetParam() ? "champsim-cloudsuite" : "champsim"; }
  TestFolder folder_;
};

TEST_P(Champsim, AnInstructionIsAFetchItsLoadsAndItsStores) {
  Instruction instruction;
  instruction.source_memory = {0x7000, 0, 0xffff800000001000};
  instruction.destination_memory = {0, 0x8000};
  const auto result = read(encode(instruction));
  ASSERT_FALSE(result.error) << result.message();
  const std::vector<Record> expected = {
      make_record(RecordKind::kFetch, 0x401000, 1, 0x401000, 1),
      make_record(RecordKind::kRead, 0x7000, 1, 0x401000, 0),
      make_record(RecordKind::kRead, 0xffff800000001000, 1, 0x401000, 0),
      make_record(RecordKind::kWrite, 0x8000, 1, 0x401000, 0)};
  EXPECT_TRUE(same(result.records, expected));
}

TEST_P(Champsim, ALocationLoadedAndStoredIsAModify) {
  Instruction instruction;
  instruction.source_memory = {0x7000, 0x9000};
  instruction.destination_memory = {0x9000};
  const auto records = read(encode(instruction)).records;
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].kind, RecordKind::kRead);
  EXPECT_EQ(records[2].kind, RecordKind::kModify);
}

TEST_P(Champsim, ALoadThroughALoadedRegisterDependsOnThatLoad) {
  Instruction add;  // r11 = r10 + r12
  add.destination_registers = {11};
  add.source_registers = {10, 12};
  const auto records = read(encode(load(0x401000, 10, 1, 0x7000)) +  // load 0: r10
                            encode(load(0x401004, 12, 1, 0x7100)) +  // load 1: r12
                            encode(add) +  // r11 comes from load 1, the later
                            encode(load(0x40100c, 13, 11, 0x7200)) +  // depends on it: 1 load ago
                            encode(load(0x401010, 14, 10, 0x7300)) +  // on load 0: 3 loads ago
                            encode(load(0x401014, 14, 2, 0x7400)))    // on none
                           .records;
  std::vector<std::uint32_t> depends;
  for (const auto& record : records)
    if (record.kind == RecordKind::kRead) depends.push_back(record.depends_on);
  EXPECT_EQ(depends, (std::vector<std::uint32_t>{0, 0, 1, 3, 0}));
}

TEST_P(Champsim, TheStackPointerAndTheFlagsCarryNoDependence) {
  const auto records =
      read(encode(load(0x401000, 6, 1, 0x7000)) + encode(load(0x401004, 25, 6, 0x7100)) +
           encode(load(0x401008, 3, 25, 0x7200)))
          .records;
  for (const auto& record : records) EXPECT_EQ(record.depends_on, 0u);
}

TEST_P(Champsim, ATraceCutInsideARecordGivesWhatCameBefore) {
  const auto one = encode(load(0x401000, 10, 1, 0x7000));
  const auto whole = one + one + one;
  for (std::size_t size = record_bytes(); size <= whole.size(); ++size) {
    const auto result = read(whole.substr(0, size));
    EXPECT_EQ(result.records.size(), 2 * (size / record_bytes())) << size;
    EXPECT_EQ(result.error.has_value(), size % record_bytes() != 0) << size;
    if (result.error) {
      const auto place = ": byte " + std::to_string(size / record_bytes() * record_bytes()) +
                         ", record " + std::to_string(size / record_bytes() + 1);
      EXPECT_NE(result.message().find(place), std::string::npos) << result.message();
    }
  }
}

TEST_P(Champsim, AnAddressThatIsNotCanonicalIsNamedWithItsRecord) {
  const auto good = encode(load(0x401000, 10, 1, 0x7000));
  const auto bad = encode(load(0x401000, 10, 1, 0x0000800000000000));
  EXPECT_FALSE(read(good + bad, 57).error);
  const auto result = read(good + bad, 48);
  EXPECT_EQ(result.records.size(), 2u);
  EXPECT_NE(result.message().find("record 2: address 0x800000000000 isn't canonical"),
            std::string::npos)
      << result.message();
}

TEST_P(Champsim, IsToldByItsContent) {
  std::string trace;
  for (std::uint64_t i = 0; i < 40; ++i) {
    auto instruction = load(0x401000 + 4 * i, 10, 1, 0x7008 + 8 * i);
    for (std::uint64_t j = 1; j < 4; ++j) instruction.source_memory.push_back(0x8044 + 8 * i + j);
    trace += encode(instruction);
  }
  const auto path = folder_.write("t", trace);
  EXPECT_EQ(open_trace(path)->format(), name());
  EXPECT_EQ(open_trace(folder_.write("cut", trace.substr(0, trace.size() - 5)))->format(), name());
}

INSTANTIATE_TEST_SUITE_P(Layouts, Champsim, testing::Bool(), [](const auto& param_info) {
  return std::string(param_info.param ? "Of96Bytes" : "Of64Bytes");
});

TEST(ChampsimGuess, ATraceThatCouldBeBothAsksForTheFormat) {
  const TestFolder folder;
  // Six records of 64 bytes are four of 96. Each second 96-byte one begins in the middle of a
  // 64-byte one, whose second load there makes a good instruction pointer.
  Instruction instruction;
  instruction.source_memory = {0x7000};
  std::string trace;
  for (int i = 0; i < 6; ++i) trace += instruction.small();
  for (int i = 1; i < 4; i += 2)
    trace.replace(static_cast<std::size_t>(96 * i), 8, bytes_of(std::uint64_t{0x402000}));
  const auto path = folder.write("t", trace);
  const auto guessed = read_trace(path);
  ASSERT_TRUE(guessed.error);
  EXPECT_NE(guessed.error->hint().find("--format champsim or --format champsim-cloudsuite"),
            std::string::npos)
      << guessed.message();
  EXPECT_FALSE(read_trace(path, "champsim").error);
  EXPECT_FALSE(read_trace(path, "champsim-cloudsuite").error);
}

}  // namespace
}  // namespace eptsim::sim
