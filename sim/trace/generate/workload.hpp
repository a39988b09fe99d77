#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/trace/reader.hpp"

/// Traces that are computed instead of stored. `generate:gups,footprint=1GiB,seed=7` in the place
/// of a trace's path names one. docs/workloads.md says what each does.
namespace eptsim::sim::generate {

/// A parameter of a workload, declared once: checking, the list for people and the canonical text
/// come from here.
struct Parameter {
  enum class Type : std::uint8_t {
    kNumber,  ///< a whole number
    kBytes,   ///< a whole number, or text with a unit: "64MiB"
    kWord,    ///< one of `words`; its value is the index
  };

  std::string_view name;
  Type type = Type::kNumber;
  std::uint64_t otherwise = 0;  ///< the default
  std::uint64_t minimum = 0;
  std::uint64_t maximum = 0;
  std::vector<std::string_view> words = {};
  std::string_view help;  ///< one line
  bool common = false;    ///< other workloads have it too, and mean the same

  /// A value as it is written: "64MiB".
  std::string text(std::uint64_t value) const;
  /// What a value may be: "a size from 64KiB to 1TiB".
  std::string expected() const;
};

class Choice;

struct Workload {
  std::string_view name;
  std::string_view help;  ///< one line
  unsigned version = 1;   ///< raised when the same parameters come to give other records
  std::vector<Parameter> parameters;
  /// Throws InputError where values don't go together.
  std::unique_ptr<TraceReader> (*open)(const Choice&) = nullptr;
};

/// A workload with a value for each of its parameters.
class Choice {
 public:
  /// Reads "gups,footprint=1GiB,seed=7". Throws InputError.
  explicit Choice(std::string_view text);

  const Workload& workload() const { return *workload_; }
  /// The value of the parameter `name`, which the workload must have.
  std::uint64_t operator[](std::string_view name) const;
  /// Refuses the value of `name`. `problem` goes on from it: "is more than there are pages".
  [[noreturn]] void refuse(std::string_view name, const std::string& problem) const;

  /// What names this trace, every parameter given: "generate:gups,footprint=1GiB,…".
  std::string canonical() const;
  /// XXH3-128 of the canonical text and the workload's version, in hexadecimal.
  std::string hash() const;

 private:
  void set(std::string_view assignment, std::vector<bool>& given);
  std::string place() const;

  const Workload* workload_ = nullptr;
  std::vector<std::uint64_t> values_;  ///< as in workload_->parameters
};

/// Every workload, in the order of the documentation.
std::span<const Workload> workloads();

/// All workloads and their parameters, for people.
std::string list_of_workloads();

constexpr std::string_view kPrefix = "generate:";
inline bool is_generated(std::string_view trace) { return trace.starts_with(kPrefix); }
/// What follows the prefix, read. Throws InputError.
inline Choice chosen(std::string_view trace) { return Choice(trace.substr(kPrefix.size())); }

}  // namespace eptsim::sim::generate
