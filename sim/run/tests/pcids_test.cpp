#include "sim/run/pcids.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"

/// Guests that tag what they have cached with PCIDs.
namespace eptsim::sim {
namespace {

Record in_space(std::uint16_t asid, Record record) {
  record.asid = asid;
  return record;
}

/// Two pages of each of `spaces` address spaces in turn, `rounds` times.
std::vector<Record> in_turns(std::uint16_t spaces, unsigned rounds) {
  std::vector<Record> records;
  for (unsigned round = 0; round < rounds; ++round) {
    for (std::uint16_t asid = 0; asid < spaces; ++asid) {
      records.push_back(in_space(asid, read(kHeap)));
      records.push_back(in_space(asid, write(kHeap + kPageBytes)));
    }
  }
  return records;
}

RunSettings machine(Mode mode, unsigned pcids) {
  RunSettings settings = small_machine(mode);
  settings.machine.guest_pcids = pcids;
  settings.machine.stale_check = true;
  return settings;
}

std::string name_of(Mode mode) {
  return mode == Mode::kNative ? "Native" : mode == Mode::kNested ? "Nested" : "Shadow";
}

class Pcid : public testing::TestWithParam<Mode> {};

/// Walks of ten rounds after the first.
std::uint64_t walks_of(std::uint16_t spaces, unsigned pcids) {
  RunSettings settings = machine(Pcid::GetParam(), pcids);
  settings.warmup = 2ull * spaces;
  const RunResult result = run(settings, in_turns(spaces, 11));
  EXPECT_EQ(result.stale.guest, 0u);
  EXPECT_EQ(result.guest_page_faults, 0u);
  return result.walker.walks;
}

TEST_P(Pcid, KeepsTheTranslationsOfOtherAddressSpaces) { EXPECT_EQ(walks_of(3, 3), 0u); }
TEST_P(Pcid, TakenByAnotherSpaceIsFlushedFirst) {
  // The one that is taken is always the next one's.
  EXPECT_EQ(walks_of(3, 2), 3u * 2 * 10);
}
TEST_P(Pcid, IsNeededForThat) { EXPECT_EQ(walks_of(3, 0), 3u * 2 * 10); }

TEST_P(Pcid, ThatMovCr3NamesIsFlushedAlone) {
  RunSettings settings = machine(GetParam(), 2);
  settings.warmup = 4;
  std::vector<Record> records = in_turns(2, 1);
  records.push_back(in_space(1, event(RecordKind::kMovCr3)));
  for (const Record& again : in_turns(2, 1)) records.push_back(again);
  EXPECT_EQ(run(settings, records).walker.walks, 2u) << "of the space that was current";
}

/// Walks for two pages of each of two spaces after an INVPCID of space 0 in space 1.
std::uint64_t walks_after_invpcid(Mode mode, std::uint16_t type) {
  RunSettings settings = machine(mode, 2);
  settings.warmup = 4;
  std::vector<Record> records = in_turns(2, 1);
  Record invpcid = in_space(0, event(RecordKind::kInvpcid, kHeap));
  invpcid.size = type;
  records.push_back(invpcid);
  for (const Record& again : in_turns(2, 1)) records.push_back(again);
  return run(settings, records).walker.walks;
}
TEST_P(Pcid, ThatInvpcidNamesLosesThePageThoughAnotherSpaceIsCurrent) {
  EXPECT_EQ(walks_after_invpcid(GetParam(), 0), 1u);
}
TEST_P(Pcid, ThatInvpcidNamesIsFlushedThoughAnotherSpaceIsCurrent) {
  EXPECT_EQ(walks_after_invpcid(GetParam(), 1), 2u);
}
TEST_P(Pcid, OfAnySpaceIsFlushedByInvpcidOfAll) {
  EXPECT_EQ(walks_after_invpcid(GetParam(), 2), 4u);
}

/// References to guest tables in ten rounds over three spaces, with a TLB for one of two pages: a
/// walk begins at the table that both are in, once that is known.
std::uint64_t references_with(unsigned pcids) {
  RunSettings settings = machine(Pcid::GetParam(), pcids);
  mmu::MachineSettings& hardware = settings.machine.hardware;
  hardware.l1d.unified = {.entries = 1, .ways = 1};
  hardware.l2.unified = {.entries = 0, .ways = 1};
  hardware.walker.combined = {0, 0, 4, 4, 4};
  settings.warmup = 6;
  const RunResult result = run(settings, in_turns(3, 11));
  EXPECT_EQ(result.stale.guest + result.stale.ept, 0u);
  EXPECT_EQ(result.walker.walks, 3u * 2 * 10);
  return result.walker.guest_references;
}
TEST_P(Pcid, KeepsPagingStructuresOfOtherAddressSpaces) {
  EXPECT_EQ(references_with(3), 3u * 2 * 10);
}
TEST_P(Pcid, IsNeededToKeepPagingStructures) { EXPECT_EQ(references_with(0), 3u * (4 + 1) * 10); }

INSTANTIATE_TEST_SUITE_P(Modes, Pcid, testing::Values(Mode::kNative, Mode::kNested, Mode::kShadow),
                         [](const auto& which) { return name_of(which.param); });

/// While vCPU 0 is in space 1, with translations of space 0 cached, vCPU 1 unmaps a page of that.
RunResult unmapped_elsewhere(Mode mode) {
  std::vector<Record> stays = in_turns(2, 1);
  for (unsigned i = 0; i < 400; ++i) stays.push_back(in_space(1, read(kHeap)));
  stays.push_back(in_space(0, read(kHeap)));
  stays.push_back(in_space(0, read(kHeap + kPageBytes)));
  std::vector<Record> unmaps;
  for (unsigned i = 0; i < 150; ++i) unmaps.push_back(in_space(0, read(kHeap + 8 * i)));
  unmaps.push_back(in_space(0, event(RecordKind::kMapChange, kHeap)));
  unmaps.push_back(in_space(0, read(kHeap + 5 * kPageBytes)));  // takes the frame
  for (Record& each : unmaps) {
    each.vcpu = 1;
    each.instructions = 8;
  }
  for (Record& each : stays) each.instructions = 8;
  return run(machine(mode, 6), Programs{{stays}, {unmaps}});
}

TEST(PcidsOfOtherProcessors, AreFlushedWhenTheyComeBackToASpaceThatChanged) {
  const RunResult result = unmapped_elsewhere(Mode::kNested);
  EXPECT_EQ(result.stale.guest, 0u);
  EXPECT_EQ(result.shootdowns.of_guest, 0u) << "nobody else was in the space";
  EXPECT_EQ(result.guest_page_faults, 4u + 2) << "the page is touched anew";
}
TEST(PcidsOfOtherProcessors, AreFlushedNativelyToo) {
  const RunResult result = unmapped_elsewhere(Mode::kNative);
  EXPECT_EQ(result.stale.guest, 0u);
  EXPECT_EQ(result.shootdowns.of_guest, 0u);
  EXPECT_EQ(result.guest_page_faults, 4u + 2);
}

TEST(Pcids, GoRoundAmongTheSpacesThatHaveNone) {
  Pcids pcids(2);
  const auto use = [&](std::uint16_t asid) {
    const Pcids::Use got = pcids.use({.asid = asid});
    return std::to_string(got.pcid) + (got.flush ? " flushed" : "");
  };
  EXPECT_EQ(use(7), "1 flushed");
  EXPECT_EQ(use(8), "2 flushed");
  EXPECT_EQ(use(7), "1");
  EXPECT_EQ(use(9), "1 flushed");
  EXPECT_EQ(pcids.of({.asid = 9}), 1);
  EXPECT_FALSE(pcids.of({.asid = 7}));
  EXPECT_FALSE(pcids.of({.vm = 1, .asid = 8})) << "of another machine";
  pcids.forget({.asid = 7});
  pcids.forget({.asid = 8});
  EXPECT_EQ(use(9), "1");
  EXPECT_EQ(use(8), "2 flushed");
  EXPECT_EQ(use(8), "2");
}

/// What processors without structure caches, whose TLBs have room for everything, keep of pages
/// that are never unmapped: told apart by space, in sets of names, with no tags and no scopes.
class Kept {
 public:
  Kept(bool is_virtual, std::size_t pcids) : is_virtual_(is_virtual), pcids_(pcids) {}

  /// Whether the access needs a walk.
  bool access(const Record& record) {
    Processor& here = enter(record);
    return here.pages[record.asid].insert(record.address).second;
  }
  void invlpg(const Record& record) {
    enter(record).pages[record.asid].erase(record.address);
    for (auto& [name, other] : processors_) {
      if (&other == &processor(record) || !other.entered) continue;
      // It may be in the space when it comes back, or come to it later.
      if (other.space == record.asid) {
        other.flushed = true;
      } else {
        other.changed.insert(record.asid);
      }
    }
  }
  void mov_cr3(const Record& record) {
    Processor& here = processor(record);
    here.pages[here.space].clear();
  }

 private:
  struct Processor {
    bool entered = false;
    std::uint16_t space = 0;
    std::map<std::uint16_t, std::set<std::uint64_t>> pages;  ///< by space
    std::deque<std::uint16_t> owners;                        ///< of PCIDs, the oldest first
    std::set<std::uint16_t> changed;
    bool flushed = false;
  };

  /// Threads of a native processor are on it alone.
  Processor& processor(const Record& record) { return processors_[is_virtual_ ? record.vcpu : 0]; }
  Processor& enter(const Record& record) {
    Processor& here = processor(record);
    if (std::exchange(here.flushed, false)) here.pages.clear();
    const bool stays = here.entered && here.space == record.asid;
    here.entered = true;
    here.space = record.asid;
    if (stays) return here;
    if (std::ranges::find(here.owners, record.asid) == here.owners.end()) {
      here.owners.push_back(record.asid);
      if (here.owners.size() > std::max<std::size_t>(pcids_, 1)) {
        here.pages[here.owners.front()].clear();
        here.owners.pop_front();
      }
    } else if (here.changed.contains(record.asid)) {
      here.pages[record.asid].clear();
    }
    here.changed.erase(record.asid);
    return here;
  }

  bool is_virtual_;
  std::size_t pcids_;
  std::map<std::uint8_t, Processor> processors_;
};

constexpr std::uint16_t kSpaces = 5;
constexpr std::uint64_t kPages = 5;
constexpr std::size_t kTouches = 2 * kSpaces * kPages;

/// Two vCPUs that take turns on a core, in five spaces. Each touches every page first.
std::vector<Record> random_turns(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Record> records;
  Record where{};
  const auto add = [&](Record next) {
    next.vcpu = where.vcpu;
    next.asid = where.asid;
    records.push_back(next);
  };
  for (where.vcpu = 0; where.vcpu < 2; ++where.vcpu) {
    for (where.asid = 0; where.asid < kSpaces; ++where.asid) {
      for (std::uint64_t page = 0; page < kPages; ++page) add(write(kHeap + page * kPageBytes));
    }
  }
  where = {};
  for (unsigned turn = 0; turn < 2000; ++turn) {
    if (random() % 4 == 0) where.vcpu = static_cast<std::uint8_t>(random() % 2);
    if (random() % 2 == 0) where.asid = static_cast<std::uint16_t>(random() % kSpaces);
    const std::uint64_t page = kHeap + random() % kPages * kPageBytes;
    add(random() % 3 == 0 ? write(page) : read(page));
    if (random() % 6 == 0) add(event(RecordKind::kInvlpg, page));
    if (random() % 30 == 0) add(event(RecordKind::kMovCr3));
  }
  return records;
}

class PcidsAgainstReference : public testing::TestWithParam<std::tuple<Mode, unsigned>> {};

TEST_P(PcidsAgainstReference, WalkForWhatWasForgottenAndNothingElse) {
  const auto& [mode, pcids] = GetParam();
  RunSettings settings = machine(mode, pcids);
  settings.machine.hardware.l1d.unified = {.entries = 64, .ways = 64};
  settings.warmup = kTouches;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const std::vector<Record> records = random_turns(seed);
    Kept kept(mode != Mode::kNative, pcids);
    std::uint64_t walks = 0;
    std::size_t accesses = 0;
    for (const Record& record : records) {
      if (record.kind == RecordKind::kInvlpg) {
        kept.invlpg(record);
      } else if (record.kind == RecordKind::kMovCr3) {
        kept.mov_cr3(record);
      } else if (kept.access(record) && accesses >= kTouches) {
        ++walks;
      }
      accesses += is_access(record.kind) ? 1 : 0;
    }
    const std::string result = run_apart(settings, records);
    EXPECT_NE(result.find("\nwalks " + std::to_string(walks) + '\n'), std::string::npos)
        << "seed " << seed << ": expected " << walks << " walks of\n"
        << result.substr(0, 400);
    EXPECT_NE(result.find("\nstale 0 0\n"), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, PcidsAgainstReference,
                         testing::Combine(testing::Values(Mode::kNative, Mode::kNested,
                                                          Mode::kShadow),
                                          testing::Values(0u, 1u, 2u, 3u, 6u)),
                         [](const auto& of) {
                           return name_of(std::get<0>(of.param)) + "With" +
                                  std::to_string(std::get<1>(of.param));
                         });

}  // namespace
}  // namespace eptsim::sim
