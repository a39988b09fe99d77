#pragma once

#include <string>

#include "sim/statistics/statistic.hpp"

/// report.html: what a stats document says, drawn. One file that needs no other and no network, in
/// light and dark, for screens of any width and for paper. The same document, but for what the host
/// took, gives the same bytes.
namespace eptsim::sim {

/// The report of one run.
std::string run_report_html(const Json& document);

/// The report of a native and a nested run of one trace, with what differs in the foreground.
std::string comparison_report_html(const Json& native, const Json& nested);

}  // namespace eptsim::sim
