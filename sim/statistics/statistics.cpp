#include <fmt/format.h>

#include <array>
#include <utility>

#include "sim/statistics/declaration.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {
namespace {

using Getter = std::function<Json(const RunSettings&, const RunResult&)>;

std::string hexadecimal(std::uint64_t value) { return fmt::format("{:#x}", value); }

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
      table.push_back(hit_rate(cache + "." + origins[origin].name,
                               what + ", " + origins[origin].what,
                               [level, origin](const RunResult& r) -> const MemoryCacheCounters& {
                                 return r.caches.cache[level].by_origin[origin];
                               }));
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

void add_sampling(std::vector<Statistic>& table) {
  const auto add = [&](const std::string& key, const std::string& help, auto member) {
    table.push_back(number("sampling." + key, "1", help,
                           [member](const RunResult& r) { return r.sampling.*member; }));
  };
  add("windows", "parts of the run that times are estimated from; 0: nothing is estimated",
      &SamplingResult::windows);
  add("measured_accesses", "accesses in them", &SamplingResult::measured_accesses);
  add("touched_accesses",
      "accesses too far from a window for more than their faults; 0: counts are the whole run's, "
      "otherwise those of look-ups, walks, caches and DRAM are estimates",
      &SamplingResult::touched_accesses);
  add("detailed_walks", "walks whose cycles are known, in windows and beside them",
      &SamplingResult::detailed_walks);
  add("cycles_error", "half the 95 % confidence interval of cycles, over cycles",
      &SamplingResult::cycles_error);
  add("translation_cycles_error",
      "half the 95 % confidence interval of translation_cycles, over them",
      &SamplingResult::translation_cycles_error);
  add("translation_share_error", "half the 95 % confidence interval of translation_share",
      &SamplingResult::translation_share_error);
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

void add_tlb(std::vector<Statistic>& table, const std::string& name, const std::string& what,
             mmu::TlbCounters RunResult::* tlb) {
  add_cache(table, "tlb." + name, what, tlb);
  table.push_back(number(
      "tlb." + name + ".mpki", "1", what + ": misses per thousand instructions",
      [tlb](const RunResult& r) { return 1000 * quotient((r.*tlb).misses, r.instructions); }));
}

struct TimelineColumn {
  const char* name;
  std::string_view unit;
  const char* help;
  std::uint64_t Interval::* value;
};
constexpr std::array kTimeline = {
    TimelineColumn{"accesses", "1", "as many in each interval, the last one's may be fewer",
                   &Interval::accesses},
    TimelineColumn{"instructions", "1", "", &Interval::instructions},
    TimelineColumn{"cycles", "cycle", "of all cores", &Interval::cycles},
    TimelineColumn{"translation_cycles", "cycle", "", &Interval::translation_cycles},
    TimelineColumn{"exit_cycles", "cycle", "", &Interval::exit_cycles},
    TimelineColumn{"lookups", "1", "in the first-level TLBs, data and instructions",
                   &Interval::lookups},
    TimelineColumn{"first_level_misses", "1", "of them, misses", &Interval::first_level_misses},
    TimelineColumn{"tlb_misses", "1", "of them, misses of every TLB level", &Interval::tlb_misses},
    TimelineColumn{"walks", "1", "", &Interval::walks},
    TimelineColumn{"walk_cycles", "cycle", "cycles of the walks that ended",
                   &Interval::walk_cycles}};

Statistic timeline() {
  std::vector<Statistic::Member> members;
  for (const TimelineColumn& column : kTimeline) {
    members.push_back({column.name, column.unit, column.help});
  }
  return {"timeline", "",
          "the run, cut into at most 200 intervals of equally many accesses of each core; each "
          "member sums to what all cores have",
          std::move(members), [](const RunSettings&, const RunResult& result) {
            Json list = Json::array();
            for (const Interval& interval : result.timeline) {
              Json object = Json::object();
              for (const TimelineColumn& column : kTimeline) {
                object[column.name] = interval.*column.value;
              }
              list.push_back(std::move(object));
            }
            return list;
          }};
}

/// What each core did, in short.
void add_cores(std::vector<Statistic>& table) {
  struct Member {
    const char* key;
    const char* unit;
    std::uint64_t CoreResult::* value;
  };
  static constexpr std::array kMembers = {
      Member{"accesses", "1", &CoreResult::accesses},
      Member{"instructions", "1", &CoreResult::instructions},
      Member{"cycles", "cycle", &CoreResult::cycles},
      Member{"l1_misses", "1", &CoreResult::l1_misses},
      Member{"l2_misses", "1", &CoreResult::l2_misses},
      Member{"walks", "1", &CoreResult::walks},
      Member{"walk_cycles", "cycle", &CoreResult::walk_cycles},
      Member{"exits", "1", &CoreResult::exits},
  };
  Statistic cores{
      "cores", "", "each core in short: misses are of TLBs, exits of all reasons", {}, {}};
  for (const Member& member : kMembers) cores.members.push_back({member.key, member.unit, {}});
  cores.members.push_back({"cycles_by", "cycle", {}});
  cores.get = [](const RunSettings&, const RunResult& result) {
    Json list = Json::array();
    for (const CoreResult& core : result.cores) {
      Json& object = list.emplace_back(Json::object());
      for (const Member& member : kMembers) object[member.key] = core.*member.value;
      const CycleClasses& by = core.cycles_by;
      object["cycles_by"] = {{"retiring", by.retiring},
                             {"data", by.data},
                             {"translation", by.translation},
                             {"exits", by.exits},
                             {"other", by.other}};
    }
    return list;
  };
  table.push_back(std::move(cores));
}

/// What dirty logging came to: all of it, and round by round.
void add_dirty_log(std::vector<Statistic>& table) {
  const auto add = [&](const std::string& key, std::string_view unit, const std::string& help,
                       std::uint64_t DirtyLogCounts::* count) {
    table.push_back(number("hypervisor.dirty_log." + key, unit, help,
                           [count](const RunResult& r) { return r.dirty_log.*count; }));
  };
  add("rounds", "1", "rounds of dirty logging that were collected", &DirtyLogCounts::rounds);
  add("pages", "1", "pages of 4 KiB that they found dirty, the guest's tables included",
      &DirtyLogCounts::pages);
  table.push_back(
      number("hypervisor.dirty_log.pages_per_round", "1", "pages over rounds",
             [](const RunResult& r) { return quotient(r.dirty_log.pages, r.dirty_log.rounds); }));
  add("protected_writes", "1", "EPT violations by writes to write-protected pages",
      &DirtyLogCounts::protected_writes);
  add("logged", "1", "entries of page-modification logs that the hypervisor drained",
      &DirtyLogCounts::logged);
  add("entries", "1", "entries of EPTs that it visited", &DirtyLogCounts::entries);
  add("splits", "1", "large pages divided into 512", &DirtyLogCounts::splits);
  add("merges", "1", "and such made again", &DirtyLogCounts::merges);
  add("cycles", "cycle",
      "of all cores, for all that: exits, the hypervisor's work, and waiting for other cores; of "
      "the class exits",
      &DirtyLogCounts::cycles);
  table.push_back({"hypervisor.dirty_log.by_round",
                   "",
                   "each round that was collected",
                   {{"vm", "1", "which machine, as the trace numbers it"},
                    {"pages", "1", "dirty pages of 4 KiB"},
                    {"cycles", "cycle", "that the core which collected it spent on that"}},
                   [](const RunSettings&, const RunResult& result) {
                     Json list = Json::array();
                     for (const DirtyRound& round : result.dirty_rounds) {
                       list.push_back(
                           {{"vm", round.vm}, {"pages", round.pages}, {"cycles", round.cycles}});
                     }
                     return list;
                   }});
}

/// What merging of small pages came to, by the guest's system or the hypervisor.
void add_merging(std::vector<Statistic>& table, const std::string& whose,
                 MergeCounts RunResult::* merging) {
  const auto add = [&](const std::string& key, std::string_view unit, const std::string& help,
                       std::uint64_t MergeCounts::* count) {
    table.push_back(number(whose + ".merging." + key, unit, help,
                           [merging, count](const RunResult& r) { return r.*merging.*count; }));
  };
  add("merges", "1", "large pages made of small ones", &MergeCounts::merges);
  add("pages", "1", "small pages that went into them", &MergeCounts::pages);
  add("refused", "1", "times that no large frame was to be had", &MergeCounts::refused);
  add("cycles", "cycle",
      "of the core that did it, exits and waiting for others included; of the class exits",
      &MergeCounts::cycles);
}

std::vector<Statistic> make_statistics() {
  std::vector<Statistic> table;
  table.push_back(number("accesses", "1", "accesses translated; two for one across a page boundary",
                         &RunResult::accesses));
  table.push_back(number("instructions", "1", "instructions begun, as the trace tells",
                         &RunResult::instructions));
  table.push_back(number("cycles", "cycle", "time, all told: of the core that ran longest",
                         &RunResult::cycles));
  table.push_back(number("core_cycles", "cycle", "cycles of all cores; the sum of cycles_by",
                         [](const RunResult& r) { return r.cycles_by.sum(); }));
  table.push_back(
      number("translation_cycles", "cycle",
             "cycles that the core lost to TLB levels and walks, VM exits not included; "
             "cycles_by.translation",
             [](const RunResult& r) { return r.cycles_by.translation; }));
  table.push_back(number(
      "translation_share", "1", "translation_cycles over core_cycles",
      [](const RunResult& r) { return quotient(r.cycles_by.translation, r.cycles_by.sum()); }));

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

  add_tlb(table, "l1d", "first-level data TLB", &RunResult::l1d);
  add_tlb(table, "l1i", "first-level instruction TLB", &RunResult::l1i);
  add_tlb(table, "l2", "second-level TLB", &RunResult::l2);
  table.push_back(number("tlb.replayed", "1",
                         "lookups by accesses that had been looked up before a fault, in no other "
                         "count of TLBs: an access counts once",
                         &RunResult::replayed_lookups));
  add_walker(table);
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
  const auto add_exits = [&](const std::string& key, const std::string& help,
                             std::uint64_t CoreExits::* exits) {
    table.push_back(number("vmx.exits." + key, "1", "VM exits " + help,
                           [exits](const RunResult& r) { return r.exits.*exits; }));
  };
  const auto add_logging_exits = [&](const std::string& key, const std::string& help,
                                     std::uint64_t DirtyLogCounts::* exits) {
    table.push_back(number("vmx.exits." + key, "1", "VM exits " + help,
                           [exits](const RunResult& r) { return r.dirty_log.*exits; }));
  };
  add_logging_exits("pml_full", "because the page-modification log was full",
                    &DirtyLogCounts::full_logs);
  add_logging_exits("dirty_log", "to begin dirty logging, or to collect a round of it",
                    &DirtyLogCounts::turns);
  add_exits("external_interrupt",
            "of vCPUs that others had translations forgotten by, or logs drained",
            &CoreExits::external_interrupt);
  add_exits("apic_write", "to interrupt other vCPUs of the guest", &CoreExits::apic_write);
  add_exits("preemption_timer", "because a time slice was over", &CoreExits::preemption_timer);
  add_exits("vcpu_switch", "because the trace had another vCPU, or was at its end",
            &CoreExits::vcpu_switch);
  add_exits("merge", "to have the hypervisor merge small pages", &CoreExits::merge);
  table.push_back(number("vmx.exit_cycles", "cycle",
                         "cycles of VM exits, entries and the hypervisor's handler",
                         [](const RunResult& r) { return r.cycles_by.exits; }));
  add_dirty_log(table);
  table.push_back(number("hypervisor.no_large_frame", "1",
                         "times that its pages became smaller because no frame was large enough, "
                         "warm-up included",
                         &RunResult::host_no_large_frame));
  add_merging(table, "hypervisor", &RunResult::hypervisor_merging);
  const auto add_shootdowns = [&](const std::string& key, std::string_view unit,
                                  const std::string& help, std::uint64_t Shootdowns::* count) {
    table.push_back(
        number(key, unit, help, [count](const RunResult& r) { return r.shootdowns.*count; }));
  };
  add_shootdowns("hypervisor.shootdowns", "1",
                 "times that other cores were interrupted for a change of an EPT",
                 &Shootdowns::of_hypervisor);
  add_shootdowns("guest.shootdowns", "1",
                 "times that other cores were interrupted for a change of a guest's tables",
                 &Shootdowns::of_guest);
  add_shootdowns("core.interrupts", "1", "cores interrupted for shootdowns",
                 &Shootdowns::interrupts);
  add_shootdowns("core.shootdown_cycles", "cycle",
                 "cycles that cores waited for the answers; of the class exits",
                 &Shootdowns::cycles);
  table.push_back(number("guest.page_faults", "1", "page faults served by the guest's system",
                         &RunResult::guest_page_faults));
  table.push_back(number("guest.no_large_frame", "1",
                         "times that its pages became smaller because no frame was large enough, "
                         "warm-up included",
                         &RunResult::guest_no_large_frame));
  add_merging(table, "guest", &RunResult::guest_merging);
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
  add_sampling(table);
  add_stale(table);
  table.push_back(timeline());
  add_cores(table);
  table.push_back(
      hot_list("hot.pages", "4 KiB pages whose walks cost most cycles", &RunResult::hot_pages));
  table.push_back(hot_list("hot.instructions", "instructions whose walks cost most cycles",
                           &RunResult::hot_instructions));
  table.push_back(number("hot.forgotten.pages", "cycle",
                         "walk cycles of pages that were forgotten, for a run remembers those that "
                         "cost most: so much at most the list lacks",
                         &RunResult::forgotten_page_cycles));
  table.push_back(number("hot.forgotten.instructions", "cycle", "the same of instructions",
                         &RunResult::forgotten_instruction_cycles));
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
