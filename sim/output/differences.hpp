#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sim/statistics/statistic.hpp"

/// What two runs have not in common, from their stats documents.
namespace eptsim::sim {

/// A value that is another one in each run.
struct Difference {
  std::string key;  ///< "tlb.l2.hits", "walker.matrix[4,3].cycles", "--mode"
  Json left;        ///< null where the run has none
  Json right;

  bool is_number() const;
  /// `right` less `left`, of numbers.
  double change() const;
  /// `change` in parts of `left`; infinite where `left` is 0.
  double relative() const;
  /// How much they differ, whichever is the larger: from 0, equal, to 1, one of them is 0.
  double weight() const;
};

struct Differences {
  Differences(const Json& left, const Json& right);

  /// Of what was asked for: trace, options, machine; in the order of the documents.
  std::vector<Difference> settings;
  /// Of what was measured; what differs most comes first.
  std::vector<Difference> statistics;
  /// Lists that differ and are shown elsewhere, as a whole: "timeline".
  std::vector<std::string> lists;
  std::size_t settings_compared = 0;
  std::size_t statistics_compared = 0;
  /// Nothing differs at all, but for what the host took.
  bool identical = false;
};

/// A value of a setting, for people: "512 KiB", "4 cycles", "nested"; "-" where there is none.
std::string setting_text(const std::string& key, const Json& value);
/// A measured value, for people: "1,234,567", "0.4863"; "-" where there is none.
std::string statistic_text(const Json& value);
/// How it went from left to right, with a sign: "+12,300", "−0.125".
std::string change_text(const Difference& difference);
/// The same in percent of left, "+12.30 %"; "-" where there was nothing.
std::string relative_text(const Difference& difference);

}  // namespace eptsim::sim
