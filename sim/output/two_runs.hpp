#pragma once

#include <string>
#include <vector>

#include "sim/output/differences.hpp"
#include "sim/output/named_run.hpp"
#include "sim/output/style.hpp"

/// Two runs beside one another, in words: what pages and terminals say alike.
namespace eptsim::sim {

/// What people look at first, also where it is the same in both. All for people.
struct HeadlineFigure {
  std::string label;
  std::string left;
  std::string right;
  std::string change;    ///< "+12,300", "+3.10 points"
  std::string relative;  ///< "+12.30 %"; "-" of nothing, and of shares
};
std::vector<HeadlineFigure> headline_figures(const Json& left, const Json& right);

/// Whether the two ran one trace: by its hash, or by its path where it has none.
bool same_trace(const Json& left, const Json& right);
/// Whether their cycles may be set in relation: both did the same work, and some.
bool same_work(const Json& left, const Json& right);

/// The answer in one sentence, without its full stop: "nested takes 1.32 × the time of native".
std::string verdict(const NamedRun& left, const NamedRun& right, const Differences& differences);

/// What differs, for a terminal: settings, headline figures, and the statistics that differ most.
std::string differences_summary(const NamedRun& left, const NamedRun& right,
                                const Differences& differences, Style style);

}  // namespace eptsim::sim
