#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/trace/own_header.hpp"

namespace eptsim::sim {

enum class TraceFormat : std::uint8_t { kOwn, kChampsim };

struct ConvertOptions {
  std::optional<std::string> format;  ///< of the input, overrides the guess
  std::uint64_t skip = 0;             ///< records left out at the start
  std::uint64_t limit = 0;            ///< records converted, 0: all
  bool fetches = true;                ///< false drops them, and counts their instructions
  int level = 12;                     ///< of zstd, 1 to 19
  std::vector<std::pair<std::string, std::string>> notes;  ///< added to the header
  const std::atomic<bool>* stop = nullptr;                 ///< once true, ends it with Interrupted
  TraceFormat to = TraceFormat::kOwn;
};

/// What was written.
struct Converted {
  std::uint64_t accesses = 0;
  std::uint64_t instructions = 0;
  std::uint64_t events_left_out = 0;
  std::uint64_t dependences_left_out = 0;
};

/// `eptsim trace convert IN OUT`: any known format to the own one, or to ChampSim's, which tells
/// less (ChampsimWriter). A header of the own format is kept in that; otherwise it says which file
/// this was. Throws InputError if the input is damaged (there is no output then) or the output
/// can't be written, Interrupted if it was asked to stop: no output.
Converted convert_trace(const std::string& input, const std::string& output,
                        const ConvertOptions& options = {});

}  // namespace eptsim::sim
