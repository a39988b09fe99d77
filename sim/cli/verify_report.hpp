#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/output/style.hpp"
#include "sim/statistics/statistic.hpp"
#include "testbench/scoreboard/cross_check.hpp"
#include "testbench/scoreboard/stream_check.hpp"
#include "testbench/stimulus/feature.hpp"

namespace eptsim::sim {

/// What a cross-check was asked for and what came out.
struct VerifyReport {
  std::uint64_t seed = 1;
  std::uint64_t walks = 0;    ///< asked for
  std::string configuration;  ///< of model and RTL, or "second"
  tb::Features features;
  bool partial = false;  ///< interrupted
  const tb::Judge& judge;
  const tb::StreamJudge& streams;
  const std::optional<tb::Mismatch>& mismatch;
  const std::optional<tb::StreamMismatch>& stream_mismatch;
  std::string replayed;  ///< "SEED:N" if that walk alone was run again
  std::string replay;    ///< the command that shows the mismatch again
  std::string wave;      ///< where its waveform is, or how to get it; may be empty
};

/// Bins that are possible and that no walk has reached, and those that were reached although a rule
/// says that they can't be. With a line for each of both, and one for each that is impossible with
/// the rule that makes it so.
struct BinCounts {
  std::uint64_t possible = 0;
  std::uint64_t reached = 0;
  std::uint64_t impossible_met = 0;
  bool complete() const { return reached == possible; }
};
BinCounts bin_counts(const VerifyReport& report);
std::string coverage_text(const VerifyReport& report);

/// The document of `--json`: the same for the same inputs and version.
Json verify_document(const VerifyReport& report);

/// The same for people.
std::string verify_summary(const VerifyReport& report, Style style);

}  // namespace eptsim::sim
