#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/output/named_run.hpp"
#include "sim/output/style.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// The line of a comparison that a run is. What can't be told is absent.
struct SchemeFigures {
  std::uint64_t cycles = 0;
  std::uint64_t walks = 0;
  std::optional<double> references_per_walk;
  std::optional<double> cycles_per_walk;
  std::optional<double> walks_per_kilo_instruction;
  double translation_share = 0;  ///< of the time
  std::uint64_t exits = 0;
  std::uint64_t exit_cycles = 0;
  double exit_share = 0;  ///< of the time
  /// How often it would be through in the time that the baseline takes: below 1 is slower.
  std::optional<double> speed;
  /// The same of the ideal run with the guest's pages.
  std::optional<double> speed_of_ideal;
};

/// Those of `runs` of one trace, each named for its scheme, in their order. The baseline is
/// native:4K, or else the first. Runs of which one ended early have no speeds.
std::vector<SchemeFigures> scheme_figures(const std::vector<NamedRun>& runs);

/// The same as JSON, keys as SchemeFigures.
Json to_json(const SchemeFigures& figures);

/// The runs of one trace as a table, for people.
std::string comparison(const std::vector<NamedRun>& runs, Style style);

}  // namespace eptsim::sim
