#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "testbench/scoreboard/stream_judge.hpp"
#include "testbench/stimulus/stream_generator.hpp"

namespace eptsim::tb {

/// The first disagreement of a run.
struct StreamMismatch {
  std::uint64_t number = 0;  ///< of the stream
  StreamFinding found;
  Stream stream;
  bool alone = true;  ///< run once more from the reset state, it shows the same
  Stream smallest;    ///< the least that still shows it
  StreamFinding found_in_smallest;
};

/// Runs numbered streams, each from the reset state.
class StreamCheck {
 public:
  StreamCheck(Voices voices, std::uint64_t seed, Features features)
      : generator_(seed, features), judge_(std::move(voices)) {}

  /// Streams from 0 on, until they make `walks` walks, or up to the first mismatch. `go_on` is
  /// called before each stream with the number of walks done; the run ends if it says no.
  std::optional<StreamMismatch> run(std::uint64_t walks,
                                    const std::function<bool(std::uint64_t)>& go_on = {});
  std::optional<StreamMismatch> replay(std::uint64_t number);

  /// `call` is called at a mismatch, before its smallest form is sought.
  void on_finding(std::function<void()> call) { on_finding_ = std::move(call); }

  const StreamJudge& judge() const { return judge_; }
  /// The one that was checked last.
  const Stream& stream() const { return stream_; }

 private:
  std::optional<StreamMismatch> check(std::uint64_t number);

  StreamGenerator generator_;
  StreamJudge judge_;
  Stream stream_;
  std::function<void()> on_finding_;
};

}  // namespace eptsim::tb
