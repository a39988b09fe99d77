#include <fmt/format.h>

#include <array>

#include "sim/statistics/declaration.hpp"
#include "sim/statistics/latency.hpp"

namespace eptsim::sim {
namespace {

using mmu::WalkerCounters;

Statistic of_walker(std::string key, std::string_view unit, std::string help,
                    std::uint64_t WalkerCounters::* counter) {
  return number("walker." + std::move(key), unit, std::move(help),
                [counter](const RunResult& result) { return result.walker.*counter; });
}

/// Lookups go from the PDE up, and no further once one has hit.
void add_structure_caches(std::vector<Statistic>& table) {
  struct Array {
    std::string name;
    std::size_t level;
    std::string entry;
  };
  const std::array<Array, 3> arrays = {
      {{"pml4e", 4, "PML4E"}, {"pdpte", 3, "PDPTE"}, {"pde", 2, "PDE"}}};
  const auto add = [&](const std::string& group, const std::string& what, auto caches) {
    for (const auto& [name, level, entry] : arrays) {
      add_cache(table, group + "." + name, what + " of " + entry + "s",
                [caches, level](const RunResult& r) { return (r.walker.*caches)[level]; });
    }
  };
  add("psc", "paging-structure cache", &WalkerCounters::combined);
  add("ept_psc", "EPT paging-structure cache", &WalkerCounters::ept);
  add_cache(table, "nested_tlb", "nested TLB",
            [](const RunResult& r) { return r.walker.nested_tlb; });
}

Json served_by(const mmu::LevelCounts& counts) {
  Json levels = Json::object();
  for (std::size_t level = 0; level < counts.size(); ++level) {
    levels[std::string(name(static_cast<mmu::MemoryLevel>(level)))] = counts[level];
  }
  return levels;
}

/// References to guest entries, or to EPT entries, by the level that served them.
mmu::LevelCounts served_at(const RunResult& result, bool guest) {
  mmu::LevelCounts sum{};
  for (const auto& row : result.walker.matrix) {
    for (std::size_t ept = 0; ept < row.size(); ++ept) {
      if ((ept == 0) != guest) continue;
      for (std::size_t level = 0; level < sum.size(); ++level) {
        sum[level] += row[ept].served_by[level];
      }
    }
  }
  return sum;
}

/// `help` has the level's name at {}.
template <typename Of>
void add_served_by(std::vector<Statistic>& table, const std::string& key, const std::string& help,
                   Of of) {
  constexpr std::array<std::string_view, mmu::kMemoryLevels> kNames = {
      "the L1 data cache", "the L2 cache", "the L3 cache", "DRAM"};
  for (std::size_t level = 0; level < kNames.size(); ++level) {
    table.push_back(number(fmt::format("{}.{}", key, name(static_cast<mmu::MemoryLevel>(level))),
                           "1", fmt::format(fmt::runtime(help), kNames.at(level)),
                           [of, level](const RunResult& r) { return of(r).at(level); }));
  }
}

Json latency_histogram(const RunSettings&, const RunResult& result) {
  Json list = Json::array();
  for (const LatencyBin& bin : bins_of(result.walker.latency)) {
    list.push_back({{"from", bin.first}, {"to", bin.last}, {"walks", bin.walks}});
  }
  return list;
}

void add_latency(std::vector<Statistic>& table) {
  const auto add = [&](const std::string& key, const std::string& help,
                       auto Distribution::* member) {
    table.push_back(number("walker.latency." + key, "cycle", help, [member](const RunResult& r) {
      return distribution_of(r.walker.latency).*member;
    }));
  };
  add("mean", "cycles of a walk, the mean", &Distribution::mean);
  add("p50", "cycles that half of the walks do not exceed", &Distribution::p50);
  add("p90", "cycles that 90 of 100 walks do not exceed", &Distribution::p90);
  add("p99", "cycles that 99 of 100 walks do not exceed", &Distribution::p99);
  add("max", "cycles of the longest walk", &Distribution::max);
  table.push_back({"walker.latency.histogram",
                   "",
                   "walks by their cycles, from the shortest to the longest; one bin a cycle below "
                   "8, four to each doubling above",
                   {{"from", "cycle", "the fewest of this bin"},
                    {"to", "cycle", "the most of this bin"},
                    {"walks", "1", "that took so many"}},
                   latency_histogram});
}

Json references_histogram(const RunSettings&, const RunResult& result) {
  Json histogram = Json::object();
  for (const auto& [references, walks] : result.walker.references_histogram) {
    histogram[std::to_string(references)] = walks;
  }
  return histogram;
}

/// The places of a walk, in the order in which it comes to them: guest level 4 to 0, for each the
/// EPT levels 4 to 1 and then the guest entry. Level 5 only where there is one.
Json matrix(const RunSettings& settings, const RunResult& result) {
  const auto& places = result.walker.matrix;
  std::size_t guest_levels = 4;
  std::size_t ept_levels = settings.mode == Mode::kNested ? 4 : 0;
  for (std::size_t level = 0; level < places.size(); ++level) {
    if (places.at(5).at(level).references > 0) guest_levels = 5;
    if (places.at(level).at(5).references > 0) ept_levels = 5;
  }
  Json list = Json::array();
  for (std::size_t guest = guest_levels + 1; guest-- > 0;) {
    for (std::size_t ept = ept_levels + 1; ept-- > 0;) {
      if (guest == 0 && ept == 0) continue;  // the data itself is no reference of the walk
      const mmu::PlaceCounters& place = places.at(guest).at(ept);
      list.push_back({{"guest_level", guest},
                      {"ept_level", ept},
                      {"references", place.references},
                      {"cycles", place.cycles},
                      {"served_by", served_by(place.served_by)}});
    }
  }
  return list;
}

}  // namespace

void add_walker(std::vector<Statistic>& table) {
  add_structure_caches(table);

  table.push_back(
      of_walker("walks", "1", "page walks, those that faulted included", &WalkerCounters::walks));
  table.push_back(
      number("walker.walks_per_kilo_instruction", "1", "walks per thousand instructions",
             [](const RunResult& r) { return 1000 * quotient(r.walker.walks, r.instructions); }));
  table.push_back(of_walker("references", "1", "reads of paging-structure entries",
                            &WalkerCounters::references));
  table.push_back(of_walker("guest_references", "1", "of them, guest entries",
                            &WalkerCounters::guest_references));
  table.push_back(
      of_walker("ept_references", "1", "of them, EPT entries", &WalkerCounters::ept_references));
  table.push_back(of_walker("flag_updates", "1",
                            "compare-and-swaps that set accessed and dirty flags",
                            &WalkerCounters::flag_updates));
  table.push_back(of_walker("log_restarts", "1",
                            "walks made once more, alone, for they had flags of the EPT to set "
                            "with the page-modification log on",
                            &WalkerCounters::log_restarts));
  table.push_back(of_walker("cycles", "cycle", "cycles of all walks", &WalkerCounters::cycles));
  table.push_back(of_walker("guest_cycles", "cycle", "of them, waiting for memory at guest entries",
                            &WalkerCounters::guest_cycles));
  table.push_back(of_walker("ept_cycles", "cycle", "of them, waiting for memory at EPT entries",
                            &WalkerCounters::ept_cycles));
  add_latency(table);
  table.push_back(number("walker.merged", "1",
                         "misses of a page whose walk was under way, and that shared it",
                         [](const RunResult& r) { return r.walk_queue.merged; }));
  table.push_back(
      number("walker.queue.mean", "1", "walks waiting or in flight, on average over all cycles",
             [](const RunResult& r) { return quotient(r.walk_queue.cycles, r.cycles); }));
  table.push_back(number(
      "walker.queue.cycles_per_walk", "cycle",
      "from a walk's request until its answer is used, on average: beyond walker.cycles_per_walk, "
      "it waited for a walker",
      [](const RunResult& r) { return quotient(r.walk_queue.cycles, r.walk_queue.answered); }));
  table.push_back(number("walker.queue.most", "1", "walks waiting or in flight at a time, the most",
                         [](const RunResult& r) { return r.walk_queue.most; }));
  table.push_back({"walker.references_histogram",
                   "1",
                   "walks by the number of their references",
                   {},
                   references_histogram});
  add_served_by(table, "walker.served_by", "references that {} served",
                [](const RunResult& r) { return r.walker.served_by; });
  add_served_by(table, "walker.guest_served_by", "of them, guest entries that {} served",
                [](const RunResult& r) { return served_at(r, true); });
  add_served_by(table, "walker.ept_served_by", "of them, EPT entries that {} served",
                [](const RunResult& r) { return served_at(r, false); });
  table.push_back({"walker.matrix",
                   "",
                   "the places of a walk; guest_level 0 is the data's address, ept_level 0 the "
                   "guest entry itself",
                   {{"guest_level", "1", "of the guest entry, 1 for the last table's; 0: the data"},
                    {"ept_level", "1", "of the EPT entry that translates it; 0: the entry itself"},
                    {"references", "1", "reads of this place"},
                    {"cycles", "cycle", "that memory here held up walks"},
                    {"served_by", "1", "the references by level of the memory hierarchy"}},
                   matrix});
}

}  // namespace eptsim::sim
