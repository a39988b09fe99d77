#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "testbench/device/follower.hpp"
#include "testbench/scoreboard/coverage.hpp"
#include "testbench/scoreboard/difference.hpp"
#include "testbench/scoreboard/lockstep.hpp"
#include "testbench/scoreboard/voices.hpp"
#include "testbench/stimulus/page_parts.hpp"
#include "testbench/stimulus/sparse_memory.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// Two voices that disagree.
struct Finding {
  std::string expected;  ///< who said what is expected
  std::string got;
  std::vector<Difference> differences;
  std::optional<mmu::Cycle> cycle;  ///< of the walk, where clocked walkers differ
  mmu::Recording so_far;            ///< the walk up to there
};

/// What was compared.
struct Tally {
  std::uint64_t references = 0;  ///< reads of entries that the step machine made
  std::uint64_t writes = 0;
  std::uint64_t swaps = 0;  ///< of the clocked model
  std::uint64_t failed_swaps = 0;
  std::uint64_t oracle_walks = 0;   ///< that the oracle could judge
  std::uint64_t oracle_absent = 0;  ///< an entry changed in mid-walk: the oracle knows no time
  std::uint64_t responses = 0;      ///< of the device: two for an access to two pages
  std::uint64_t device_walks = 0;
  std::uint64_t cycles = 0;    ///< in which the device was compared with the model
  std::uint64_t requests = 0;  ///< to memory, in which a foreign walker was compared
  std::map<std::string, std::uint64_t> not_in_device;  ///< walks by what the device lacks
};

/// A case made ready for the judge.
struct PreparedCase {
  TestCase test;
  std::uint32_t tag = 0;
  std::optional<mmu::WalkContext> context;  ///< none: VM entry refuses it
  PageParts parts;
  std::string not_in_device;  ///< what the device lacks; empty if it takes part

  bool in_device() const { return not_in_device.empty(); }
};

/// Puts one case to all voices and compares what they say.
class Judge {
 public:
  explicit Judge(Voices voices);

  /// Forgets walks before.
  void reset();

  /// Fills what depends on `prepared.test`. The voices may disagree on whether VM entry accepts it.
  std::optional<Finding> prepare(PreparedCase& prepared);
  /// `next`, if not null, is the case after; it must be accepted. After a finding only `reset` may
  /// follow. Counts the case if there is none.
  std::optional<Finding> check(const PreparedCase& prepared, const PreparedCase* next);

  /// Both of these from the reset state, for a case on its own, which is not counted.
  std::optional<Finding> check_alone(const TestCase& test);

  /// Of the device or of the foreign walker that takes part; empty if there is neither.
  std::string device_name() const;
  bool has_device() const { return !device_name().empty(); }
  const Coverage& coverage() const { return coverage_; }
  const Tally& tally() const { return tally_; }
  /// Of the case checked last: what the step machine said.
  const mmu::TranslateResult& answer() const { return answer_; }
  const mmu::Recording& recording() const { return recording_; }

 private:
  /// What the clocked walkers did in one case.
  struct Clocked {
    std::optional<Finding> finding;
    std::array<mmu::WalkResponse, 2> responses{};
    unsigned count = 0;
    mmu::Cycle compared = 0;
  };

  std::optional<Finding> compare_all(const PreparedCase& prepared, const PreparedCase* next);
  bool oracle_can_judge() const;
  std::optional<Finding> ask_oracle(const TestCase& test);
  void run_clocked(const PreparedCase& prepared, const PreparedCase* next);
  bool run_part(const PreparedCase& prepared, const ClockedWalk& walk, const ClockedWalk* next);
  std::optional<Finding> compare_model();
  std::optional<Finding> compare_foreign(const PreparedCase& prepared);
  unsigned first_part(const PreparedCase& prepared) const;
  void count(const PreparedCase& prepared);

  Voices voices_;
  Lockstep lockstep_;
  std::optional<Follower> follower_;  ///< of the foreign walker
  unsigned foreign_responses_ = 0;
  unsigned foreign_requests_ = 0;
  SharedMemory memory_;  ///< the step machine's
  SparseMemory oracle_memory_;
  oracle::Memory oracle_access_;
  mmu::TranslateResult answer_;
  mmu::Recording recording_;
  Clocked clocked_;
  Coverage coverage_;
  Tally tally_;
};

}  // namespace eptsim::tb
