#pragma once

#include <string>

#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// A run among others: its name is short, and unlike those of other runs of its trace.
struct NamedRun {
  std::string name;  ///< "nested:4K/2M"
  Json document;     ///< its stats document
};

}  // namespace eptsim::sim
