#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/settings/parameter.hpp"

namespace eptsim::sim {

/// A setting that was given a value, checked by itself, and where: "file:line:column", or an
/// option.
struct Given {
  const Parameter* parameter;
  std::uint64_t value;
  std::string place;
  std::string note = {};  ///< what a machine file's comment on the same line says of it
};

/// The settings that the TOML in `text` gives, each once. Throws InputError with
/// `name`, line and column.
std::vector<Given> read_machine_file(std::string_view text, const std::string& name);

/// The setting `key`. Throws InputError at `place`, with a hint, if there is none.
const Parameter& require_parameter(std::string_view key, const std::string& place);

}  // namespace eptsim::sim
