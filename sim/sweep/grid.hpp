#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sim/cli/run_options.hpp"
#include "sim/sweep/sweep_file.hpp"

namespace eptsim::sim::sweep {

/// A run that the sweep wants.
struct Point {
  /// What it is, as 16 hexadecimal digits: of every setting of its machine, its scheme, what its
  /// traces hold, the options that bear on results, and the version of the program. What something
  /// is called, and where it lies, doesn't matter.
  std::string id;
  RunRequest request;
  std::vector<std::string> trace_hashes;  ///< of its traces, when the sweep began
};

/// A place of the grid. Two may be the same point: a machine file may be a copy of a preset.
struct Row {
  std::vector<std::size_t> at;  ///< the number of its value on each axis
  std::size_t point = 0;        ///< its number
};

struct Grid {
  std::vector<Point> points;
  std::vector<Row> rows;  ///< the last axis varies fastest

  /// The first row that is this point.
  const Row& row_of(std::size_t point) const;
};

/// Every point of the sweep, checked as far as can be without running it: machines and their
/// settings, and that each trace can be opened. Reads the traces once, for their hashes. Throws
/// InputError at the place in the sweep's file.
Grid grid_of(const Sweep& sweep);

/// "scheme nested:4K/4K, tlb.l2.entries 1024": where a row is on the axes that have more than one
/// value.
std::string described(const Sweep& sweep, const Row& row);

}  // namespace eptsim::sim::sweep
