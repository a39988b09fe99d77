#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mmu_model/walk/translate.hpp"

namespace eptsim::sim {

/// What an engine says of one request: all that a line of results holds.
struct WalkAnswer {
  mmu::Outcome outcome;                ///< of the lower page, or the first failure
  std::uint64_t address = 0;           ///< that `outcome` is about
  std::optional<mmu::Outcome> second;  ///< of the upper page of an access that crosses
  mmu::Recording recording;
  std::uint64_t cycles = 0;  ///< the walker's time
};

/// Appends the answer as one line of JSON, newline included, to `line`.
void append_json(std::string& line, const std::string& id, const mmu::Request& request,
                 const WalkAnswer& answer);

}  // namespace eptsim::sim
