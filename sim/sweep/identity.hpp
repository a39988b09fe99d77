#pragma once

#include <string>
#include <vector>

#include "sim/cli/run_options.hpp"

namespace eptsim::sim::sweep {

/// All that a run's results depend on, as text. `trace_hashes`: of its traces. The program's
/// version is in it: another one may count otherwise.
std::string identity_text(const RunRequest& request, const std::vector<std::string>& trace_hashes);

/// The same in 16 hexadecimal digits.
std::string identity_of(const RunRequest& request, const std::vector<std::string>& trace_hashes);

/// 16 hexadecimal digits of `text`.
std::string short_hash(const std::string& text);

}  // namespace eptsim::sim::sweep
