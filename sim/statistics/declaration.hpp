#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "sim/statistics/statistic.hpp"

/// How statistics are declared: shapes that many of them share.
namespace eptsim::sim {

/// A statistic that is a plain number of the result.
template <typename Function>
Statistic number(std::string key, std::string_view unit, std::string help, Function function) {
  return {std::move(key),
          unit,
          std::move(help),
          {},
          [function](const RunSettings&, const RunResult& result) {
            return Json(std::invoke(function, result));
          }};
}

/// `part` over `whole`; 0 of nothing.
inline double quotient(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// The share of look-ups that hit, of counters with accesses and hits that `of` finds in a result.
template <typename Of>
Statistic hit_rate(const std::string& key, const std::string& what, Of of) {
  return number(key + ".hit_rate", "1", what + ": hits over accesses", [of](const RunResult& r) {
    const auto& counted = std::invoke(of, r);
    return quotient(counted.hits, counted.accesses);
  });
}

/// The counters of one TLB or structure cache, which `of` finds in a result.
template <typename Of>
void add_cache(std::vector<Statistic>& table, const std::string& key, const std::string& what,
               Of of) {
  const auto add = [&](const std::string& name, const std::string& help,
                       std::uint64_t mmu::TlbCounters::* counter) {
    table.push_back(
        number(key + "." + name, "1", what + ": " + help,
               [of, counter](const RunResult& r) { return std::invoke(of, r).*counter; }));
  };
  add("accesses", "lookups", &mmu::TlbCounters::accesses);
  add("hits", "lookups that found what they looked for", &mmu::TlbCounters::hits);
  add("misses", "lookups that didn't", &mmu::TlbCounters::misses);
  table.push_back(hit_rate(key, what, of));
}

/// What walks met and cost: the walker, its caches, the places of a walk (walker_statistics.cpp).
void add_walker(std::vector<Statistic>& table);

}  // namespace eptsim::sim
