#include <gtest/gtest.h>

#include <stdexcept>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

namespace eptsim::tb {
namespace {

class Facade : public NestedTables {};

TEST_F(Facade, WhatTheRtlLacksIsNamed) {
  EXPECT_EQ(RtlWalker::unsupported(context), std::nullopt);
  const auto named = [&](auto change) {
    mmu::Context changed = context;
    change(changed);
    return RtlWalker::unsupported(changed);
  };
  EXPECT_EQ(named([](mmu::Context& c) { c.cr4 |= 1 << 28; }), "linear-address masking");
  EXPECT_EQ(named([](mmu::Context& c) { c.cr3 |= 1ull << 62; }), "linear-address masking");
}

TEST_F(Facade, ARequestForWhatIsLackingIsNotAnsweredAsIfItWereOff) {
  const mmu::WalkContext prepared([&] {
    mmu::Context changed = context;
    changed.cr4 |= 1 << 28;
    return changed;
  }());
  RtlWalker walker;
  mmu::WalkerInputs inputs;
  inputs.request = mmu::WalkRequest{.tag = 1, .context = &prepared, .request = request};
  EXPECT_THROW(walker.tick(inputs), std::invalid_argument);
}

TEST_F(Facade, TheSameWalkTwiceGivesTheSameResponse) {
  const FinishedWalk first = walk();
  const FinishedWalk second = walk();
  EXPECT_EQ(first.response.cycles, second.response.cycles);
  EXPECT_EQ(first.outcome().hpa, second.outcome().hpa);
  EXPECT_EQ(second.request_taken, first.response_taken + 1);
}

}  // namespace
}  // namespace eptsim::tb
