#include "sim/report/sections.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "sim/output/style.hpp"
#include "sim/report/measures.hpp"

namespace eptsim::sim::report {
namespace {

/// "VM exits, EPT violation": the exit reasons of stats.json in words.
std::string exit_label(const std::string& reason) {
  static const std::map<std::string, std::string> kNames = {
      {"ept_violation", "EPT violation"},
      {"ept_misconfig", "EPT misconfiguration"},
      {"pml_full", "page-modification log full"},
      {"dirty_log", "rounds of dirty logging"},
      {"merge", "merging of small pages"},
      {"cr_access", "MOV CR3"},
      {"invlpg", "INVLPG"}};
  if (const auto known = kNames.find(reason); known != kNames.end()) {
    return "VM exits, " + known->second;
  }
  std::string words = reason;
  std::ranges::replace(words, '_', ' ');
  return "VM exits, " + words;
}

/// The reasons of all runs, but for those of another kind of paging that never came.
void add_exits(std::vector<Measure>& measures, const Runs& runs) {
  std::set<std::string> told;
  for (const Run& run : runs) {
    if (!run.virtualised()) continue;
    for (const auto& [reason, exits] : run.list("/stats/vmx/exits").items()) {
      const bool of_nested_paging = reason == "ept_violation" || reason == "ept_misconfig";
      if (exits == 0 && !(run.nested() && of_nested_paging)) continue;
      if (!told.insert(reason).second) continue;
      measures.push_back({exit_label(reason), [reason](const Run& of) {
                            const auto number =
                                of.list("/stats/vmx/exits").value(reason, std::uint64_t{0});
                            return Measured{grouped(number), static_cast<double>(number)};
                          }});
    }
  }
}

}  // namespace

Html system_software(const Runs& runs) {
  std::vector<Measure> measures;
  if (any(runs, &Run::virtualised)) {
    add_exits(measures, runs);
    measures.push_back(count("cycles of VM exits", "/stats/vmx/exit_cycles"));
    add_if_any(measures, runs, "writes to pages that the hypervisor had write-protected",
               "/stats/hypervisor/dirty_log/protected_writes");
    add_if_any(measures, runs, "pages found dirty, over all rounds of dirty logging",
               "/stats/hypervisor/dirty_log/pages");
    add_if_any(measures, runs, "large pages split for dirty logging",
               "/stats/hypervisor/dirty_log/splits");
    add_if_any(measures, runs, "cycles of dirty logging, exits included",
               "/stats/hypervisor/dirty_log/cycles");
  }
  add_if_any(measures, runs, "large pages that the hypervisor made of small ones",
             "/stats/hypervisor/merging/merges");
  add_if_any(measures, runs, "large pages that the guest's system made of small ones",
             "/stats/guest/merging/merges");
  add_if_any(measures, runs, "cycles of merging by the hypervisor",
             "/stats/hypervisor/merging/cycles");
  add_if_any(measures, runs, "cycles of merging by the guest's system",
             "/stats/guest/merging/cycles");
  add_if_any(measures, runs, "stale translations used, after a change by the guest",
             "/stats/stale/guest");
  add_if_any(measures, runs, "stale translations used, after a change of the EPT",
             "/stats/stale/ept");
  measures.push_back(count("guest page faults", "/stats/guest/page_faults"));
  measures.push_back(bytes("memory: the program's pages", "/stats/memory/page_bytes"));
  measures.push_back(bytes("memory: guest tables", "/stats/memory/guest_table_bytes"));
  if (any(runs, &Run::nested)) {
    measures.push_back(bytes("memory: extended page tables", "/stats/memory/ept_table_bytes"));
  }
  return section("System software",
                 measures_table("Exits, faults and memory", runs, measures) +
                     element("p", {{"class", "remark"}},
                             "Memory is what is in use at the end, warm-up included."));
}

}  // namespace eptsim::sim::report
