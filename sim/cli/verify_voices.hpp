#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "sim/cli/command.hpp"
#include "testbench/scoreboard/voices.hpp"

namespace eptsim::sim {

/// Of a walker configuration by its name.
using VoicesMaker = std::function<tb::Voices(std::string_view configuration)>;

/// `eptsim verify` with other voices than those of this build: with a walker of one's own, or with
/// one that has a bug, to see what the command says then.
std::unique_ptr<Command> make_verify_command(VoicesMaker voices);

}  // namespace eptsim::sim
