#pragma once

#include <string>

namespace eptsim::sim {

/// "eptsim 0.1.0", and on a second line how this program was built: what a report of an error
/// should say.
std::string version_text();

}  // namespace eptsim::sim
