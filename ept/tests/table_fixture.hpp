#pragma once

#include <gtest/gtest.h>

#include "ept/extended_page_table.hpp"
#include "ept/tests/reference_walker.hpp"
#include "ept/tests/test_memory.hpp"

namespace eptsim::ept::test {

/// A table in sparse memory, and the frames that it takes.
struct Machine {
  explicit Machine(const Settings& settings = {}, bool views = false)
      : memory(views),
        frames(memory),
        table(ExtendedPageTable::create(memory, frames, settings).value()) {}

  ReferenceResult look(std::uint64_t gpa) const {
    return reference_walk([&](std::uint64_t address) { return memory.read64(arch::Hpa(address)); },
                          table.root().value(), table.settings().depth, table.settings().maxphyaddr,
                          gpa);
  }

  SparseMemory memory;
  TestFrames frames;
  ExtendedPageTable table;
};

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

/// What a test does with a pending invalidation that it has no interest in.
template <class Result>
void expect_done(Result&& result) {
  EXPECT_TRUE(result.has_value()) << name(result.error());
}

}  // namespace eptsim::ept::test
