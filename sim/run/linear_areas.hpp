#pragma once

#include <cstdint>
#include <vector>

#include "sim/trace/reader.hpp"

namespace eptsim::sim {

/// Where a program has memory, as far as its trace tells: large pages must not reach beyond. A
/// trace that tells nothing counts as one that has memory everywhere.
class LinearAreas {
 public:
  LinearAreas() = default;
  explicit LinearAreas(std::vector<LinearArea> areas);

  /// Whether all `bytes` from `begin` on are the program's.
  bool contain(std::uint64_t begin, std::uint64_t bytes) const;

 private:
  std::vector<LinearArea> areas_;  ///< ascending, with gaps between them
};

}  // namespace eptsim::sim
