#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/run/simulation.hpp"

/// The settings of a machine, each declared once. Checking of machine files and of `--set`, help,
/// and what is written to machine.toml and stats.json all come from this table.
namespace eptsim::sim {

struct Parameter {
  enum class Type : std::uint8_t {
    kNumber,  ///< a whole number
    kBytes,   ///< a whole number, or text with a unit: "64GiB"
    kWord,    ///< one of `words`; its value is the index
  };

  std::string key;  ///< as in `--set`: "tlb.l2.entries"
  Type type = Type::kNumber;
  std::string_view unit;  ///< "1" for counts, "cycle", "byte", "bit"; empty for words
  std::uint64_t minimum = 0;
  std::uint64_t maximum = 0;
  std::vector<std::string_view> words;  ///< kWord, as they are written out
  std::string help;                     ///< one line
  std::string note;                     ///< said too where a value is refused; may be empty

  std::function<std::uint64_t(const Machine&)> get;
  std::function<void(Machine&, std::uint64_t)> set;
  /// Whether a machine has this setting: a TLB is split by page size or it isn't. Empty: always.
  std::function<bool(const Machine&)> applies;
  /// Whether setting it changes what `applies` says of others: such settings are taken first.
  bool shapes = false;

  bool applies_to(const Machine& machine) const { return !applies || applies(machine); }
  /// Whether it is written out for `machine`: not for the ways of an array that is off.
  bool has_value(const Machine& machine) const {
    return applies_to(machine) && get(machine) >= minimum;
  }
  /// The value as machine.toml writes it, quotes included.
  std::string text(const Machine& machine) const;
  /// What a value may be: "a whole number from 1 to 64", "4K, 2M or 1G".
  std::string expected() const;
};

/// Every setting, in the order in which they are written out.
const std::vector<Parameter>& parameters();
/// Nothing if there is no such setting.
const Parameter* find_parameter(std::string_view key);
/// The keys of all settings, for hints.
std::vector<std::string_view> parameter_keys();

}  // namespace eptsim::sim
