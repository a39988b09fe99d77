#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "testbench/conformance/procedure.hpp"
#include "testbench/conformance/voice.hpp"

namespace eptsim::tb::conformance {

/// How one voice did.
struct Count {
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;
  std::uint64_t not_applicable = 0;  ///< the voice doesn't do this by its nature, or lacks it
  std::uint64_t not_yet = 0;         ///< the voice is to have it and has it not
  std::uint64_t left_out = 0;        ///< by a stride
};

struct FamilyResult {
  std::string_view family;
  std::string_view subject;
  std::uint64_t vectors = 0;
  std::vector<Count> voices;  ///< in the order of Report::voices
};

struct Failure {
  std::string family;
  std::string voice;
  std::string vector;
  std::vector<Difference> differences;
};

struct Report {
  std::vector<std::string> voices;  ///< the last does procedures, and they alone
  std::vector<FamilyResult> families;
  std::vector<Failure> failures;  ///< the first of each family and voice

  bool passed() const;  ///< nothing failed, and nothing is "not yet"
};

/// All families of single vectors.
std::span<const Family> families();

/// How much of the two guest-paging matrices each voice gets: one combination in so many.
struct Strides {
  std::uint64_t step_machine = 1;
  std::uint64_t clocked_model = 1;
  std::uint64_t oracle = 1;
  std::uint64_t device = 1;

  /// The step machine gets all, those that would need an hour a part. Two minutes.
  static constexpr Strides whole() { return {1, 11, 101, 1009}; }
  /// A part for each. Seconds.
  static constexpr Strides part() { return {101, 503, 5003, 10007}; }
};

/// Puts vectors to voices and counts.
class Suite {
 public:
  explicit Suite(Voices voices);

  using GoOn = std::function<bool()>;

  void run(const Family& family);
  void run(const Procedure& procedure);
  void run_guest_paging(const Strides& strides, const GoOn& go_on = {});
  /// Everything, or what was done before `go_on`, asked from time to time, says no: then the report
  /// is worth nothing.
  void run_all(const Strides& strides, const GoOn& go_on = {});

  const Report& report() const { return report_; }

 private:
  FamilyResult& begin(std::string_view family, std::string_view subject);
  void put(const Vector& vector, FamilyResult& result);
  void fail(const FamilyResult& result, std::size_t voice, const std::string& vector,
            std::vector<Difference> differences);

  std::vector<std::unique_ptr<Voice>> voices_;  ///< of the report's voices, all but the last
  SparseMemory memory_;
  Answer answer_;
  Report report_;
};

}  // namespace eptsim::tb::conformance
