// The traces of traces/, as they are stored.
#include "sim/trace/info.hpp"
#include "sim/trace/own_reader.hpp"
#include "sim/trace/tests/trace_files.hpp"

namespace eptsim::sim {
namespace {

class BundledTrace : public testing::TestWithParam<const char*> {
 protected:
  static std::string path() { return std::string(EPTSIM_TRACES) + "/" + GetParam() + ".ept"; }
};

TEST_P(BundledTrace, IsSmallAsStoredAndLargerThanWhatATlbReaches) {
  constexpr std::uint64_t kTlbEntries = 2048;
  const auto info = describe_trace(path());
  EXPECT_LE(info.stored_bytes, 4u << 20);
  EXPECT_GT(info.data_pages, kTlbEntries);
  EXPECT_EQ(info.counts.accesses(), 4'000'000u);
  EXPECT_TRUE(info.has_index);
  ASSERT_TRUE(info.header);
  EXPECT_TRUE(info.header->fetches);
  EXPECT_GT(info.dependent, 0u);
  EXPECT_EQ(info.header->notes[0].first, "command");
}

TEST_P(BundledTrace, HasTheHashThatTheReadmeSays) {
  const auto readme = content_of(std::string(EPTSIM_TRACES) + "/README.md");
  EXPECT_NE(readme.find(hash_of_trace(path())), std::string::npos) << hash_of_trace(path());
}

TEST_P(BundledTrace, IsCanonicalFor48Bits) {
  EXPECT_FALSE(read_trace(path(), std::nullopt, 48, 4096).error);
}

INSTANTIATE_TEST_SUITE_P(Each, BundledTrace, testing::Values("dictionary", "sqlite", "xz"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace eptsim::sim
