#pragma once

#include <string>
#include <vector>

#include "sim/output/named_run.hpp"
#include "sim/report/tests/document.hpp"
#include "sim/statistics/stats_json.hpp"

/// Runs to report on, and how to find a number in the report.
namespace eptsim::sim::report::test {

/// Numbers that no other counter has, so that one in the wrong place is seen.
RunReport run_of(Mode mode);
Json document_of(Mode mode);

/// The report of a run named native beside one named nested.
std::string compared(const Json& native, const Json& nested);
std::string nested_report();
std::string comparison_report();

/// Runs of two traces, five of the first and one of the second.
std::vector<NamedRun> many_runs();

/// "63.16 %" with the space that doesn't break.
std::string unbroken(std::string text);

/// The one row with `heading`.
std::vector<std::string> row(const Document& document, const std::string& heading);

}  // namespace eptsim::sim::report::test
