#include <gtest/gtest.h>

#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "mmu_model/walker/configurations.hpp"
#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"

/// Threads of several processes on several cores, whose pages come and go while others have them
/// cached: nothing is used that the tables no longer allow.
namespace eptsim::sim {
namespace {

constexpr std::uint16_t kSpaces = 3;
constexpr unsigned kPages = 6;

/// What the core's two vCPUs do in turns, each in whichever address space it likes.
std::vector<Record> turns(std::mt19937_64& random, unsigned core) {
  std::vector<Record> records;
  Record where{};
  where.vcpu = static_cast<std::uint8_t>(2 * core);
  const auto add = [&](Record next) {
    next.vcpu = where.vcpu;
    next.asid = where.asid;
    records.push_back(next);
  };
  for (unsigned turn = 0; turn < 250; ++turn) {
    if (random() % 2 == 0) where.vcpu = static_cast<std::uint8_t>(2 * core + random() % 2);
    if (random() % 2 == 0) where.asid = static_cast<std::uint16_t>(random() % kSpaces);
    const auto page = [&] { return kHeap + random() % kPages * kPageBytes; };
    for (std::uint64_t left = 1 + random() % 8; left != 0; --left) {
      Record access = random() % 3 == 0 ? write(page()) : read(page());
      access.instructions = static_cast<std::uint32_t>(random() % 20);
      add(access);
    }
    switch (random() % 8) {
      case 0:
      case 1:
      case 2: add(event(RecordKind::kMapChange, page())); break;
      case 3: add(event(RecordKind::kInvlpg, page())); break;
      case 4: add(event(RecordKind::kMovCr3)); break;
      default: break;
    }
  }
  return records;
}

RunSettings machine(Mode mode, Detail detail) {
  RunSettings settings = small_machine(mode);
  settings.detail = detail;
  settings.machine.stale_check = true;
  settings.machine.core.window = 64;
  settings.machine.core.loads = 16;
  settings.machine.guest_shootdown_cycles = 100;
  settings.machine.time_slice = 5000;
  mmu::MachineSettings& hardware = settings.machine.hardware;
  hardware.l2.unified = {.entries = 64, .ways = 8};
  hardware.walker.walks = 2;
  hardware.walker.combined = {0, 0, 4, 2, 2};
  hardware.walker.ept = {0, 0, 4, 2, 2};
  hardware.walker.nested_tlb = 8;
  return settings;
}

struct Tested {
  const char* name = "";
  Mode mode = Mode::kNested;
  bool vpid = true;
  unsigned pcids = 0;
  std::uint64_t merge_interval = 0;
};
void PrintTo(const Tested& tested, std::ostream* out) { *out << tested.name; }

/// Three cores, and a machine beside the first that is on the last of them too.
Programs crowd(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Programs programs{{turns(random, 0)}, {turns(random, 1)}, {turns(random, 2), turns(random, 3)}};
  for (Record& record : programs.back().back()) record.vm = 1;
  return programs;
}

class Forgetting : public testing::TestWithParam<std::tuple<Tested, Detail>> {};

TEST_P(Forgetting, LeavesNothingToBeUsedThatTheTablesNoLongerAllow) {
  const auto& [tested, detail] = GetParam();
  RunSettings settings = machine(tested.mode, detail);
  settings.machine.vpid = tested.vpid;
  settings.machine.guest_pcids = tested.pcids;
  settings.machine.guest_merge = {.interval = tested.merge_interval, .page_cycles = 1};
  for (unsigned seed = 1; seed <= 4; ++seed) {
    const std::string result = run_apart(settings, crowd(seed));
    ASSERT_TRUE(result.ends_with("\n0 done\n")) << result;
    const std::size_t stale = result.find("\nstale ") + 1;
    EXPECT_EQ(result.substr(stale, result.find('\n', stale) - stale), "stale 0 0")
        << "seed " << seed;
    const bool merged = result.find("\nmerging 0 0 0 0\nmerging 0 ") == std::string::npos;
    EXPECT_EQ(merged, tested.merge_interval != 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, Forgetting,
    testing::Combine(testing::Values(Tested{.name = "Native", .mode = Mode::kNative},
                                     Tested{.name = "Nested"},
                                     Tested{.name = "NestedWithoutVpid", .vpid = false},
                                     Tested{.name = "Shadow", .mode = Mode::kShadow},
                                     Tested{"NativeWithPcids", Mode::kNative, true, 2},
                                     Tested{"NestedWithPcids", Mode::kNested, true, 2},
                                     Tested{"NestedWithPcidsAlone", Mode::kNested, false, 6},
                                     Tested{"ShadowWithPcids", Mode::kShadow, true, 2},
                                     Tested{"ShadowWithPcidsAlone", Mode::kShadow, false, 6},
                                     Tested{"NativeMerging", Mode::kNative, true, 2, 60},
                                     Tested{"NestedMerging", Mode::kNested, true, 2, 60}),
                     testing::Values(Detail::kTranslation, Detail::kFull)),
    [](const auto& of) {
      return std::string(std::get<0>(of.param).name) +
             (std::get<1>(of.param) == Detail::kFull ? "Window" : "Translation");
    });

using Way = std::tuple<Mode, Detail>;
class PcidsAmongCores : public testing::TestWithParam<Way> {
 protected:
  static RunSettings settings(unsigned pcids) {
    RunSettings settings = machine(std::get<Mode>(GetParam()), std::get<Detail>(GetParam()));
    settings.machine.guest_pcids = pcids;
    return settings;
  }
};

TEST_P(PcidsAmongCores, OfOneAPieceKeepNothing) {
  // Every switch takes the only one from another space.
  const std::string none = run_apart(settings(0), crowd(1));
  ASSERT_TRUE(none.ends_with("\n0 done\n")) << none;
  EXPECT_EQ(none, run_apart(settings(1), crowd(1)));
  EXPECT_NE(none, run_apart(settings(2), crowd(1)));
}

TEST_P(PcidsAmongCores, GiveTheSameResultInAnyOrderOfProcesses) {
  const std::string ahead = run_apart(settings(2), crowd(2));
  ASSERT_TRUE(ahead.ends_with("\n0 done\n")) << ahead;
  RunSettings changed = settings(2);
  changed.machine.hardware.lockstep = true;
  EXPECT_EQ(ahead, run_apart(changed, crowd(2))) << "in lockstep";
  changed.machine.hardware.reversed = true;
  EXPECT_EQ(ahead, run_apart(changed, crowd(2))) << "in lockstep, made the other way round";
  changed.machine.hardware.lockstep = false;
  EXPECT_EQ(ahead, run_apart(changed, crowd(2))) << "made the other way round";
}

TEST_P(PcidsAmongCores, GiveTheSameResultOfOneCoreInLockstep) {
  const Programs alone{crowd(3).back()};
  const std::string ahead = run_apart(settings(2), alone);
  ASSERT_TRUE(ahead.ends_with("\n0 done\n")) << ahead;
  RunSettings changed = settings(2);
  changed.machine.hardware.lockstep = true;
  EXPECT_EQ(ahead, run_apart(changed, alone));
}

#ifdef EPTSIM_HAS_RTL
TEST_P(PcidsAmongCores, GiveTheSameResultWithTheRtlWalker) {
  RunSettings model = settings(2);
  model.machine.hardware.walker = *mmu::find_configuration("default");
  const std::string expected = run_apart(model, crowd(4));
  ASSERT_TRUE(expected.ends_with("\n0 done\n")) << expected;
  RunSettings rtl = model;
  rtl.walker = WalkerKind::kRtl;
  EXPECT_EQ(expected, run_apart(rtl, crowd(4)));
}
#endif

INSTANTIATE_TEST_SUITE_P(Of, PcidsAmongCores,
                         testing::Combine(testing::Values(Mode::kNative, Mode::kNested,
                                                          Mode::kShadow),
                                          testing::Values(Detail::kTranslation, Detail::kFull)),
                         [](const auto& of) {
                           const Mode mode = std::get<Mode>(of.param);
                           return std::string(mode == Mode::kNative   ? "Native"
                                              : mode == Mode::kNested ? "Nested"
                                                                      : "Shadow") +
                                  (std::get<Detail>(of.param) == Detail::kFull ? "Window"
                                                                               : "Translation");
                         });

TEST(SampledRuns, WithPcidsUseNothingThatIsGone) {
  std::mt19937_64 random(5);
  RunSettings settings = machine(Mode::kNative, Detail::kFull);
  settings.machine.guest_pcids = 2;
  settings.machine.sampling = {.period = 200, .window = 30, .warmup = 30};
  const RunResult result = run(settings, Programs{{turns(random, 0)}});
  EXPECT_GT(result.sampling.windows, 3u);
  EXPECT_EQ(result.stale.guest, 0u);
}

}  // namespace
}  // namespace eptsim::sim
