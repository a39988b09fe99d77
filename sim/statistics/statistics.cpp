#include <fmt/format.h>

#include <array>
#include <utility>

#include "sim/statistics/latency.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {
namespace {

using Getter = std::function<Json(const RunSettings&, const RunResult&)>;
using mmu::TlbCounters;
using mmu::WalkerCounters;

std::string hexadecimal(std::uint64_t value) { return fmt::format("{:#x}", value); }

/// A statistic that is a plain number of the result.
template <typename Function>
Statistic number(std::string key, std::string_view unit, std::string help, Function function) {
  Getter get = [function](const RunSettings&, const RunResult& result) {
    return Json(std::invoke(function, result));
  };
  return {std::move(key), unit, std::move(help), {}, std::move(get)};
}

Statistic of_walker(std::string key, std::string_view unit, std::string help,
                    std::uint64_t WalkerCounters::* counter) {
  return number("walker." + std::move(key), unit, std::move(help),
                [counter](const RunResult& result) { return result.walker.*counter; });
}

/// The counters of one TLB or structure cache, which `of` finds in a result.
template <typename Of>
void add_cache(std::vector<Statistic>& table, const std::string& key, const std::string& what,
               Of of) {
  const auto add = [&](const std::string& name, const std::string& help,
                       std::uint64_t TlbCounters::* counter) {
    table.push_back(
        number(key + "." + name, "1", what + ": " + help,
               [of, counter](const RunResult& r) { return std::invoke(of, r).*counter; }));
  };
  add("accesses", "lookups", &TlbCounters::accesses);
  add("hits", "lookups that found what they looked for", &TlbCounters::hits);
  add("misses", "lookups that didn't", &TlbCounters::misses);
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

/// Of caches that data and walks share, what each of the two did there.
void add_memory(std::vector<Statistic>& table) {
  using mmu::MemoryCacheCounters;
  struct Level {
    std::string name;
    std::string what;
  };
  const std::array<Level, 3> levels = {
      {{"l1d", "L1 data cache"}, {"l2", "L2 cache"}, {"l3", "L3 cache"}}};
  const std::array<Level, 2> origins = {{{"data", "data"}, {"walk", "walks"}}};
  for (std::size_t level = 0; level < levels.size(); ++level) {
    const std::string cache = "cache." + levels[level].name;
    const std::string what = levels[level].what;
    for (std::size_t origin = 0; origin < origins.size(); ++origin) {
      const auto add = [&](const std::string& name, const std::string& help,
                           std::uint64_t MemoryCacheCounters::* counter) {
        table.push_back(number(cache + "." + origins[origin].name + "." + name, "1",
                               what + ", " + origins[origin].what + ": " + help,
                               [level, origin, counter](const RunResult& r) {
                                 return r.caches.cache[level].by_origin[origin].*counter;
                               }));
      };
      add("accesses", "accesses", &MemoryCacheCounters::accesses);
      add("hits", "accesses that found their line", &MemoryCacheCounters::hits);
      add("misses", "accesses that didn't", &MemoryCacheCounters::misses);
      add("merged", "of the misses, those whose line was on its way already",
          &MemoryCacheCounters::merged);
      add("writebacks", "dirty lines that they made leave", &MemoryCacheCounters::writebacks);
    }
    table.push_back(
        number(cache + ".invalidations", "1",
               what + ": lines removed because another core, or a walk beside it, wrote them",
               [level](const RunResult& r) { return r.caches.cache[level].invalidations; }));
  }
  const auto add = [&](const std::string& name, const std::string& help,
                       std::uint64_t mmu::DramCounters::* counter) {
    table.push_back(number("dram." + name, "1", help,
                           [counter](const RunResult& r) { return r.caches.dram.*counter; }));
  };
  add("reads", "lines read from DRAM", &mmu::DramCounters::reads);
  add("writes", "lines written to DRAM", &mmu::DramCounters::writes);
  add("row_hits", "banked DRAM: accesses to the row that was open", &mmu::DramCounters::row_hits);
  add("row_misses", "banked DRAM: accesses to a bank without an open row",
      &mmu::DramCounters::row_misses);
  add("row_conflicts", "banked DRAM: accesses to a bank in which another row was open",
      &mmu::DramCounters::row_conflicts);
}

Json served_by(const mmu::LevelCounts& counts) {
  Json levels = Json::object();
  for (std::size_t level = 0; level < counts.size(); ++level) {
    levels[std::string(name(static_cast<mmu::MemoryLevel>(level)))] = counts[level];
  }
  return levels;
}

double translation_share(const RunResult& result) {
  if (result.cycles == 0) return 0.0;
  return static_cast<double>(result.cycles_by.translation) / static_cast<double>(result.cycles);
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
  add("p99", "cycles that 99 of 100 walks do not exceed", &Distribution::p99);
  add("max", "cycles of the longest walk", &Distribution::max);
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

Statistic hot_list(std::string key, std::string help, std::vector<HotSpot> RunResult::* list) {
  Getter get = [list](const RunSettings&, const RunResult& result) {
    Json spots = Json::array();
    for (const HotSpot& spot : result.*list) {
      spots.push_back({{"address", hexadecimal(spot.address)},
                       {"walks", spot.walks},
                       {"walk_cycles", spot.walk_cycles}});
    }
    return spots;
  };
  return {std::move(key),
          "",
          std::move(help),
          {{"walks", "1"}, {"walk_cycles", "cycle"}},
          std::move(get)};
}

/// The invalidation that software owed when the access was made.
std::string owed_by(const StaleAccess& stale) {
  if (stale.use.in_ept) {
    return fmt::format("INVEPT of EPTP {:#x}, for guest-physical {:#x}", stale.eptp, stale.use.gpa);
  }
  return fmt::format("INVLPG of {:#x}, or INVPCID or MOV CR3", stale.address);
}

Json stale_accesses(const RunSettings&, const RunResult& result) {
  Json list = Json::array();
  for (const StaleAccess& stale : result.stale.first) {
    const mmu::Outcome& memory = stale.use.memory;
    list.push_back(
        {{"number", stale.number},
         {"address", hexadecimal(stale.address)},
         {"access", arch::name(stale.kind)},
         {"tlb", hexadecimal(stale.use.hpa)},
         {"memory", memory.kind == mmu::OutcomeKind::kTranslated ? hexadecimal(memory.hpa)
                                                                 : std::string(name(memory.kind))},
         {"table", stale.use.in_ept ? "ept" : "guest"},
         {"change", name(stale.use.change)},
         {"owed", owed_by(stale)}});
  }
  return list;
}

void add_stale(std::vector<Statistic>& table) {
  const auto add = [&](const std::string& key, const std::string& help, auto function) {
    table.push_back(number("stale." + key, "1", help, function));
  };
  add("uses",
      "accesses that a TLB or a walk through structure caches translated otherwise than memory "
      "says; 0 without stale_check",
      [](const RunResult& r) { return r.stale.guest + r.stale.ept; });
  add("guest", "of them, after a change of the guest's tables",
      [](const RunResult& r) { return r.stale.guest; });
  add("ept", "of them, after a change of the EPT", [](const RunResult& r) { return r.stale.ept; });
  table.push_back(
      {"stale.first",
       "",
       "the first of them: what the caches said, what memory says, and the invalidation "
       "that was owed",
       {{"number", "1"}},
       stale_accesses});
}

void add_mapped(std::vector<Statistic>& table, const std::string& key, const std::string& what,
                MappedBytes RunResult::* mapped) {
  constexpr std::array kSizes = {std::pair{"4k", arch::PageSize::k4K},
                                 std::pair{"2m", arch::PageSize::k2M},
                                 std::pair{"1g", arch::PageSize::k1G}};
  for (const auto& [name, size] : kSizes) {
    table.push_back(
        number(key + "." + name, "byte",
               fmt::format("bytes mapped by {} in pages of {} at the end", what, arch::name(size)),
               [mapped, size = size](const RunResult& r) { return (r.*mapped)[size]; }));
  }
}

std::vector<Statistic> make_statistics() {
  std::vector<Statistic> table;
  table.push_back(number("accesses", "1", "accesses translated; two for one across a page boundary",
                         &RunResult::accesses));
  table.push_back(number("instructions", "1", "instructions begun, as the trace tells",
                         &RunResult::instructions));
  table.push_back(number("cycles", "cycle", "time, all told", &RunResult::cycles));
  table.push_back(
      number("translation_cycles", "cycle",
             "cycles that the core lost to TLB levels and walks, VM exits not included; "
             "cycles_by.translation",
             [](const RunResult& r) { return r.cycles_by.translation; }));
  table.push_back(
      number("translation_share", "1", "translation_cycles over cycles", translation_share));

  const auto add_class = [&](const std::string& key, const std::string& help,
                             std::uint64_t CycleClasses::* cycles) {
    table.push_back(number("cycles_by." + key, "cycle", help,
                           [cycles](const RunResult& r) { return r.cycles_by.*cycles; }));
  };
  add_class("retiring", "cycles in which instructions retired", &CycleClasses::retiring);
  add_class("data", "no instruction retired: the oldest waited for data", &CycleClasses::data);
  add_class("translation", "the oldest waited for its translation, or to be fetched for one",
            &CycleClasses::translation);
  add_class("exits", "VM exits, entries and the hypervisor's handler", &CycleClasses::exits);
  add_class("other", "none of these: the window had nothing that could retire yet",
            &CycleClasses::other);
  table.push_back(number("core.replayed", "1",
                         "accesses that had begun and began anew, for one before them had faulted",
                         &RunResult::replayed));

  add_cache(table, "tlb.l1d", "first-level data TLB", &RunResult::l1d);
  add_cache(table, "tlb.l1i", "first-level instruction TLB", &RunResult::l1i);
  add_cache(table, "tlb.l2", "second-level TLB", &RunResult::l2);
  add_structure_caches(table);

  table.push_back(
      of_walker("walks", "1", "page walks, those that faulted included", &WalkerCounters::walks));
  table.push_back(of_walker("references", "1", "reads of paging-structure entries",
                            &WalkerCounters::references));
  table.push_back(of_walker("guest_references", "1", "of them, guest entries",
                            &WalkerCounters::guest_references));
  table.push_back(
      of_walker("ept_references", "1", "of them, EPT entries", &WalkerCounters::ept_references));
  table.push_back(of_walker("flag_updates", "1",
                            "compare-and-swaps that set accessed and dirty flags",
                            &WalkerCounters::flag_updates));
  table.push_back(of_walker("cycles", "cycle", "cycles of all walks", &WalkerCounters::cycles));
  table.push_back(of_walker("guest_cycles", "cycle", "of them, waiting for memory at guest entries",
                            &WalkerCounters::guest_cycles));
  table.push_back(of_walker("ept_cycles", "cycle", "of them, waiting for memory at EPT entries",
                            &WalkerCounters::ept_cycles));
  add_latency(table);
  table.push_back(number("walker.merged", "1",
                         "misses of a page whose walk was under way, and that shared it",
                         [](const RunResult& r) { return r.walk_queue.merged; }));
  table.push_back(number(
      "walker.queue.mean", "1", "walks waiting or in flight, on average over all cycles",
      [](const RunResult& r) {
        return r.cycles == 0
                   ? 0.0
                   : static_cast<double>(r.walk_queue.cycles) / static_cast<double>(r.cycles);
      }));
  table.push_back(number("walker.queue.most", "1", "walks waiting or in flight at a time, the most",
                         [](const RunResult& r) { return r.walk_queue.most; }));
  table.push_back({"walker.references_histogram",
                   "1",
                   "walks by the number of their references",
                   {},
                   references_histogram});
  for (std::size_t level = 0; level < mmu::kMemoryLevels; ++level) {
    const auto at = static_cast<mmu::MemoryLevel>(level);
    const std::string_view what = at == mmu::MemoryLevel::kL1d  ? "the L1 data cache"
                                  : at == mmu::MemoryLevel::kL2 ? "the L2 cache"
                                  : at == mmu::MemoryLevel::kL3 ? "the L3 cache"
                                                                : "DRAM";
    table.push_back(number("walker.served_by." + std::string(name(at)), "1",
                           fmt::format("references that {} served", what),
                           [level](const RunResult& r) { return r.walker.served_by[level]; }));
  }
  table.push_back({"walker.matrix",
                   "",
                   "the places of a walk; guest_level 0 is the data's address, ept_level 0 the "
                   "guest entry itself",
                   {{"references", "1"}, {"cycles", "cycle"}, {"served_by", "1"}},
                   matrix});
  add_memory(table);

  table.push_back(number("vmx.exits.ept_violation", "1", "VM exits for EPT violations",
                         &RunResult::ept_violations));
  table.push_back(number("vmx.exits.ept_misconfig", "1", "VM exits for EPT misconfigurations",
                         &RunResult::ept_misconfigurations));
  const auto add_shadow_exit = [&](const std::string& key, const std::string& what,
                                   std::uint64_t ShadowExits::* count) {
    table.push_back(number("vmx.exits." + key, "1", "VM exits of shadow paging for " + what,
                           [count](const RunResult& r) { return r.shadow_exits.*count; }));
  };
  add_shadow_exit("page_fault", "page faults: the guest's own, and shadow entries not made yet",
                  &ShadowExits::page_faults);
  add_shadow_exit("guest_table_write", "stores to the guest's write-protected tables",
                  &ShadowExits::guest_table_writes);
  add_shadow_exit("cr_access", "MOV to CR3 and CR4", &ShadowExits::cr_accesses);
  add_shadow_exit("invlpg", "INVLPG and INVPCID", &ShadowExits::invlpgs);
  table.push_back(number("vmx.exit_cycles", "cycle",
                         "cycles of VM exits, entries and the hypervisor's handler",
                         [](const RunResult& r) { return r.cycles_by.exits; }));
  table.push_back(number("hypervisor.write_protections", "1",
                         "times that the hypervisor write-protected all pages",
                         &RunResult::write_protections));
  table.push_back(number("hypervisor.protected_writes", "1",
                         "EPT violations by writes to write-protected pages",
                         &RunResult::protected_writes));
  table.push_back(number("hypervisor.no_large_frame", "1",
                         "times that its pages became smaller because no frame was large enough, "
                         "warm-up included",
                         &RunResult::host_no_large_frame));
  table.push_back(number("guest.page_faults", "1", "page faults served by the guest's system",
                         &RunResult::guest_page_faults));
  table.push_back(number("guest.no_large_frame", "1",
                         "times that its pages became smaller because no frame was large enough, "
                         "warm-up included",
                         &RunResult::guest_no_large_frame));
  table.push_back(number("memory.page_bytes", "byte", "the program's pages at the end",
                         &RunResult::page_bytes));
  add_mapped(table, "memory.guest_mapped", "the guest's tables", &RunResult::guest_mapped);
  add_mapped(table, "memory.ept_mapped", "the EPT", &RunResult::ept_mapped);
  add_mapped(table, "memory.shadow_mapped", "shadow tables", &RunResult::shadow_mapped);
  table.push_back(number("memory.guest_table_bytes", "byte", "guest paging structures at the end",
                         &RunResult::guest_table_bytes));
  table.push_back(number("memory.ept_table_bytes", "byte", "extended page tables at the end",
                         &RunResult::ept_table_bytes));
  table.push_back(number("memory.shadow_table_bytes", "byte", "shadow tables at the end",
                         &RunResult::shadow_table_bytes));
  table.push_back(number("memory.host_map_bytes", "byte",
                         "with shadow paging, the hypervisor's map of the guest's memory, which "
                         "hardware doesn't walk, at the end",
                         &RunResult::host_map_bytes));
  add_stale(table);
  table.push_back(
      hot_list("hot.pages", "4 KiB pages whose walks cost most cycles", &RunResult::hot_pages));
  table.push_back(hot_list("hot.instructions", "instructions whose walks cost most cycles",
                           &RunResult::hot_instructions));
  return table;
}

}  // namespace

const std::vector<Statistic>& statistics() {
  static const std::vector<Statistic> table = make_statistics();
  return table;
}

Json& at_key(Json& root, std::string_view key) {
  Json* node = &root;
  while (true) {
    const std::size_t dot = key.find('.');
    node = &(*node)[std::string(key.substr(0, dot))];
    if (dot == std::string_view::npos) return *node;
    key.remove_prefix(dot + 1);
  }
}

Json stats_object(const RunSettings& settings, const RunResult& result) {
  Json stats = Json::object();
  for (const Statistic& statistic : statistics()) {
    at_key(stats, statistic.key) = statistic.get(settings, result);
  }
  return stats;
}

Json units_object() {
  Json units = Json::object();
  for (const Statistic& statistic : statistics()) {
    if (!statistic.unit.empty()) units[statistic.key] = statistic.unit;
    for (const Statistic::Member& member : statistic.members) {
      units[statistic.key + "[]." + member.name] = member.unit;
    }
  }
  return units;
}

}  // namespace eptsim::sim
