// What holds of every workload.
#include "sim/trace/generate/generated_trace.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "sim/trace/generate/tests/workload_records.hpp"
#include "sim/trace/tests/trace_files.hpp"

namespace eptsim::sim::generate {
namespace {

/// A workload in small, in how much memory it must stay, and how much of that it touches.
struct Small {
  Small(std::string name, std::uint64_t within) : Small(std::move(name), within, within) {}
  Small(std::string name, std::uint64_t within, std::uint64_t touches)
      : text(std::move(name)), bytes(within), touched(touches) {}

  std::string text;
  std::uint64_t bytes;
  std::uint64_t touched;
};

std::ostream& operator<<(std::ostream& out, const Small& small) { return out << small.text; }

class EachWorkload : public testing::TestWithParam<Small> {
 protected:
  std::string text(const std::string& more = "") const { return GetParam().text + more; }
  bool is_seeded() const { return !text().starts_with("stream"); }
};

TEST_P(EachWorkload, GivesTheSameRecordsHoweverManyAreReadAtATime) {
  const auto whole = records_of(text(",accesses=3000"), 100'000);
  for (const std::size_t batch : {1u, 2u, 3u, 7u, 64u, 1000u})
    EXPECT_TRUE(same(records_of(text(",accesses=3000"), batch), whole)) << batch << " at a time";
}

TEST_P(EachWorkload, FollowsItsSeed) {
  if (!is_seeded()) return;
  const auto one = records_of(text(",accesses=3000,seed=1"));
  EXPECT_TRUE(same(one, records_of(text(",accesses=3000"))));
  EXPECT_FALSE(same(one, records_of(text(",accesses=3000,seed=2"))));
}

TEST_P(EachWorkload, MakesAsManyAccessesAsAskedAndSaysSoInAdvance) {
  for (const std::string init : {"off", "touch", "full"}) {
    const Choice choice(text(",accesses=1234,init=" + init));
    const auto reader = choice.workload().open(choice);
    std::vector<Record> records(100);
    std::uint64_t read = 0;
    while (const auto count = reader->read(records)) read += count;
    EXPECT_EQ(reader->total_accesses(), read) << init;
    if (init == "off") {
      EXPECT_EQ(read, 1234u);
    }
  }
}

TEST_P(EachWorkload, IsTheSameBehindWhateverInit) {
  const auto bare = records_of(text(",accesses=3000,init=off"));
  for (const std::string init : {"touch", "full"}) {
    const auto with = records_of(text(",accesses=3000,init=" + init));
    ASSERT_GT(with.size(), bare.size());
    EXPECT_TRUE(same({with.end() - 3000, with.end()}, bare)) << init;
  }
}

TEST_P(EachWorkload, IsFilledOncePageByPageOrWordByWord) {
  for (const std::string init : {"touch", "full"}) {
    auto records = records_of(text(",accesses=1,init=" + init));
    records.pop_back();
    std::uint64_t end = 0;
    std::uint64_t bytes = 0;
    std::set<std::uint64_t> pages;
    for (const auto& record : records) {
      EXPECT_EQ(record.kind, RecordKind::kWrite);
      EXPECT_EQ(record.depends_on, 0u);
      if (init == "touch") {
        EXPECT_TRUE(pages.insert(record.address / kPageBytes).second) << record.address;
      }
      ASSERT_GE(record.address, end) << "in order, and nothing twice";
      end = record.address + record.size;
      bytes += record.size;
    }
    if (init == "full" && !text().starts_with("chase") && !text().starts_with("mix")) {
      EXPECT_GT(bytes, GetParam().bytes / 2);
    }
  }
}

TEST_P(EachWorkload, StaysInItsFootprintAndTouchesNearlyAllOfIt) {
  const auto records = records_of(text(",accesses=300000"));
  std::set<std::uint64_t> pages;
  for (const auto& record : records) {
    ASSERT_GE(record.address, kData);
    ASSERT_LE(record.address + record.size, kData + GetParam().bytes);
    EXPECT_EQ(record.address % std::min<std::uint64_t>(record.size, 8), 0u) << "aligned";
    pages.insert(record.address / kPageBytes);
  }
  EXPECT_GE(pages.size() * kPageBytes * 100, GetParam().touched * 93);
}

TEST_P(EachWorkload, DependsOnLoadsThatThereAre) {
  std::uint64_t loads = 0;
  for (const auto& record : records_of(text(",accesses=30000"))) {
    ASSERT_LE(record.depends_on, loads);
    if (is_load(record)) ++loads;
  }
}

TEST_P(EachWorkload, HasAnInstructionOfItsOwnForEachAccessOfTheLoop) {
  std::map<std::uint64_t, Record> sites;
  for (const auto& record : records_of(text(",accesses=300000"))) {
    const auto& site = sites.emplace(record.ip, record).first->second;
    EXPECT_EQ(record.kind, site.kind);
    EXPECT_EQ(record.size, site.size);
    EXPECT_EQ(record.instructions, site.instructions);
    EXPECT_GT(record.instructions, 0u);
    EXPECT_EQ(record.ip >> 12, kCode >> 12) << "one page of code";
  }
}

constexpr std::uint64_t kSize = 1 << 20;

INSTANTIATE_TEST_SUITE_P(
    Workloads, EachWorkload,
    testing::Values(Small{"gups,footprint=1MiB", kSize}, Small{"gups,footprint=1000000", 1000000},
                    Small{"chase,pages=256", kSize}, Small{"chase,pages=100,chains=7", 409600},
                    Small{"chase,pages=16384,stride=64", kSize},
                    Small{"chase,pages=100,stride=12KiB", 1228800, 409600},
                    Small{"stream,footprint=1MiB", kSize},
                    Small{"stream,footprint=1MiB,kernel=copy,element=64", kSize},
                    Small{"stream,footprint=1MiB,kernel=triad", kSize},
                    Small{"mix,footprint=1MiB,array=128KiB", kSize + (192 << 10)},
                    Small{"btree,footprint=1MiB", kSize},
                    Small{"btree,footprint=1MiB,node=4096", kSize},
                    Small{"hashjoin,footprint=1MiB", kSize},
                    Small{"hashjoin,footprint=1MiB,phase=build", kSize},
                    Small{"hashjoin,footprint=1MiB,phase=probe,match=50,ratio=1", kSize},
                    Small{"graph,footprint=1MiB", kSize}, Small{"spmv,footprint=1MiB", kSize},
                    Small{"spmv,footprint=1MiB,per_row=3", kSize}));

TEST(HugeFootprints, TakeNoMemoryThatGrowsWithThem) {
  // A table of anything would not fit the host.
  for (const std::string text :
       {"gups,footprint=16TiB", "chase,pages=0x100000000", "stream,footprint=16TiB",
        "mix,footprint=16TiB", "btree,footprint=16TiB", "spmv,footprint=512GiB"}) {
    std::uint64_t furthest = 0;
    for (const auto& record : records_of(text + ",init=off,accesses=10000"))
      furthest = std::max(furthest, record.address - kData);
    EXPECT_LT(furthest, (std::uint64_t{16} << 40) + (std::uint64_t{1} << 32)) << text;
    if (!text.starts_with("stream")) {
      EXPECT_GT(furthest, std::uint64_t{400} << 30) << text;
    }
  }
}

}  // namespace
}  // namespace eptsim::sim::generate
