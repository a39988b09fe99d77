#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sim/run/simulation.hpp"

/// What is measured, each statistic declared once. stats.json, its units and the reference page
/// come from this table.
namespace eptsim::sim {

/// Keeps keys in the order in which they were added.
using Json = nlohmann::ordered_json;

struct Statistic {
  /// A member of the objects that a list holds, or a count of several things.
  struct Member {
    std::string name;
    std::string_view unit;
    std::string help = {};  ///< one line; may be empty where the name says all
  };

  std::string key;        ///< "tlb.l2.hits": where it stands in `stats`
  std::string_view unit;  ///< "1", "cycle", "byte"; empty for a list, whose members have units
  std::string help;       ///< one line
  std::vector<Member> members;  ///< of a list's objects
  std::function<Json(const RunSettings&, const RunResult&)> get;
};

/// Every statistic, in the order in which they are written out.
const std::vector<Statistic>& statistics();

/// The place of "a.b.c" in nested objects, made where it isn't there.
Json& at_key(Json& root, std::string_view key);

/// The `stats` object.
Json stats_object(const RunSettings& settings, const RunResult& result);
/// The `units` object: "tlb.l2.hits": "1", and "walker.matrix[].cycles": "cycle" for what a list
/// holds.
Json units_object();

}  // namespace eptsim::sim
