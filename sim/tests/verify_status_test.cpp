#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "mmu_model/walk/translate.hpp"
#include "sim/cli/verify_voices.hpp"

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
