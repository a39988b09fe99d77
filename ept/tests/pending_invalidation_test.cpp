#include "ept/pending_invalidation.hpp"

#include <gtest/gtest.h>

#include <type_traits>
#include <utility>

namespace eptsim::ept {
namespace {

using arch::Gpa;
using arch::Hpa;

static_assert(!std::is_copy_constructible_v<PendingInvalidation>, "frames are owed once");

std::vector<GpaRange> ranges_of(std::initializer_list<std::pair<unsigned, unsigned>> added) {
  PendingInvalidation pending;
  for (const auto& [begin, end] : added) pending.add({Gpa(begin), Gpa(end)});
  return {pending.ranges().begin(), pending.ranges().end()};
}

std::vector<GpaRange> ranges(std::initializer_list<std::pair<unsigned, unsigned>> expected) {
  std::vector<GpaRange> all;
  for (const auto& [begin, end] : expected) all.push_back({Gpa(begin), Gpa(end)});
  return all;
}

TEST(PendingInvalidation, OwesNothingAtFirst) {
  EXPECT_FALSE(PendingInvalidation().needs_invept());
  EXPECT_TRUE(ranges_of({{5, 5}}).empty());
}

TEST(PendingInvalidation, JoinsRangesThatTouchOrOverlap) {
  EXPECT_EQ(ranges_of({{1, 2}, {2, 3}}), ranges({{1, 3}}));
  EXPECT_EQ(ranges_of({{2, 3}, {1, 2}}), ranges({{1, 3}}));
  EXPECT_EQ(ranges_of({{1, 5}, {3, 9}}), ranges({{1, 9}}));
  EXPECT_EQ(ranges_of({{3, 9}, {1, 5}}), ranges({{1, 9}}));
  EXPECT_EQ(ranges_of({{1, 9}, {3, 5}}), ranges({{1, 9}}));
}

TEST(PendingInvalidation, KeepsRangesApartThatDoNotTouchInAscendingOrder) {
  EXPECT_EQ(ranges_of({{7, 8}, {1, 2}, {4, 5}}), ranges({{1, 2}, {4, 5}, {7, 8}}));
}

TEST(PendingInvalidation, JoinsAllThatANewRangeBridges) {
  EXPECT_EQ(ranges_of({{1, 2}, {4, 5}, {7, 8}, {10, 11}, {2, 7}}), ranges({{1, 8}, {10, 11}}));
}

TEST(PendingInvalidation, TakesOverRangesAndFramesOfAnother) {
  PendingInvalidation first;
  first.add({Gpa(1), Gpa(2)});
  first.add_frame(Hpa(0x1000));
  PendingInvalidation second;
  second.add({Gpa(2), Gpa(3)});
  second.add_frame(Hpa(0x2000));
  first.merge(std::move(second));
  ASSERT_EQ(first.ranges().size(), 1u);
  EXPECT_EQ(first.ranges()[0], (GpaRange{Gpa(1), Gpa(3)}));
  ASSERT_EQ(first.frames().size(), 2u);
  EXPECT_EQ(first.frames()[1], Hpa(0x2000));
}

}  // namespace
}  // namespace eptsim::ept
