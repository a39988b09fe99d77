#include <gtest/gtest.h>

#include "sim/cli/run_trace.hpp"

/// The exit status of a run, and what it says of it on standard error.
namespace eptsim::sim {
namespace {

struct Said {
  Status status;
  std::string text;
};

Said end_of(const RunResult& result) {
  RunReport report;
  report.trace_path = "a.trace";
  report.result = result;
  testing::internal::CaptureStderr();
  const Status status = status_of(report);
  return {status, testing::internal::GetCapturedStderr()};
}

TEST(RunStatus, OfACompleteRunIsNullAndSilent) {
  const Said said = end_of({});
  EXPECT_EQ(said.status, Status::kDone);
  EXPECT_EQ(said.text, "");
}

TEST(RunStatus, OfWalkersThatDifferIsThatOfAMismatch) {
  RunResult result;
  result.partial = true;
  result.mismatch = "the walkers differ in cycle 7\n  walk 1, tag 0: ...\n";
  const Said said = end_of(result);
  EXPECT_EQ(said.status, Status::kMismatch);
  EXPECT_EQ(said.text, "a.trace: the walkers differ in cycle 7\n  walk 1, tag 0: ...\n");
}

TEST(RunStatus, OfABadTraceAndOfAnInterruptedRunAreTheirOwn) {
  RunResult result;
  result.partial = true;
  EXPECT_EQ(end_of(result).status, Status::kInterrupted);
  result.error = InputError("a.trace: record 3", "odd");
  EXPECT_EQ(end_of(result).status, Status::kBadInput);
}

}  // namespace
}  // namespace eptsim::sim
