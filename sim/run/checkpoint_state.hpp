#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/run/checkpoint.hpp"

namespace eptsim::sim {

/// What comes first in a checkpoint: names and values that must be the same in a run that goes on.
struct CheckpointHead {
  std::vector<std::pair<std::string, std::string>> same;
};

std::string bytes_of(const CheckpointHead& head, const SimulationState& state);

/// The bytes aren't what this build writes, though they are as they were written.
class NotOfThisBuild : public std::runtime_error {
 public:
  NotOfThisBuild() : std::runtime_error("not of this build") {}
};

/// Reads what `bytes_of` wrote, and hasn't changed since.
class CheckpointReader {
 public:
  /// `bytes` outlive it. Throws NotOfThisBuild, as the next one does.
  explicit CheckpointReader(std::string_view bytes);
  ~CheckpointReader();

  const CheckpointHead& head() const { return head_; }
  /// `state`: of a run that hasn't begun, made by settings for which the head holds.
  void read(const SimulationState& state);

 private:
  struct Reading;
  std::unique_ptr<Reading> reading_;
  CheckpointHead head_;
};

}  // namespace eptsim::sim
