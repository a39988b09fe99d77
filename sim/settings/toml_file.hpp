#pragma once

#include <toml++/toml.h>

#include <functional>
#include <string>
#include <string_view>

#include "sim/settings/parameter.hpp"

/// What files in TOML have in common, whatever they describe.
namespace eptsim::sim {

/// Throws InputError with `name`, line and column.
toml::table parse_toml(std::string_view text, const std::string& name);

/// "name:line:column" of the beginning of `source`.
std::string place_of(const std::string& name, const toml::source_region& source);

/// What a person calls a value that isn't what was expected: "a table", "an array", itself.
std::string described(const toml::node& node);

/// Calls `use` with each setting that `table` and the tables in it name, with the key and what is
/// given to it. `prefix` stands before all keys: "tlb.l2.". Throws InputError, with a hint, at a
/// key that is none.
using UseSetting =
    std::function<void(const Parameter&, const toml::key& key, const toml::node& given)>;
void for_each_setting(const toml::table& table, const std::string& name, const std::string& prefix,
                      const UseSetting& use);

}  // namespace eptsim::sim
