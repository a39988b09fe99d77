#pragma once

#include <string>

#include "sim/sweep/results.hpp"

namespace eptsim::sim::sweep {

/// sweep.html: what came of a sweep, drawn: for each pair of axes what the numbers of
/// Sweep::plots are over them, with a table behind each drawing, and all rows. One file that needs
/// no other and no network. The same results give the same bytes.
std::string page_html(const Results& results);

}  // namespace eptsim::sim::sweep
