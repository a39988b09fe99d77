#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "sim/run/tests/support.hpp"

namespace eptsim::sim {
namespace {

Record in_space(std::uint16_t asid, Record record) {
  record.asid = asid;
  return record;
}

/// Walks after a warm-up of two pages, `what`, and the two pages again.
std::uint64_t walks_after(Mode mode, Record what) {
  RunSettings settings = small_machine(mode);
  settings.warmup = 2;
  const RunResult result = run(settings, {read(kHeap), read(kHeap + kPageBytes), what, read(kHeap),
                                          read(kHeap + kPageBytes)});
  EXPECT_EQ(result.accesses, 2u);
  EXPECT_EQ(result.events, 1u);
  EXPECT_EQ(result.guest_page_faults, 0u);
  EXPECT_EQ(result.ept_violations, 0u);
  return result.walker.walks;
}

TEST(Events, InvlpgRemovesOnePage) {
  EXPECT_EQ(walks_after(Mode::kNested, event(RecordKind::kInvlpg, kHeap + 5)), 1u);
}
TEST(Events, InvlpgRemovesOnePageOnANativeMachineToo) {
  EXPECT_EQ(walks_after(Mode::kNative, event(RecordKind::kInvlpg, kHeap + 5)), 1u);
}
TEST(Events, InvlpgOfAnotherPageRemovesNothing) {
  EXPECT_EQ(walks_after(Mode::kNested, event(RecordKind::kInvlpg, kHeap - 1)), 0u);
}
TEST(Events, MovCr3RemovesAllPages) {
  EXPECT_EQ(walks_after(Mode::kNested, event(RecordKind::kMovCr3)), 2u);
}
TEST(Events, MovCr3RemovesAllPagesOfANativeMachineToo) {
  EXPECT_EQ(walks_after(Mode::kNative, event(RecordKind::kMovCr3)), 2u);
}
TEST(Events, MovCr4RemovesAllPages) {
  EXPECT_EQ(walks_after(Mode::kNested, event(RecordKind::kMovCr4)), 2u);
}
/// INVPCID, INVVPID or INVEPT of a type.
Record of_type(RecordKind kind, std::uint16_t type, std::uint64_t address = 0) {
  Record record = event(kind, address);
  record.size = type;
  return record;
}

struct Typed {
  const char* name;
  Mode mode;
  Record record;
  std::uint64_t walks;  ///< of two
};
void PrintTo(const Typed& typed, std::ostream* out) { *out << typed.name; }

/// One simulation a test: SystemC has one a process.
class TypedEvents : public testing::TestWithParam<Typed> {};

TEST_P(TypedEvents, RemoveWhatTheTypeSays) {
  EXPECT_EQ(walks_after(GetParam().mode, GetParam().record), GetParam().walks);
}

constexpr auto kPcid = RecordKind::kInvpcid;
constexpr auto kVpid = RecordKind::kInvvpid;
constexpr auto kEpt = RecordKind::kInvept;
const Typed kTyped[] = {
    {"InvpcidAddress", Mode::kNested, of_type(kPcid, 0, kHeap + 5), 1},
    {"InvpcidAddressNative", Mode::kNative, of_type(kPcid, 0, kHeap + 5), 1},
    {"InvpcidOtherAddress", Mode::kNested, of_type(kPcid, 0, kHeap - 1), 0},
    {"InvpcidSingle", Mode::kNested, of_type(kPcid, 1), 2},
    {"InvpcidSingleOfAnotherSpace", Mode::kNested, in_space(1, of_type(kPcid, 1)), 0},
    {"InvpcidAllWithGlobals", Mode::kNested, in_space(1, of_type(kPcid, 2)), 2},
    {"InvpcidAllButGlobals", Mode::kNested, in_space(1, of_type(kPcid, 3)), 2},
    {"InvpcidNoType", Mode::kNested, of_type(kPcid, 4), 0},
    {"InvvpidAddress", Mode::kNested, of_type(kVpid, 0, kHeap + 5), 1},
    {"InvvpidOtherAddress", Mode::kNested, of_type(kVpid, 0, kHeap - 1), 0},
    {"InvvpidSingle", Mode::kNested, of_type(kVpid, 1), 2},
    {"InvvpidSingleNative", Mode::kNative, of_type(kVpid, 1), 0},
    {"InvvpidAll", Mode::kNested, of_type(kVpid, 2), 2},
    {"InvvpidSingleButGlobals", Mode::kNested, of_type(kVpid, 3), 2},
    {"InvvpidNoType", Mode::kNested, of_type(kVpid, 256), 0},
    {"Invept", Mode::kNested, of_type(kEpt, 1), 2},
    {"InveptNative", Mode::kNative, of_type(kEpt, 1), 0},
};
INSTANTIATE_TEST_SUITE_P(Instructions, TypedEvents, testing::ValuesIn(kTyped),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Events, ASwitchRemovesAllPages) {
  EXPECT_EQ(walks_after(Mode::kNested, event(RecordKind::kSwitch)), 2u);
}

TEST(Events, BeforeTheFirstAccessDoNoHarm) {
  std::vector<Record> records;
  for (auto kind = RecordKind::kSwitch; kind <= RecordKind::kMapChange;
       kind = static_cast<RecordKind>(static_cast<int>(kind) + 1)) {
    records.push_back(event(kind, kHeap));
  }
  records.push_back(read(kHeap));
  const RunResult result = run(small_machine(), records);
  EXPECT_EQ(result.events, 8u);
  EXPECT_EQ(result.accesses, 1u);
  EXPECT_FALSE(result.error);
}

TEST(MapChange, MakesThePageFaultAgainAndGetItsFrameBack) {
  RunSettings settings = small_machine();
  settings.warmup = 2;
  const RunResult result = run(
      settings, {read(kHeap), read(kHeap + kPageBytes), event(RecordKind::kMapChange, kHeap + 77),
                 read(kHeap), read(kHeap + kPageBytes)});
  EXPECT_EQ(result.guest_page_faults, 1u);
  EXPECT_EQ(result.walker.walks, 2u);    // the fault and the translation
  EXPECT_EQ(result.ept_violations, 0u);  // the guest reuses the frame, which is backed
  EXPECT_EQ(result.page_bytes, 2 * kPageBytes);
}

TEST(MapChange, WhereNothingIsMappedChangesNothing) {
  RunSettings settings = small_machine();
  settings.warmup = 1;
  const RunResult result = run(settings, {read(kHeap), event(RecordKind::kMapChange, 0x1000),
                                          event(RecordKind::kMapChange, 1ull << 60), read(kHeap)});
  EXPECT_EQ(result.l1d.hits, 1u);
  EXPECT_EQ(result.page_bytes, kPageBytes);
}

TEST(AddressSpaces, HaveTablesOfTheirOwn) {
  const RunResult result =
      run(small_machine(), {in_space(1, read(kHeap)), in_space(2, read(kHeap))});
  EXPECT_EQ(result.guest_page_faults, 2u);
  EXPECT_EQ(result.ept_violations, 2u * 5);
  EXPECT_EQ(result.guest_table_bytes, 2 * 4 * kPageBytes);
}

TEST(AddressSpaces, FlushTheTlbsOnEverySwitch) {
  RunSettings settings = small_machine();
  settings.warmup = 2;
  const RunResult result =
      run(settings, {in_space(1, read(kHeap)), in_space(2, read(kHeap)), in_space(1, read(kHeap)),
                     in_space(1, read(kHeap)), in_space(2, read(kHeap))});
  EXPECT_EQ(result.walker.walks, 2u);
  EXPECT_EQ(result.walker.references, 2u * 24);
  EXPECT_EQ(result.l1d.hits, 1u);
}

}  // namespace
}  // namespace eptsim::sim
