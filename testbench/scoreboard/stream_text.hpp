#pragma once

#include <string>

#include "testbench/scoreboard/stream_check.hpp"

namespace eptsim::tb {

/// All that the stream is, in as many lines as it takes.
std::string stream_text(const Stream& stream);

/// Everything a person needs: what was expected and what came, the walks so far, the stream, its
/// least form, and `replay`, the command that shows it again.
std::string mismatch_text(const StreamMismatch& mismatch, const std::string& replay);

}  // namespace eptsim::tb
