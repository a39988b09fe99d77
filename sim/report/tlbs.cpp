#include "sim/report/sections.hpp"

#include "sim/output/style.hpp"
#include "sim/report/measures.hpp"
#include "sim/report/numbers.hpp"

namespace eptsim::sim::report {

Html translations(const Runs& runs) {
  struct Level {
    const char* name;
    const char* label;
  };
  Table table("Look-ups in each TLB", {{"TLB", false},
                                       {"look-ups"},
                                       {"hits"},
                                       {"misses"},
                                       {"misses per 1,000 instructions"},
                                       {"hit rate"},
                                       {"", false}});
  for (const Level level : {Level{"l1d", "first level, data"},
                            {"l1i", "first level, instructions"},
                            {"l2", "second level"}}) {
    for (const Run& run : runs) {
      const Json& tlb = run.document().at("stats").at("tlb").at(level.name);
      const auto number = [&tlb](const char* key) { return tlb.at(key).get<std::uint64_t>(); };
      const std::uint64_t accesses = number("accesses");
      table.row({std::string(level.label) + (runs.size() > 1 ? ", " + run.label() : ""),
                 grouped(accesses), grouped(number("hits")), grouped(number("misses")),
                 grouped(tlb.at("mpki").get<double>(), 2), share(number("hits"), accesses, 2),
                 small_bar(ratio(number("hits"), accesses), "tlb")});
    }
  }
  return section(
      "The TLBs",
      table.html() + element("p", {{"class", "remark"}},
                             "A fault that is served begins the instruction anew, so an access may "
                             "look up more than once."));
}

}  // namespace eptsim::sim::report
