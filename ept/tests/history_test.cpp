// Every single write of every operation leaves a table that a walker beside the software can use.

#include <gtest/gtest.h>

#include "ept/tests/history_memory.hpp"
#include "ept/tests/operations.hpp"

namespace eptsim::ept::test {
namespace {

using arch::Hpa;
using Words = std::map<std::uint64_t, std::uint64_t>;
using Kind = ReferenceResult::Kind;

std::uint64_t word(const Words& words, std::uint64_t address) {
  const auto found = words.find(address);
  return found == words.end() ? 0 : found->second;
}

bool refers_to(const Words& words, std::uint64_t table, unsigned level, std::uint64_t wanted) {
  if (table == wanted) return true;
  for (std::uint64_t index = 0; level > 1 && index < 512; ++index) {
    const std::uint64_t entry = word(words, table + 8 * index);
    const bool leaf = level <= 3 && (entry & 0x80) != 0;
    if ((entry & 7) == 0 || leaf) continue;
    if (refers_to(words, entry & 0xf'ffff'ffff'f000, level - 1, wanted)) return true;
  }
  return false;
}

class History : public testing::TestWithParam<std::tuple<std::size_t, bool>> {};

TEST_P(History, ShowsAWalkerTheOldTranslationOrTheNewOneAtEachWrite) {
  const auto [index, views] = GetParam();
  const Operation operation = operations().at(index);
  HistoryMemory memory(views);
  TestFrames frames(memory);
  auto table = ExtendedPageTable::create(memory, frames, {}).value();
  operation.prepare(table);
  memory.begin();
  const auto pending = operation.run(table);
  ASSERT_TRUE(pending) << "the operation was refused";

  Words words = memory.start();
  const auto walk = [&](std::uint64_t gpa) {
    return reference_walk([&](std::uint64_t address) { return word(words, address); },
                          table.root().value(), 4, 46, gpa);
  };
  struct Watched {
    std::uint64_t gpa;
    ReferenceResult before;
    ReferenceResult after;
    bool changed = false;
  };
  std::vector<Watched> watched;
  for (const std::uint64_t gpa : interesting_addresses()) watched.push_back({gpa, walk(gpa), {}});
  for (const auto& event : memory.events()) {
    if (event.kind == HistoryMemory::Event::Kind::kStore) words[event.address] = event.value;
  }
  for (Watched& watch : watched) {
    watch.after = walk(watch.gpa);
    EXPECT_NE(watch.after.kind, Kind::kMisconfigured) << std::hex << watch.gpa;
  }

  words = memory.start();
  std::size_t stores = 0;
  for (const auto& event : memory.events()) {
    if (event.kind == HistoryMemory::Event::Kind::kViewTaken) {
      ASSERT_FALSE(refers_to(words, table.root().value(), 4, event.address))
          << "a view of a table that processors walk";
      continue;
    }
    words[event.address] = event.value;
    ++stores;
    for (const Hpa frame : pending->frames()) {
      ASSERT_NE(frame.value(), event.address & ~std::uint64_t{0xfff})
          << "a table that was taken out must keep its content until the INVEPT";
    }
    for (Watched& watch : watched) {
      const ReferenceResult now = walk(watch.gpa);
      if (!watch.changed && now != watch.before) watch.changed = true;
      ASSERT_EQ(now, watch.changed ? watch.after : watch.before)
          << "address 0x" << std::hex << watch.gpa << " after store " << std::dec << stores;
    }
  }
  EXPECT_GT(stores, 0u);
}

INSTANTIATE_TEST_SUITE_P(EveryOperation, History,
                         testing::Combine(testing::Range(std::size_t{0}, operations().size()),
                                          testing::Bool()),
                         name_of_case);

}  // namespace
}  // namespace eptsim::ept::test
