#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "mmu_model/walk/translate.hpp"
#include "sim/cli/verify_voices.hpp"
#include "testbench/rtl_walker/tests/fst_times.hpp"

/// What `eptsim verify` says of walkers that differ: its exit status, and the command that shows
/// the mismatch again.
namespace eptsim::sim {
namespace {

/// Takes options as a command line would give them.
class GivenOptions final : public Options {
 public:
  explicit GivenOptions(std::vector<std::pair<std::string, std::string>> given)
      : given_(std::move(given)) {}

  void flag(const std::string&, bool&, const std::string&) override {}
  void text(const std::string& name, const std::string&, std::optional<std::string>& target,
            const std::string&) override {
    for (const auto& [option, value] : given_) {
      if (option == name) target = value;
    }
  }
  void texts(const std::string&, const std::string&, std::vector<std::string>&,
             const std::string&) override {}
  void number(const std::string& name, std::optional<std::uint64_t>& target,
              const std::string&) override {
    for (const auto& [option, value] : given_) {
      if (option == name) target = std::stoull(value);
    }
  }
  void argument(const std::string&, std::optional<std::string>&, const std::string&,
                bool) override {}
  void arguments(const std::string&, std::vector<std::string>&, const std::string&) override {}
  void footer(const std::string&) override {}

 private:
  std::vector<std::pair<std::string, std::string>> given_;
};

struct Said {
  Status status;
  std::string output;
};

Said verify(VoicesMaker voices, std::vector<std::pair<std::string, std::string>> given) {
  const auto command = make_verify_command(std::move(voices));
  GivenOptions options(std::move(given));
  command->declare(options);
  testing::internal::CaptureStdout();
  const Status status = command->run();
  return {status, testing::internal::GetCapturedStdout()};
}

/// The step machine takes each page of 1 GiB for one of 2 MiB.
tb::Voices wrong_voices(std::string_view configuration) {
  tb::Voices voices = tb::built_voices(configuration);
  voices.step_machine = [](const mmu::WalkContext& context, const mmu::Request& request,
                           arch::PhysicalMemory& memory, mmu::Recording& recording) {
    auto result = mmu::translate(context, request, memory, recording);
    if (result.outcome.guest_page_size == arch::PageSize::k1G) {
      result.outcome.guest_page_size = arch::PageSize::k2M;
    }
    return result;
  };
  return voices;
}

TEST(VerifyStatus, IsOneForAMismatchAndZeroWithoutOne) {
  EXPECT_EQ(verify(tb::built_voices, {{"--walks", "300"}}).status, Status::kDone);
  EXPECT_EQ(verify(wrong_voices, {{"--walks", "3000"}}).status, Status::kMismatch);
  EXPECT_EQ(static_cast<int>(Status::kMismatch), 1);
}

TEST(VerifyStatus, TheCommandThatItNamesShowsTheSameMismatch) {
  const Said run = verify(wrong_voices, {{"--walks", "3000"}, {"--seed", "7"}});
  const std::string again = "Again: eptsim verify --replay ";
  const std::size_t at = run.output.find(again);
  ASSERT_NE(at, std::string::npos) << run.output;
  const std::string number = run.output.substr(at + again.size());
  ASSERT_TRUE(number.starts_with("7:"));
  const Said replay =
      verify(wrong_voices, {{"--replay", number.substr(0, number.find_first_of(" \n"))}});
  EXPECT_EQ(replay.status, Status::kMismatch);
  // All but what was compared before.
  const auto mismatch = [](const std::string& text) { return text.substr(text.find("MISMATCH")); };
  EXPECT_EQ(mismatch(replay.output), mismatch(run.output));
}

/// Miscounts references from some cycle or from an invalidation on: the RTL differs from it.
class MiscountingWalker final : public mmu::WalkerUnit {
 public:
  MiscountingWalker(std::unique_ptr<mmu::WalkerUnit> walker, bool in_streams)
      : walker_(std::move(walker)), in_streams_(in_streams) {
    outputs_ = walker_->outputs();
  }
  void reset() override {
    walker_->reset();
    outputs_ = walker_->outputs();
    invalidated_ = false;
  }
  const mmu::WalkerOutputs& outputs() const override { return outputs_; }
  const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override {
    outputs_ = walker_->tick(inputs);
    invalidated_ |= inputs.invalidation.has_value();
    const bool wrong = in_streams_ ? invalidated_ : inputs.cycle > kFrom;
    if (wrong && outputs_.response) ++outputs_.response->references;
    return outputs_;
  }

  static constexpr mmu::Cycle kFrom = 700;

 private:
  std::unique_ptr<mmu::WalkerUnit> walker_;
  mmu::WalkerOutputs outputs_;
  bool in_streams_;  ///< alone have invalidations
  bool invalidated_ = false;
};

VoicesMaker miscounting_voices(bool in_streams) {
  return [in_streams](std::string_view configuration) {
    tb::Voices voices = tb::built_voices(configuration);
    voices.model = std::make_unique<MiscountingWalker>(std::move(voices.model), in_streams);
    return voices;
  };
}

TEST(VerifyStatus, AMismatchLeavesAWaveformThatCoversIt) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() /
                                     ("eptsim-mismatch-" + std::to_string(::getpid()) + ".fst");
  for (const bool in_streams : {false, true}) {
    const Said run = verify(miscounting_voices(in_streams),
                            {{"--walks", "2000"}, {"--configuration", "small"}, {"--wave", file}});
    EXPECT_EQ(run.status, Status::kMismatch);
    EXPECT_NE(run.output.find(in_streams ? "MISMATCH in stream" : "MISMATCH in walk"),
              std::string::npos);
    EXPECT_NE(run.output.find("Waveform: " + file.string()), std::string::npos);
    const auto times = tb::fst_times(file);
    ASSERT_TRUE(times) << run.output;
    EXPECT_EQ(times->begin, 0U);
    // It ends with the cycle that differs, before what is tried to make the case smaller.
    if (in_streams) {
      const std::size_t at = run.output.find(", cycle ") + 8;
      EXPECT_EQ(times->end, 10 * std::stoull(run.output.substr(at)));
    } else {
      EXPECT_GT(times->end, 10 * MiscountingWalker::kFrom);
      EXPECT_LT(times->end, 100 * MiscountingWalker::kFrom);
    }
    std::filesystem::remove(file);
  }
}

TEST(VerifyStatus, TheReplayOfAMismatchWithSomeFeaturesAloneNamesThem) {
  const Said run = verify(wrong_voices, {{"--walks", "3000"}, {"--features", "large-pages"}});
  EXPECT_EQ(run.status, Status::kMismatch);
  EXPECT_NE(run.output.find(" --features large-pages\n"), std::string::npos) << run.output;
}

TEST(VerifyStatus, TheReplayOfAMismatchWithAnotherWalkerNamesIt) {
  const Said run = verify(wrong_voices, {{"--walks", "3000"}, {"--configuration", "second"}});
  EXPECT_EQ(run.status, Status::kMismatch);
  EXPECT_NE(run.output.find(" --configuration second\n"), std::string::npos) << run.output;
}

}  // namespace
}  // namespace eptsim::sim
