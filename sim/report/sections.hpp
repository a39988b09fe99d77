#pragma once

#include <string>

#include "sim/report/run.hpp"

/// The parts of a report that are the same for one run and for several of one trace: each has a
/// column, or a drawing, for every run, and with two of them a column of ratios.
namespace eptsim::sim::report {

/// What a page begins with: what it is, made by the version of `run`, its answer in one line, and
/// what stands behind that.
Html head(const std::string& kind, const Run& run, const std::string& answer, const Html& lead);
/// A part of the page under a heading of its own.
Html section(const std::string& heading, const Html& content);
/// A figure that is seen from afar: what it is, itself, and what stands behind it.
Html tile(const std::string& label, const std::string& figure, const std::string& remark);
Html tiles(const Html& all);
/// What every page says before its figures, where it must: that a run ended early.
Html warning(const Runs& runs);

Html translations(const Runs& runs);     ///< where they were found: the TLBs (tlbs.cpp)
Html walks(const Runs& runs);            ///< what they cost: places, latency, references
Html over_time(const Runs& runs);        ///< misses, and the time lost, as the run went on
Html hot_spots(const Runs& runs);        ///< pages and instructions whose walks cost most
Html system_software(const Runs& runs);  ///< exits, faults, memory
Html settings(const Run& run);           ///< the machine, folded away (provenance.cpp)
Html provenance(const Runs& runs);       ///< what made these numbers

}  // namespace eptsim::sim::report
