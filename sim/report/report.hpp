#pragma once

#include <string>
#include <vector>

#include "sim/output/named_run.hpp"

/// report.html: what a stats document says, drawn. One file that needs no other and no network, in
/// light and dark, for screens of any width and for paper. The same document, but for what the host
/// took, gives the same bytes.
namespace eptsim::sim {

/// The report of one run.
std::string run_report_html(const Json& document);

/// The report of two runs side by side, of any machines, options and traces: what was set
/// otherwise, what came of it, and every statistic that differs.
std::string two_runs_report_html(const NamedRun& left, const NamedRun& right);

/// The report of runs side by side, at least two, with what differs in the foreground. Those of one
/// trace stand together, and are held against the first of them. Two runs of one trace are shown as
/// above, a few of them in full; of more, what compares them.
std::string comparison_report_html(const std::vector<NamedRun>& runs);

}  // namespace eptsim::sim
