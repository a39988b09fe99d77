#include <gtest/gtest.h>

#include "sim/run/tests/support.hpp"

/// vCPUs: switches, VPIDs, time slices, and translations that others have to forget.
namespace eptsim::sim {
namespace {

Record on(std::uint16_t vm, std::uint8_t vcpu, Record record) {
  record.vm = vm;
  record.vcpu = vcpu;
  return record;
}

/// Two vCPUs of the given machines on one core, in turns as the trace has them: each reads its page
/// in the warm-up, and once more.
RunResult run_turns(RunSettings settings, std::uint16_t first, std::uint16_t second) {
  settings.warmup = 2;
  return run(settings, std::vector<Record>{
                           on(first, 0, read(kHeap)), on(second, 1, read(kHeap + kPageBytes)),
                           on(first, 0, read(kHeap)), on(second, 1, read(kHeap + kPageBytes))});
}

TEST(Vpids, KeepTranslationsOverASwitch) {
  const RunResult result = run_turns(small_machine(), 0, 1);
  EXPECT_EQ(result.l1d.hits, 2u);
  EXPECT_EQ(result.walker.walks, 0u);
  EXPECT_EQ(result.exits.vcpu_switch, 2u);
  EXPECT_EQ(result.cycles, 2 + 2 * kExitCycles);
}

TEST(Vpids, AreEachVcpusOwn) {
  // Of one machine, both in its only address space: what one has translated the other has not.
  const std::vector<Record> turns = {on(0, 0, read(kHeap)), on(0, 1, read(kHeap))};
  const RunResult result = run(small_machine(), turns);
  EXPECT_EQ(result.guest_page_faults, 1u);
  EXPECT_EQ(result.l1d.hits, 0u);
}

TEST(Vpids, SwitchedOffLeaveNothingAfterAnExit) {
  RunSettings settings = small_machine();
  settings.machine.vpid = false;
  const RunResult result = run_turns(settings, 0, 1);
  EXPECT_EQ(result.l1d.hits, 0u);
  EXPECT_EQ(result.walker.walks, 2u);
}

TEST(Switches, OnBareMetalCostNoExits) {
  // Threads of one process keep what they have translated; another process doesn't.
  const RunResult threads = run_turns(small_machine(Mode::kNative), 0, 0);
  EXPECT_EQ(threads.l1d.hits, 2u);
  EXPECT_EQ(threads.cycles, 2u);
}
TEST(Switches, OnBareMetalToAnotherProcessAreAMovToCr3) {
  const RunResult processes = run_turns(small_machine(Mode::kNative), 0, 1);
  EXPECT_EQ(processes.l1d.hits, 0u);
  EXPECT_EQ(processes.cycles_by.exits, 0u);
}

/// So many reads of a page that is the vCPU's own, an instruction each.
std::vector<Record> reads(std::uint8_t vcpu, std::size_t count) {
  return std::vector<Record>(count, on(0, vcpu, read(kHeap + vcpu * kPageBytes)));
}

TEST(TimeSlices, GiveEachTraceItsTurn) {
  RunSettings settings = small_machine();
  settings.machine.time_slice = 1000;
  const RunResult result = run(settings, Programs{{reads(0, 2500), reads(1, 2500)}});
  EXPECT_EQ(result.accesses, 5000u);
  // Faults fill a vCPU's first turn; then there are 1000 accesses to a turn, and 499 to the last.
  EXPECT_EQ(result.exits.preemption_timer, 6u);
  EXPECT_EQ(result.exits.vcpu_switch, 1u);
}
TEST(TimeSlices, GiveEachTraceItsTurnOnACoreWithAWindow) {
  RunSettings settings = small_machine();
  settings.detail = Detail::kFull;
  settings.machine.core.width = 1;
  settings.machine.time_slice = 1000;
  const RunResult result = run(settings, Programs{{reads(0, 2500), reads(1, 2500)}});
  EXPECT_EQ(result.accesses, 5000u);
  EXPECT_GE(result.exits.preemption_timer, 4u);
  EXPECT_LE(result.exits.preemption_timer, 7u);
}
TEST(TimeSlices, OfNoLengthLetATraceComeToItsEnd) {
  const RunResult result = run(small_machine(), Programs{{reads(0, 2500), reads(1, 2500)}});
  EXPECT_EQ(result.accesses, 5000u);
  EXPECT_EQ(result.exits.preemption_timer, 0u);
  EXPECT_EQ(result.exits.vcpu_switch, 1u);
}

constexpr std::uint64_t kLate = 100'000;  // by then whatever was to be translated is

/// The first core has the event after a long time; the second reads its page all the while.
RunResult run_event(RunSettings settings, Record change) {
  Record last = read(kHeap);
  last.instructions = static_cast<std::uint32_t>(kLate);
  std::vector<Record> others(2 * kLate, on(0, 1, read(kHeap)));
  return run(settings,
             Programs{{{on(0, 0, read(kHeap)), on(0, 0, last), on(0, 0, change)}}, {others}});
}

TEST(Shootdowns, OfAGuestInterruptTheVcpusInTheAddressSpace) {
  const RunResult result = run_event(small_machine(), event(RecordKind::kInvlpg, kHeap));
  EXPECT_EQ(result.shootdowns.of_guest, 1u);
  EXPECT_EQ(result.shootdowns.interrupts, 1u);
  EXPECT_EQ(result.exits.apic_write, 1u);
  EXPECT_EQ(result.exits.external_interrupt, 1u);
  // The other walks again for what it had.
  const RunSettings settings = small_machine();
  const std::uint64_t handled =
      settings.machine.exit_cycles + settings.machine.guest_shootdown_cycles;
  EXPECT_GE(result.shootdowns.cycles, handled);
  EXPECT_LE(result.shootdowns.cycles, handled + 10);
}

TEST(Shootdowns, OnBareMetalNeedNoExit) {
  const RunResult result =
      run_event(small_machine(Mode::kNative), event(RecordKind::kInvlpg, kHeap));
  EXPECT_EQ(result.shootdowns.of_guest, 1u);
  EXPECT_EQ(result.exits.external_interrupt, 0u);
  EXPECT_EQ(result.cores.at(1).walks, 3u) << "one that faults, one, and one after the interrupt";
}

TEST(Shootdowns, LeaveVcpusOfOtherAddressSpacesAlone) {
  Record elsewhere = event(RecordKind::kInvlpg, kHeap);
  elsewhere.asid = 1;
  EXPECT_EQ(run_event(small_machine(), elsewhere).shootdowns.interrupts, 0u);
}

/// The first core's vCPU makes its machine write-protect all pages; the second runs `vm`.
RunResult run_protection(RunSettings settings, std::uint16_t vm) {
  settings.machine.dirty_log = write_protection(3);
  settings.machine.stale_check = true;
  Record late = read(kHeap);
  late.instructions = static_cast<std::uint32_t>(kLate);
  std::vector<Record> others;
  for (unsigned i = 0; i < 2 * kLate; ++i) others.push_back(on(vm, 1, write(kHeap + kPageBytes)));
  return run(settings,
             Programs{{{on(0, 0, read(kHeap)), on(0, 0, read(kHeap)), on(0, 0, late)}}, {others}});
}

TEST(Shootdowns, OfTheHypervisorInterruptTheMachinesOtherVcpus) {
  const RunResult result = run_protection(small_machine(), 0);
  EXPECT_EQ(result.dirty_log.turns, 1u);
  EXPECT_EQ(result.shootdowns.of_hypervisor, 1u);
  EXPECT_EQ(result.exits.external_interrupt, 1u);
  EXPECT_EQ(result.dirty_log.protected_writes, 1u);
  EXPECT_EQ(result.stale.ept, 0u);
  const unsigned handled = small_machine().machine.shootdown_cycles;
  EXPECT_GE(result.shootdowns.cycles, handled);
  EXPECT_LE(result.shootdowns.cycles, handled + 10);
}

TEST(Shootdowns, ForgottenByTheHypervisorAreFound) {
  RunSettings settings = small_machine();
  settings.machine.invalidate = false;
  const RunResult result = run_protection(settings, 0);
  EXPECT_EQ(result.shootdowns.of_hypervisor, 0u);
  EXPECT_GT(result.stale.ept, 0u);
}

TEST(Shootdowns, OwedByVcpusThatDidNotRunArePaidBeforeTheyRunAgain) {
  // The second core runs another machine while the first one's pages are write-protected, and then
  // its second vCPU again, which had translated one of them for writing.
  RunSettings settings = small_machine();
  settings.machine.dirty_log = write_protection(3);
  settings.machine.stale_check = true;
  Record late = read(kHeap);
  late.instructions = static_cast<std::uint32_t>(kLate);
  Record later = on(1, 0, read(kHeap));
  later.instructions = static_cast<std::uint32_t>(3 * kLate);
  const RunResult result =
      run(settings, Programs{{{on(0, 0, read(kHeap)), on(0, 0, read(kHeap)), on(0, 0, late)}},
                             {{on(0, 1, write(kHeap + kPageBytes)), on(1, 0, read(kHeap)), later,
                               on(0, 1, write(kHeap + kPageBytes))}}});
  EXPECT_EQ(result.shootdowns.of_hypervisor, 0u) << "nobody was interrupted";
  EXPECT_EQ(result.dirty_log.protected_writes, 1u);
  EXPECT_EQ(result.stale.ept, 0u);
}

}  // namespace
}  // namespace eptsim::sim
