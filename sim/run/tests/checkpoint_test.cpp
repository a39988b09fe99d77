#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "mmu_model/walker/configurations.hpp"
#include "sim/run/tests/checkpointed_runs.hpp"
#include "sim/run/tests/result_text.hpp"

/// A run that goes on from a checkpoint is the run that wrote it, to the byte: in its result and in
/// every checkpoint to come.
namespace eptsim::sim {
namespace {

using arch::PageSize;
using testing::HasSubstr;
using testing::StartsWith;

Record on(std::uint16_t vm, std::uint8_t vcpu, Record record) {
  record.vm = vm;
  record.vcpu = vcpu;
  return record;
}

/// Fetches in a loop, a stack, an array, a table all over memory, loads that depend on others,
/// accesses across pages, runs of instructions, first touches to its end, switches, invalidations
/// and pages that move.
std::vector<Record> program(std::uint64_t seed = 1, std::uint16_t vm = 0, std::uint8_t vcpu = 0,
                            unsigned length = 6000) {
  std::mt19937_64 random(seed);
  std::vector<Record> records;
  for (unsigned i = 0; i < length; ++i) {
    const auto add = [&](Record next) {
      next.ip = 0x401000 + random() % 40 * 512;
      next.asid = i / 1700 % 2 == 1 ? 1 : 0;
      records.push_back(on(vm, vcpu, next));
    };
    if (i % 3 == 0) add(record(RecordKind::kFetch, 0x401000 + random() % 40 * 512, 4));
    Record access = read(kHeap + 64 * i);
    switch (random() % 5) {
      case 0: access = write(0x7ffc'0000'0000 - random() % 9000); break;
      case 1: access = record(RecordKind::kModify, 0x5555'0000'0000 + random() % (4 << 20)); break;
      case 2:
        access = record(RecordKind::kRead, 0x5555'0000'0000 + random() % (4 << 20), 64);
        break;
      default: break;
    }
    access.instructions = static_cast<std::uint32_t>(random() % 20);
    if (random() % 4 == 0) access.depends_on = static_cast<std::uint32_t>(1 + random() % 3);
    if (random() % 400 == 0) access.instructions = 5000;
    add(access);
    if (i % 300 == 299) add(event(RecordKind::kInvlpg, kHeap + 64 * i));
    if (i % 400 == 399) add(event(RecordKind::kMovCr3));
    if (i % 500 == 499) add(event(RecordKind::kMapChange, kHeap + 64 * i));
  }
  return records;
}

/// TLBs with a policy of their own each, all of a walker's caches, two walks at a time, and caches
/// of memory so small that lines leave them, over banks that are waited for.
RunSettings machine(Detail detail, Mode mode = Mode::kNested) {
  RunSettings settings = small_machine(mode);
  settings.detail = detail;
  settings.machine.core.window = 64;
  settings.machine.core.loads = 16;
  mmu::MachineSettings& hardware = settings.machine.hardware;
  hardware.l1i.unified = {.entries = 16, .ways = 4};
  hardware.l1i.replacement = mmu::Replacement::kFifo;
  hardware.l1d.unified = {.entries = 16, .ways = 4};
  hardware.l1d.replacement = mmu::Replacement::kTreePlru;
  hardware.l2.unified = {.entries = 64, .ways = 8};
  hardware.l2.replacement = mmu::Replacement::kRandom;
  hardware.walker.walks = 2;
  hardware.walker.combined = {0, 0, 4, 2, 2};
  hardware.walker.ept = {0, 0, 4, 2, 2};
  hardware.walker.nested_tlb = 8;
  mmu::MemorySettings& memory = hardware.memory;
  memory.l1d = {.bytes = 1024, .ways = 4, .hit_cycles = 5, .mshrs = 2};
  memory.l2 = {.bytes = 4096,
               .ways = 8,
               .hit_cycles = 15,
               .mshrs = 4,
               .replacement = mmu::Replacement::kSrrip};
  memory.l3 = {.bytes = 32768,
               .ways = 32,
               .hit_cycles = 50,
               .mshrs = 8,
               .replacement = mmu::Replacement::kLru};
  memory.dram = {.model = mmu::DramModel::kBanked,
                 .cycles = 100,
                 .channels = 2,
                 .banks = 4,
                 .row_bytes = 1024,
                 .tcas = 14,
                 .trcd = 15,
                 .trp = 16,
                 .burst_cycles = 4};
  settings.warmup = 700;
  settings.checkpoint.every = 1100;
  return settings;
}

Programs alone() { return {{program()}}; }
/// Three cores, two machines, one address space on two cores, a core whose two vCPUs take turns,
/// and one whose program ends long before the others.
Programs crowd() {
  return {{program(1, 0, 0, 3000)},
          {program(2, 0, 1, 2500), program(3, 1, 0, 2500)},
          {program(4, 1, 1, 1500)}};
}

struct Case {
  std::string name;
  std::function<void(RunSettings&)> change = [](RunSettings&) {};
  Programs (*programs)() = alone;
  Mode mode = Mode::kNested;
};
void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

std::vector<Case> cases() {
  const auto of = [](auto change) {
    return [change](RunSettings& settings) { change(settings.machine); };
  };
  const auto log = [of](DirtyTracking tracking) {
    return of([tracking](Machine& machine) {
      machine.dirty_log = {.tracking = tracking, .interval = 900};
      machine.ept_page = PageSize::k2M;
    });
  };
  return {
      {"Nested"},
      {.name = "Native", .mode = Mode::kNative},
      {.name = "NativeOnLargePages",
       .change = of([](Machine& machine) { machine.guest_page = PageSize::k2M; }),
       .mode = Mode::kNative},
      {.name = "Shadow", .mode = Mode::kShadow},
      {.name = "ShadowInFragmentedMemory",
       .change = of([](Machine& machine) {
         machine.guest_page = PagePolicy::transparent_huge_pages();
         machine.ept_page = PageSize::k2M;
         machine.guest_fragmentation = machine.hypervisor_fragmentation = 50;
       }),
       .mode = Mode::kShadow},
      {"LargePages", of([](Machine& machine) {
         machine.guest_page = machine.ept_page = PageSize::k2M;
         machine.hypervisor_fragmentation = 30;
       })},
      {"Lockstep", of([](Machine& machine) { machine.hardware.lockstep = true; })},
      {"SplitTlbs", of([](Machine& machine) {
         mmu::TlbSettings& tlb = machine.hardware.l1d;
         tlb.split = true;
         tlb.k4 = {.entries = 16, .ways = 4};
         tlb.m2 = {.entries = 8, .ways = 8};
         tlb.replacement = mmu::Replacement::kSrrip;
         machine.hardware.l2.coalesce = 4;
         machine.guest_page = PagePolicy::transparent_huge_pages();
       })},
      {"GuestPhysicalStructureCaches",
       of([](Machine& machine) { machine.hardware.walker.kind = mmu::StructureKind::kGuest; })},
      {"OneWalkWithoutCaches", of([](Machine& machine) {
         machine.hardware.walker = {};
         machine.hardware.memory = {};
       })},
      {"IdealTlbs", of([](Machine& machine) { machine.ideal_tlb = true; })},
      {"PointerChase", of([](Machine& machine) { machine.core.dependence = Dependence::kAll; })},
      {"ForgottenInvalidations", of([](Machine& machine) {
         machine.invalidate = false;
         machine.stale_check = true;
         machine.dirty_log = write_protection(900);
       })},
      {"WriteProtection", log(DirtyTracking::kWriteProtect)},
      {"PageModificationLog", log(DirtyTracking::kPml)},
      {"Merging", of([](Machine& machine) {
         machine.guest_merge = {.interval = 300, .pieces = 3, .page_cycles = 2};
         machine.hypervisor_merge = {.interval = 500, .pieces = 3, .page_cycles = 2};
       })},
      {.name = "MergingUnderShadow",
       .change = of([](Machine& machine) {
         machine.guest_merge = {.interval = 300, .pieces = 3, .page_cycles = 2};
       }),
       .mode = Mode::kShadow},
      {.name = "MergingCores",
       .change = of([](Machine& machine) {
         machine.guest_merge = {.interval = 300, .pieces = 3, .page_cycles = 2};
         machine.hypervisor_merge = {.interval = 500, .pieces = 3, .page_cycles = 2};
       }),
       .programs = crowd},
      {"Sampled", of([](Machine& machine) {
         machine.sampling = {.period = 500, .window = 60, .warmup = 40};
       })},
      {"SampledWithoutVpid", of([](Machine& machine) {
         machine.sampling = {.period = 333, .window = 50, .warmup = 0};
         machine.vpid = false;
       })},
      {"SampledWithGapsThatAreTouched", of([](Machine& machine) {
         machine.sampling = {.period = 1200, .window = 50, .warmup = 30, .warming = 200};
       })},
      {.name = "Cores", .programs = crowd},
      {.name = "CoresInLockstep",
       .change = of([](Machine& machine) { machine.hardware.lockstep = true; }),
       .programs = crowd},
      {.name = "CoresInTimeSlices",
       .change = of([](Machine& machine) { machine.time_slice = 20'000; }),
       .programs = crowd},
      {.name = "CoresWithoutVpid",
       .change = of([](Machine& machine) { machine.vpid = false; }),
       .programs = crowd},
      {.name = "NativeCores", .programs = crowd, .mode = Mode::kNative},
      {.name = "ShadowedCores", .programs = crowd, .mode = Mode::kShadow},
      {.name = "LoggedCores", .change = log(DirtyTracking::kPml), .programs = crowd},
      {.name = "CoresWithPcids",
       .change = of([](Machine& machine) { machine.guest_pcids = 2; }),
       .programs = crowd},
      {.name = "NativeCoresWithPcids",
       .change = of([](Machine& machine) { machine.guest_pcids = 3; }),
       .programs = crowd,
       .mode = Mode::kNative},
  };
}

class Checkpoint : public testing::TestWithParam<std::tuple<Case, Detail>> {
 protected:
  static RunSettings settings() {
    const auto& [tested, detail] = GetParam();
    RunSettings settings = machine(detail, tested.mode);
    tested.change(settings);
    return settings;
  }
  static Programs programs() { return std::get<0>(GetParam()).programs(); }
};

testing::AssertionResult is_of_a_whole_run(const std::string& text) {
  return text.ends_with("\n0 done\n") ? testing::AssertionSuccess()
                                      : testing::AssertionFailure() << text;
}

/// Where two results differ first.
testing::AssertionResult are_same(const std::string& a, const std::string& b) {
  if (a == b) return testing::AssertionSuccess();
  std::istringstream lines_a(a);
  std::istringstream lines_b(b);
  std::string line_a;
  std::string line_b;
  while (std::getline(lines_a, line_a) && std::getline(lines_b, line_b) && line_a == line_b) {
  }
  return testing::AssertionFailure() << line_a << "\n    is not\n" << line_b;
}

TEST_P(Checkpoint, GoesOnToTheSameResultAndTheSameCheckpoints) {
  const CheckpointedRun whole = run_with_checkpoints(settings(), programs());
  ASSERT_TRUE(is_of_a_whole_run(whole.result));
  ASSERT_GE(whole.checkpoints.size(), 2u);
  for (const std::size_t from : {std::size_t{0}, whole.checkpoints.size() - 2}) {
    const CheckpointedRun rest = run_from(whole.checkpoints[from], settings(), programs());
    EXPECT_TRUE(are_same(rest.result, whole.result)) << "from " << from;
    ASSERT_EQ(rest.checkpoints.size(), whole.checkpoints.size() - from - 1);
    for (std::size_t i = 0; i < rest.checkpoints.size(); ++i) {
      EXPECT_TRUE(rest.checkpoints[i] == whole.checkpoints[from + 1 + i]) << from << " to " << i;
    }
  }
}

TEST_P(Checkpoint, AtTheEndOfTheWarmUpChangesNothing) {
  RunSettings warmed = settings();
  warmed.checkpoint.every = 0;
  const CheckpointedRun whole = run_with_checkpoints(warmed, programs());
  EXPECT_TRUE(are_same(whole.result, run_apart(warmed, programs())));
  ASSERT_EQ(whole.checkpoints.size(), 1u);
  const CheckpointedRun rest = run_from(whole.checkpoints.front(), warmed, programs());
  EXPECT_TRUE(are_same(rest.result, whole.result));
  EXPECT_TRUE(rest.checkpoints.empty());
}

INSTANTIATE_TEST_SUITE_P(Of, Checkpoint,
                         testing::Combine(testing::ValuesIn(cases()),
                                          testing::Values(Detail::kTranslation, Detail::kFull)),
                         [](const auto& of) {
                           return std::get<0>(of.param).name +
                                  (std::get<1>(of.param) == Detail::kFull ? "Window"
                                                                          : "Translation");
                         });

TEST(CheckpointBytes, DontDependOnWhatIsComputedAheadOfTheKernel) {
  for (const Detail detail : {Detail::kTranslation, Detail::kFull}) {
    for (const Programs& programs : {alone(), crowd()}) {
      RunSettings settings = machine(detail);
      const CheckpointedRun ahead = run_with_checkpoints(settings, programs);
      settings.machine.hardware.lockstep = true;
      const CheckpointedRun lockstep = run_with_checkpoints(settings, programs);
      EXPECT_TRUE(are_same(ahead.result, lockstep.result));
      EXPECT_TRUE(ahead.checkpoints == lockstep.checkpoints);
      // One goes on where the other was.
      EXPECT_TRUE(
          are_same(run_from(ahead.checkpoints.front(), settings, programs).result, ahead.result));
    }
  }
}

TEST(CheckpointBytes, OfASampledRunChangeNothing) {
  for (const Detail detail : {Detail::kTranslation, Detail::kFull}) {
    RunSettings settings = machine(detail);
    settings.machine.sampling = {.period = 500, .window = 60, .warmup = 40};
    const CheckpointedRun whole = run_with_checkpoints(settings, alone());
    EXPECT_GE(whole.checkpoints.size(), 3u);
    settings.checkpoint.every = 0;
    EXPECT_TRUE(are_same(whole.result, run_apart(settings, alone())));
  }
}

TEST(CheckpointBytes, AtTheLimitGoOnToALargerOne) {
  for (const Detail detail : {Detail::kTranslation, Detail::kFull}) {
    RunSettings settings = machine(detail);
    settings.limit = 3 * settings.checkpoint.every - settings.warmup;
    const CheckpointedRun part = run_with_checkpoints(settings, alone());
    ASSERT_EQ(part.checkpoints.size(), 3u);
    settings.limit = 4000;
    const CheckpointedRun whole = run_with_checkpoints(settings, alone());
    EXPECT_TRUE(part.checkpoints[2] == whole.checkpoints.at(2));
    EXPECT_TRUE(are_same(run_from(part.checkpoints[2], settings, alone()).result, whole.result));
  }
}

class Refused : public testing::Test {
 protected:
  static std::string result_from(const std::string& bytes, const RunSettings& settings,
                                 const Programs& programs = alone()) {
    return run_from(bytes, settings, programs).result;
  }

  RunSettings settings_ = [] {
    RunSettings settings = machine(Detail::kTranslation);
    settings.checkpoint.same = {{"tlb.l2.entries", "64"}};
    settings.limit = 2000;
    return settings;
  }();
  std::string bytes_ = run_with_checkpoints(settings_, alone()).checkpoints.at(1);
};

TEST_F(Refused, WhateverByteIsChanged) {
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < 80; ++at) places.push_back(at);
  for (std::size_t at = 1; at <= 20; ++at) places.push_back(bytes_.size() - at);
  std::mt19937_64 random(1);
  for (unsigned i = 0; i < 150; ++i) places.push_back(random() % bytes_.size());
  for (const std::size_t at : places) {
    std::string changed = bytes_;
    changed[at] = static_cast<char>(changed[at] ^ 1 << random() % 8);
    EXPECT_THAT(result_from(changed, settings_), StartsWith("exception: saved: ")) << "byte " << at;
  }
}

TEST_F(Refused, WhereverItIsCutOff) {
  std::vector<std::size_t> lengths;
  for (std::size_t length = 1; length < 80; ++length) lengths.push_back(length);
  for (std::size_t less = 1; less <= 20; ++less) lengths.push_back(bytes_.size() - less);
  for (std::size_t part = 1; part < 20; ++part) lengths.push_back(bytes_.size() * part / 20);
  for (const std::size_t length : lengths) {
    EXPECT_THAT(result_from(bytes_.substr(0, length), settings_), StartsWith("exception: saved: "))
        << length << " bytes";
  }
  EXPECT_THAT(result_from(bytes_ + '\0', settings_), StartsWith("exception: saved: "));
}

TEST_F(Refused, OfAnotherVersionWithBothSaid) {
  std::string changed = bytes_;
  changed.replace(changed.find("format 2"), 8, "format 0");
  EXPECT_THAT(result_from(changed, settings_),
              HasSubstr("was written by another version of eptsim (format 0 "));
}

TEST_F(Refused, OfAnotherRunWithTheDifferenceSaid) {
  struct Other {
    std::function<void(RunSettings&)> change;
    const char* said;
  };
  const Other others[] = {
      {[](RunSettings& s) { s.mode = Mode::kNative; },
       "was written with --mode nested, and this run has native"},
      {[](RunSettings& s) { s.detail = Detail::kFull; }, "--detail translation"},
      {[](RunSettings& s) { s.fetch = false; }, "--fetch on, and this run has off"},
      {[](RunSettings& s) { s.warmup = 701; }, "--warmup 700, and this run has 701"},
      {[](RunSettings& s) { s.checkpoint.every = 1000; }, "--checkpoint-every 1100"},
      {[](RunSettings& s) { s.machine.sampling.period = 5000; }, "sampling.period 0"},
      {[](RunSettings& s) { s.checkpoint.same.front().second = "128"; },
       "tlb.l2.entries 64, and this run has 128"},
      {[](RunSettings& s) { s.checkpoint.same.clear(); },
       "tlb.l2.entries 64, and this run has none"},
      {[](RunSettings& s) { s.checkpoint.same.emplace_back("more", "1"); },
       "more none, and this run has 1"},
      {[](RunSettings& s) { s.walker = WalkerKind::kRtl; }, "--walker: the Verilated walker"},
  };
  for (const Other& other : others) {
    RunSettings changed = settings_;
    other.change(changed);
    EXPECT_THAT(result_from(bytes_, changed), HasSubstr(other.said));
  }
  EXPECT_TRUE(is_of_a_whole_run(result_from(bytes_, settings_)));
}

TEST_F(Refused, OfAnotherTraceWithTheDifferenceSaid) {
  std::vector<Record> records = program();
  records[1000].address += 8;
  EXPECT_THAT(result_from(bytes_, settings_, {{records}}),
              HasSubstr("saved: was written of another trace: of the first "));
  records.resize(1500);
  EXPECT_THAT(result_from(bytes_, settings_, {{records}}), HasSubstr("and trace has 1500"));
  EXPECT_THAT(result_from(bytes_, settings_, {{program(), program(2)}}),
              HasSubstr("was written with traces of cores 1, and this run has 2"));
  // What comes behind it is of no concern.
  records = program();
  records.back().address += 8;
  EXPECT_TRUE(is_of_a_whole_run(result_from(bytes_, settings_, {{records}})));
}

TEST(Checkpoints, NeedAPlaceToBeTaken) {
  RunSettings settings = machine(Detail::kTranslation);
  settings.warmup = settings.checkpoint.every = 0;
  EXPECT_THAT(run_with_checkpoints(settings, alone()).result,
              HasSubstr("--checkpoint: without a warm-up"));
}

}  // namespace
}  // namespace eptsim::sim
