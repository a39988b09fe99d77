// Workloads whose addresses follow from arithmetic alone: chase, gups, stream, mix, spmv.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

#include "sim/trace/generate/random.hpp"
#include "sim/trace/generate/tests/workload_records.hpp"

namespace eptsim::sim::generate {
namespace {

std::set<std::uint64_t> pages_of(const std::vector<Record>& records) {
  std::set<std::uint64_t> pages;
  for (const auto& record : records) pages.insert((record.address - kData) / kPageBytes);
  return pages;
}

TEST(Chase, VisitsEachPageOnceInEachTurnOfTheSameCycle) {
  for (const std::uint64_t count : {1u, 16u, 91u, 1024u, 2896u}) {
    const auto turns = records_of("chase,init=off,pages=" + std::to_string(count) +
                                  ",accesses=" + std::to_string(3 * count));
    const std::vector<Record> first(turns.begin(),
                                    turns.begin() + static_cast<std::ptrdiff_t>(count));
    EXPECT_EQ(pages_of(first).size(), count);
    for (std::uint64_t i = count; i < turns.size(); ++i)
      EXPECT_EQ(turns[i].address, turns[i - count].address);
  }
}

TEST(Chase, EachLoadGivesTheAddressOfTheNextOfItsChain) {
  for (const std::uint64_t chains : {1u, 6u, 64u}) {
    const auto records =
        records_of("chase,pages=1000,init=off,accesses=30000,chains=" + std::to_string(chains));
    std::map<std::uint64_t, std::uint64_t> pointers;  // what stands at each address
    std::set<std::uint64_t> begun;
    Dependences dependences;
    for (const auto& record : records) {
      EXPECT_EQ(record.kind, RecordKind::kRead);
      const auto* from = dependences.of(record);
      if (from == nullptr) {
        EXPECT_EQ(record.depends_on, 0u);
        EXPECT_TRUE(begun.insert(record.ip).second) << "only a chain's first load depends on none";
        continue;
      }
      EXPECT_EQ(from->ip, record.ip) << "of the same chain";
      EXPECT_EQ(pointers.emplace(from->address, record.address).first->second, record.address);
    }
    EXPECT_EQ(begun.size(), chains);
    EXPECT_EQ(pointers.size(), 1000u);
  }
}

/// However the system gives out frames: one after another, with one for a table after each 512 or
/// after each 64, or anyhow.
TEST(Chase, SpreadsItsLinesOverTheSetsOfEveryCache) {
  const std::array<std::function<std::uint64_t(std::uint64_t)>, 4> frames{
      [](std::uint64_t page) { return page; }, [](std::uint64_t page) { return page + page / 512; },
      [](std::uint64_t page) { return page + page / 64; },
      [](std::uint64_t page) { return random_at(5, page); }};
  for (const std::uint64_t sets : {64u, 1024u, 32768u}) {
    const std::uint64_t pages = 8 * sets;
    const std::string trace = fmt::format("chase,pages={},init=off,accesses={}", pages, pages);
    for (std::size_t order = 0; order < frames.size(); ++order) {
      std::map<std::uint64_t, unsigned> lines;
      for (const auto& record : records_of(trace)) {
        const std::uint64_t frame = frames[order]((record.address - kData) / kPageBytes);
        ++lines[(frame * kPageBytes + record.address % kPageBytes) / 64 % sets];
      }
      unsigned crowded = 0;  // where 16 ways would not do
      for (const auto& [set, count] : lines) {
        // A first level's sets are chosen within the page.
        EXPECT_TRUE(sets != 64 || count == 8) << "set " << set;
        if (count > 16) crowded += count;
      }
      EXPECT_LT(crowded, pages / 50) << sets << " sets, order " << order;
    }
  }
  // Few pages too: with as many as there are sets in a first level, each has its own.
  std::set<std::uint64_t> sets;
  for (const auto& record : records_of("chase,pages=64,init=off,accesses=64"))
    sets.insert(record.address / 64 % 64);
  EXPECT_EQ(sets.size(), 64u);
  for (const auto& record : records_of("chase,pages=64,init=off,accesses=64,lines=first"))
    EXPECT_EQ(record.address % kPageBytes, 0u);
}

TEST(Chase, TheDenseTwinHasTheSameLinesWithoutTheirPages) {
  const auto sparse = records_of("chase,pages=5000,init=off,accesses=10000");
  const auto dense = records_of("chase,pages=5000,init=off,accesses=10000,stride=64");
  for (std::size_t i = 0; i < sparse.size(); ++i) {
    EXPECT_EQ((sparse[i].address - kData) / kPageBytes, (dense[i].address - kData) / 64);
    EXPECT_EQ(sparse[i].depends_on, dense[i].depends_on);
  }
}

TEST(Chase, InterruptsLoadFromPagesOfTheirOwnAndLeaveTheChainAsItIs) {
  for (const std::uint64_t chains : {1u, 6u}) {
    const std::string chase = "chase,pages=300,init=off,chains=" + std::to_string(chains);
    const auto alone = records_of(chase + ",accesses=2400");
    const auto records = records_of(chase + ",accesses=2780,interrupt=120,handler=20");
    std::vector<Record> program;
    Dependences dependences;
    std::map<std::uint64_t, unsigned> handled;  // by page
    for (const auto& record : records) {
      const auto* from = dependences.of(record);
      if ((record.address - kData) / kPageBytes >= 300) {
        EXPECT_EQ(program.size() % 120, 0u);
        EXPECT_EQ(from, nullptr);
        ++handled[record.address / kPageBytes];
        continue;
      }
      if (from != nullptr) {
        EXPECT_EQ(from->ip, record.ip) << "of the same chain";
        EXPECT_LT((from->address - kData) / kPageBytes, 300u);
      }
      program.push_back(record);
    }
    ASSERT_EQ(program.size(), alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(program[i].address, alone[i].address);
    EXPECT_EQ(handled.size(), 20u);
    for (const auto& [page, loads] : handled) EXPECT_EQ(loads, 19u);
  }
}

TEST(Chase, InitWritesEachPointer) {
  const auto records = records_of("chase,pages=500,accesses=500");
  std::set<std::uint64_t> written;
  for (const auto& record : records)
    if (record.kind == RecordKind::kWrite) written.insert(record.address);
  EXPECT_EQ(written.size(), 500u);
  for (const auto& record : records) EXPECT_TRUE(written.contains(record.address));
}

TEST(Gups, UpdatesWordsEvenlyAllOverTheTable) {
  constexpr std::uint64_t kUpdates = 640'000;
  std::map<std::uint64_t, unsigned> parts;
  std::vector<std::uint64_t> words;
  for (const auto& record : records_of("gups,footprint=64MiB,init=off,accesses=640000")) {
    EXPECT_EQ(record.kind, RecordKind::kModify);
    EXPECT_EQ(record.size, 8u);
    ++parts[(record.address - kData) >> 20];
    words.push_back(record.address);
  }
  EXPECT_EQ(parts.size(), 64u);
  for (const auto& [part, count] : parts) EXPECT_NEAR(count, kUpdates / 64, 500) << "five sigma";
  // Of n balls into m cells m (1 - e^(-n/m)) are hit: 8.39 million words.
  std::ranges::sort(words);
  const auto repeated = std::ranges::unique(words);
  EXPECT_NEAR(static_cast<double>(words.size() - repeated.size()), 616'200, 1'000);
}

TEST(Stream, GoesThroughItsArraysInStep) {
  const std::uint64_t array = (std::uint64_t{1} << 20) / kPageBytes / 3 * kPageBytes;
  const auto records = records_of("stream,footprint=1MiB,kernel=triad,init=off,accesses=300000");
  for (std::uint64_t i = 0; i < records.size(); ++i) {
    const auto at = i / 3 * 8 % array;
    const auto which = 2 - i % 3;  // c, b, then a
    EXPECT_EQ(records[i].address, kData + which * array + at);
    EXPECT_EQ(records[i].kind, which == 0 ? RecordKind::kWrite : RecordKind::kRead);
  }
}

TEST(Stream, TouchesWholeElements) {
  for (const std::string kernel : {"sum", "fill"}) {
    const auto records =
        records_of("stream,footprint=64KiB,element=48,init=off,accesses=3000,kernel=" + kernel);
    for (std::uint64_t i = 0; i < records.size(); ++i) {
      EXPECT_EQ(records[i].address, kData + i * 48 % (65536 / 48 * 48));
      EXPECT_EQ(records[i].size, 48u);
      EXPECT_EQ(records[i].kind, kernel == "sum" ? RecordKind::kRead : RecordKind::kWrite);
    }
  }
}

TEST(Mix, IsAQuarterChaseAQuarterStrideAndHalfHotSet) {
  constexpr std::uint64_t kNodes = 16384;  // lines of 1 MiB
  const auto records = records_of("mix,footprint=1MiB,array=64KiB,init=off,accesses=" +
                                  std::to_string(2 * 4 * kNodes));
  std::map<std::uint64_t, std::uint64_t> pointers;
  std::set<std::uint64_t> hot_pages;
  Dependences dependences;
  for (std::uint64_t i = 0; i < records.size(); ++i) {
    const auto& record = records[i];
    const auto* from = dependences.of(record);
    const auto at = record.address - kData;
    switch (i % 4) {
      case 0:
        EXPECT_LT(at, 1u << 20);
        ASSERT_EQ(from == nullptr, i == 0);
        if (from == nullptr) break;
        EXPECT_EQ(from, &records[i - 4]);
        EXPECT_EQ(pointers.emplace(from->address, record.address).first->second, record.address);
        break;
      case 1: EXPECT_EQ(at, (1u << 20) + i / 4 * 256 % (64u << 10)); break;
      default:
        EXPECT_GE(at, (1u << 20) + (64u << 10));
        hot_pages.insert(at / kPageBytes);
        EXPECT_EQ(record.kind, i % 4 == 2 ? RecordKind::kRead : RecordKind::kWrite);
    }
  }
  EXPECT_EQ(pointers.size(), kNodes) << "one cycle through every line";
  EXPECT_EQ(hot_pages.size(), 16u);
}

TEST(Spmv, ReadsOfTheVectorWhatTheColumnsSay) {
  constexpr std::uint64_t kPerRow = 8;
  constexpr std::uint64_t kRows = ((1 << 20) - 5 * kPageBytes) / (24 + 12 * kPerRow);
  const std::uint64_t columns = kData + whole_pages(8 * (kRows + 1));
  const std::uint64_t values = columns + whole_pages(4 * kRows * kPerRow);
  const std::uint64_t x = values + whole_pages(8 * kRows * kPerRow);
  const std::uint64_t y = x + whole_pages(8 * kRows);
  const auto records = records_of("spmv,footprint=1MiB,per_row=8,init=off,accesses=" +
                                  std::to_string(2 * kRows * (2 + 3 * kPerRow)));
  std::map<std::uint64_t, std::uint64_t> indices;  // what stands in `columns`
  std::set<std::uint64_t> touched;
  Dependences dependences;
  auto at = records.begin();
  for (std::uint64_t row = 0; row < 2 * kRows; ++row) {
    EXPECT_EQ(at->address, kData + 8 * (row % kRows + 1));
    dependences.of(*at++);
    std::uint64_t last = 0;
    for (std::uint64_t k = row % kRows * kPerRow; k < (row % kRows + 1) * kPerRow; ++k) {
      EXPECT_EQ(at->address, columns + 4 * k);
      dependences.of(*at++);
      EXPECT_EQ(at->address, values + 8 * k);
      dependences.of(*at++);
      ASSERT_GE(at->address, x);
      const auto column = (at->address - x) / 8;
      EXPECT_LT(column, kRows);
      if (k % kPerRow != 0) {
        EXPECT_GT(column, last) << "columns ascend in a row";
      }
      last = column;
      touched.insert(column);
      const auto* from = dependences.of(*at++);
      ASSERT_NE(from, nullptr);
      EXPECT_EQ(from->address, columns + 4 * k);
      EXPECT_EQ(indices.emplace(from->address, column).first->second, column)
          << "the same matrix each time";
    }
    EXPECT_EQ(at->address, y + 8 * (row % kRows));
    EXPECT_EQ(at->kind, RecordKind::kWrite);
    dependences.of(*at++);
  }
  EXPECT_GT(touched.size(), kRows * 99 / 100) << "8 entries a column: 1 in 3000 has none";
}

}  // namespace
}  // namespace eptsim::sim::generate
