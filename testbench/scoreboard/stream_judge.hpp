#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "testbench/scoreboard/judge.hpp"
#include "testbench/scoreboard/remembrance.hpp"
#include "testbench/scoreboard/stream_coverage.hpp"
#include "testbench/scoreboard/stream_driver.hpp"
#include "testbench/scoreboard/uncached_walk.hpp"
#include "testbench/scoreboard/voices.hpp"

namespace eptsim::tb {

/// What was compared in streams.
struct StreamTally {
  std::uint64_t streams = 0;
  std::uint64_t not_run = 0;  ///< streams with no request, or with a context that is refused
  std::uint64_t walks = 0;    ///< responses of the clocked model
  std::uint64_t references = 0;
  std::uint64_t lookups = 0;
  std::uint64_t hits = 0;  ///< look-ups of which some cache answered
  std::uint64_t writes = 0;
  std::uint64_t failed_swaps = 0;
  std::uint64_t invalidations = 0;
  std::uint64_t stores = 0;
  std::uint64_t judged = 0;     ///< walks that the oracle judged
  std::uint64_t stale = 0;      ///< not: an invalidation was owed when they began
  std::uint64_t overtaken = 0;  ///< not: what they read changed in mid-walk
  std::uint64_t device_walks = 0;
  std::uint64_t cycles = 0;              ///< in which the device was compared with the model
  std::vector<std::uint64_t> in_flight;  ///< requests by how many were in flight with them
  std::map<std::string, std::uint64_t> not_in_device;  ///< streams by what the device lacks
};

/// A disagreement in a stream.
struct StreamFinding {
  Finding finding;
  std::optional<unsigned> walk;  ///< of which the finding is, if of one
  /// What walks in flight had read and written, by number of the request.
  std::vector<std::pair<unsigned, mmu::Recording>> walks;
};

/// Puts a stream to the clocked walkers, and each of their responses to the oracle: what a walk
/// tells must be what memory says, however much of it came from caches, unless an invalidation was
/// owed when it began, or what it reads changed in mid-walk.
class StreamJudge final : StreamObserver {
 public:
  explicit StreamJudge(Voices voices);

  /// Counts the stream if nothing is found.
  std::optional<StreamFinding> check(const Stream& stream);
  /// The same, and counts nothing.
  std::optional<StreamFinding> check_alone(const Stream& stream);

  const StreamTally& tally() const { return tally_; }
  const StreamCoverage& coverage() const { return coverage_; }
  std::string device_name() const { return voices_.device ? voices_.device->name : ""; }
  unsigned slots() const { return slots_; }

 private:
  struct WalkState {
    bool in_flight = false;
    mmu::Cycle taken_at = 0;
    Footprint footprint;
    Remembrance::Staleness relied;
    bool overtaken = false;        ///< by a store
    bool flags_meanwhile = false;  ///< set by others, in what it reads
    bool hit = false;
    unsigned failed_swaps = 0;
    UncachedWalk expected;
    mmu::Recording recording;
  };

  bool prepare(const Stream& stream);
  std::optional<StreamFinding> run(const Stream& stream);

  void request_taken(unsigned walk, mmu::Cycle now) override;
  void carried_out(unsigned walk, const mmu::MemoryRequest& request, std::uint64_t found,
                   mmu::Cycle now) override;
  void request_held_up() override { coverage_.request_held_up(); }
  void answered(unsigned walk, bool active, mmu::Cycle now) override {
    coverage_.answered(walk, active, now);
  }
  void looked_up(unsigned walk, const mmu::CacheLookup& lookup, mmu::Cycle now) override;
  void responded(unsigned walk, const mmu::WalkResponse& response, mmu::Cycle now) override;
  void storing(const Word& word) override;
  void invalidated(const StreamEvent& event, mmu::Cycle now) override;
  bool go_on() const override { return !finding_; }

  void written(unsigned walk, const mmu::MemoryRequest& request);
  void word_changed(std::uint64_t word, bool as_ept, bool as_guest);
  void ask_oracle(unsigned walk);
  bool same_without_flags(WalkState& state, const StreamRequest& request);
  void compare_outcome(const WalkState& state, const mmu::WalkResponse& response,
                       Differences& differences) const;
  void compare_references(const WalkState& state, Differences& differences) const;
  void compare_writes(const WalkState& state, Differences& differences);
  void found(const char* expected, const std::string& got, unsigned walk,
             std::vector<Difference> differences, mmu::Cycle now);

  Voices voices_;
  unsigned slots_;
  StreamDriver driver_;
  StreamTally tally_;
  StreamCoverage coverage_;

  // Of the stream under way.
  const Stream* stream_ = nullptr;
  bool with_device_ = false;
  std::string not_in_device_;
  TestCase asked_;              ///< whether the device has what it needs
  bool mixed_sizes_ = false;    ///< of guest entries: 4 and 8 bytes
  bool mixed_execute_ = false;  ///< with mode-based execute control, and without
  std::vector<mmu::WalkContext> contexts_;
  std::vector<oracle::State> states_;
  std::vector<Footprint> templates_;  ///< by context
  std::vector<WalkState> walks_;
  Remembrance remembrance_;
  StreamTally counted_;
  std::optional<StreamFinding> finding_;
};

}  // namespace eptsim::tb
