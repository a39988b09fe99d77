#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "mmu_model/walker/model_walker.hpp"
#include "sim/run/tests/support.hpp"

namespace eptsim::sim {
namespace {

std::vector<Record> reads_of_pages(unsigned pages) {
  std::vector<Record> records;
  for (unsigned page = 0; page < pages; ++page) records.push_back(read(kHeap + page * kPageBytes));
  return records;
}

TEST(Ending, ADamagedTraceGivesWhatWasMeasuredBefore) {
  MemoryTrace trace(reads_of_pages(5), InputError("a.trace: byte 99, record 6", "truncated"));
  const RunResult result = run(small_machine(), trace);
  ASSERT_TRUE(result.error);
  EXPECT_STREQ(result.error->what(), "a.trace: byte 99, record 6: truncated");
  EXPECT_TRUE(result.partial);
  EXPECT_EQ(result.accesses, 5u);
  EXPECT_EQ(result.guest_page_faults, 5u);
  EXPECT_EQ(result.cycles, 5 + result.cycles_by.translation + result.cycles_by.exits);
}

TEST(Ending, AnAddressThatIsNotCanonicalIsNamedWithItsRecord) {
  const RunResult result =
      run(small_machine(), {read(kHeap), read(0xffff'8000'0000'0000), read(0x0000'8000'0000'0000)});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->place(), "trace: record 3");
  EXPECT_NE(std::string(result.error->what()).find("0x800000000000"), std::string::npos);
  EXPECT_NE(std::string(result.error->what()).find("4-level"), std::string::npos);
  EXPECT_TRUE(result.partial);
  EXPECT_EQ(result.accesses, 2u);
}

TEST(Ending, AnAccessThatReachesIntoTheHoleIsNotCanonical) {
  const RunResult result =
      run(small_machine(), {record(RecordKind::kRead, 0x0000'7fff'ffff'fffc, 8)});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.accesses, 1u);
}

TEST(Ending, MoreTracedPagesThanMemoryIsAnErrorOfTheMachine) {
  // 32 frames, the first never given: an EPT of 4 tables, which is enough, and 27 backed pages, of
  // which 4 are guest tables.
  RunSettings settings = small_machine();
  settings.machine.hardware.dram_bytes = 32 * kPageBytes;
  const RunResult result = run(settings, reads_of_pages(100));
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->place(), "dram.bytes");
  EXPECT_NE(std::string(result.error->what()).find("outrun"), std::string::npos);
  EXPECT_TRUE(result.partial);
  EXPECT_EQ(result.accesses, 23u);
  EXPECT_EQ(result.page_bytes, 23 * kPageBytes);
}

TEST(Ending, ANativeMachineRunsOutToo) {
  RunSettings settings = small_machine(Mode::kNative);
  settings.machine.hardware.dram_bytes = 32 * kPageBytes;
  const RunResult result = run(settings, reads_of_pages(100));
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->place(), "dram.bytes");
  EXPECT_EQ(result.accesses, 27u);  // of 31 frames 4 are tables
}

TEST(Ending, MemoryThatEndsInTheMiddleOfTheGuestsHandlerIsReported) {
  // Room for the EPT, two guest tables and nothing more: the handler's store to the third table
  // finds no host frame.
  RunSettings settings = small_machine();
  settings.machine.hardware.dram_bytes = 7 * kPageBytes;
  const RunResult result = run(settings, {read(kHeap)});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->place(), "dram.bytes");
  EXPECT_EQ(result.accesses, 0u);
}

TEST(Ending, MemoryTooSmallForTheEptsRootIsRefusedBeforeAnythingRuns) {
  RunSettings settings = small_machine();
  settings.machine.hardware.dram_bytes = kPageBytes;
  EXPECT_THROW(run(settings, {read(kHeap)}), InputError);
}

TEST(Ending, MemoryBeyondPhysicalAddressesIsRefused) {
  RunSettings settings = small_machine();
  settings.machine.hardware.maxphyaddr = 36;
  try {
    run(settings, {read(kHeap)});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_EQ(error.place(), "dram.bytes");
  }
}

#ifdef EPTSIM_HAS_RTL
TEST(Ending, AnRtlWalkerThatIsNotBuiltIsRefused) {
  RunSettings settings = small_machine();
  settings.machine.hardware.walker.walks = 3;
  settings.walker = WalkerKind::kRtl;
  EXPECT_THROW(run(settings, {read(kHeap)}), InputError);
}
#endif

/// A model in the RTL's place whose `wrong`-th memory request goes elsewhere.
WalkerMaker wrong_walker(unsigned wrong) {
  return [wrong](const mmu::WalkerConfiguration& size) -> std::unique_ptr<mmu::WalkerUnit> {
    class Wrong final : public mmu::WalkerUnit {
     public:
      Wrong(const mmu::WalkerConfiguration& size, unsigned left) : model_(size), left_(left) {}
      void reset() override { outputs_ = (model_.reset(), model_.outputs()); }
      const mmu::WalkerOutputs& outputs() const override { return outputs_; }
      const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override {
        const bool was_there = outputs_.memory.has_value();
        outputs_ = model_.tick(inputs);
        if (outputs_.memory && !was_there && left_ > 0) --left_;
        if (outputs_.memory && left_ == 0) outputs_.memory->address ^= 8;
        return outputs_;
      }

     private:
      mmu::ModelWalker model_;
      unsigned left_;
      mmu::WalkerOutputs outputs_;
    };
    return std::make_unique<Wrong>(size, wrong);
  };
}

TEST(Ending, TheFirstDifferenceOfTwoWalkersEndsTheRunAndIsNamed) {
  RunSettings settings = small_machine();
  settings.walker = WalkerKind::kBoth;
  const std::atomic<bool> stop{false};
  MemoryTrace trace({read(kHeap), read(kHeap + kPageBytes), read(kHeap + 2 * kPageBytes)});
  // The first access walks 5 + 27 + 24 memory requests; the second's fault is the fourth walk.
  const RunResult result = simulate(settings, trace, stop, {}, wrong_walker(5 + 27 + 24 + 1));
  EXPECT_TRUE(result.partial);
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.accesses, 1u);
  EXPECT_NE(result.mismatch.find("walk 4"), std::string::npos) << result.mismatch;
  EXPECT_NE(result.mismatch.find("memory.address: expected 0x"), std::string::npos);
}

TEST(Ending, ADifferenceThatNeverComesEndsNothing) {
  RunSettings settings = small_machine();
  settings.walker = WalkerKind::kBoth;
  const std::atomic<bool> stop{false};
  MemoryTrace trace({read(kHeap)});
  const RunResult result = simulate(settings, trace, stop, {}, wrong_walker(5 + 27 + 24 + 1));
  EXPECT_FALSE(result.partial);
  EXPECT_EQ(result.mismatch, "");
}

TEST(Ending, AnErrorThatIsNoInputErrorComesOutAsItself) {
  struct Failing final : TraceReader {
    std::size_t read(std::span<Record>) override { throw std::range_error("odd"); }
    std::string_view format() const override { return "failing"; }
    bool has_fetches() const override { return false; }
  } trace;
  const std::atomic<bool> stop{false};
  EXPECT_THROW(simulate(small_machine(), trace, stop), std::range_error);
}

/// Sets a flag, as a signal would, when its third batch is asked for.
class InterruptingTrace final : public TraceReader {
 public:
  explicit InterruptingTrace(std::atomic<bool>& stop) : stop_(stop) {}
  std::size_t read(std::span<Record> records) override {
    if (++batches_ == 3) stop_ = true;
    std::ranges::fill(records, sim::read(kHeap));
    return 10;
  }
  std::string_view format() const override { return "endless"; }
  bool has_fetches() const override { return false; }

 private:
  std::atomic<bool>& stop_;
  unsigned batches_ = 0;
};

TEST(Ending, AStoppedRunIsPartial) {
  std::atomic<bool> stop{false};
  InterruptingTrace trace(stop);
  const RunResult result = simulate(small_machine(), trace, stop);
  EXPECT_TRUE(result.partial);
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.accesses, 20u);
  EXPECT_EQ(result.instructions, 20u);
}

TEST(Ending, AnEmptyTraceIsARunOfNothing) {
  const RunResult result = run(small_machine(), std::vector<Record>{});
  EXPECT_EQ(result.cycles, 0u);
  EXPECT_FALSE(result.partial);
}

}  // namespace
}  // namespace eptsim::sim
