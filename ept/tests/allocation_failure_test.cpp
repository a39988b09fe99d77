// An operation for which the allocator runs out, at whichever frame, leaves the table as it was.

#include <gtest/gtest.h>

#include "ept/tests/operations.hpp"

namespace eptsim::ept::test {
namespace {

class AllocationFailure : public testing::TestWithParam<std::tuple<std::size_t, bool>> {};

TEST_P(AllocationFailure, AtAnyFrameLeavesTheTableAsItWasToTheBit) {
  const auto [index, views] = GetParam();
  const Operation operation = operations().at(index);
  for (std::uint64_t frames_left = 0;; ++frames_left) {
    ASSERT_LT(frames_left, 100u) << "the operation never has enough";
    Machine m({}, views);
    operation.prepare(m.table);
    m.frames.set_rubbish(false);  // what a frame holds while nobody uses it is nobody's business
    m.frames.set_limit(frames_left);
    const auto content = m.memory.content();
    const auto in_use = m.frames.in_use();
    if (operation.run(m.table)) break;
    ASSERT_EQ(m.memory.content(), content) << "with " << frames_left << " frames";
    ASSERT_EQ(m.frames.in_use(), in_use);
    ASSERT_EQ(m.frames.bad_frees(), 0u);

    m.frames.set_limit(std::nullopt);
    EXPECT_TRUE(operation.run(m.table)) << "with frames again, it goes through";
  }
}

INSTANTIATE_TEST_SUITE_P(EveryOperation, AllocationFailure,
                         testing::Combine(testing::Range(std::size_t{0}, operations().size()),
                                          testing::Bool()),
                         name_of_case);

TEST(AllocationFailureReason, IsOutOfMemory) {
  Machine m;
  m.frames.set_limit(2);
  EXPECT_EQ(m.table.map(arch::Gpa(0), arch::Hpa(0), kAllAccess).error(), MapError::kOutOfMemory);
  EXPECT_EQ(m.table.map_range(arch::Gpa(0), arch::Hpa(0), 4096, kAllAccess).error(),
            MapError::kOutOfMemory);
  m.frames.set_limit(3);
  expect_done(m.table.map(arch::Gpa(0), arch::Hpa(0), kAllAccess, {.size = arch::PageSize::k2M}));
  m.frames.set_limit(0);
  EXPECT_EQ(m.table.split(arch::Gpa(0)).error(), SplitError::kOutOfMemory);
}

}  // namespace
}  // namespace eptsim::ept::test
