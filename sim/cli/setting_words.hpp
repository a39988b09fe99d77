#pragma once

#include <string>
#include <vector>

/// Words about machines, for shells that complete them.
namespace eptsim::sim {

/// The machines that are built in.
std::vector<std::string> preset_names();
/// "tlb.l2.entries=", of every setting.
std::vector<std::string> setting_beginnings();
/// "tlb.l2.entries"
std::vector<std::string> setting_keys();

}  // namespace eptsim::sim
