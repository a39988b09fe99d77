#include "sim/report/measures.hpp"

#include <algorithm>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"

namespace eptsim::sim::report {

Measure count(const std::string& label, const char* pointer) {
  return {label, [pointer](const Run& run) {
            const std::uint64_t value = run.count(pointer);
            return Measured{grouped(value), static_cast<double>(value)};
          }};
}

Measure number(const std::string& label, const char* pointer, int decimals) {
  return {label, [pointer, decimals](const Run& run) {
            const double value = run.real(pointer);
            return Measured{grouped(value, decimals), value};
          }};
}

Measure bytes(const std::string& label, const char* pointer) {
  return {label, [pointer](const Run& run) {
            const std::uint64_t value = run.count(pointer);
            return Measured{size_text(value), static_cast<double>(value)};
          }};
}

void add_if_any(std::vector<Measure>& measures, const Runs& runs, const std::string& label,
                const char* pointer) {
  for (const Run& run : runs) {
    if (run.count(pointer) == 0) continue;
    measures.push_back(count(label, pointer));
    return;
  }
}

Html measures_table(const std::string& caption, const Runs& runs,
                    const std::vector<Measure>& measures) {
  std::vector<Table::Column> columns = {{"", false}};
  for (const Run& run : runs) columns.push_back({run.label()});
  if (runs.size() == 2) columns.push_back({"ratio"});
  Table table(caption, columns);
  for (const Measure& measure : measures) {
    std::vector<Html> cells = {measure.label};
    std::vector<double> numbers;
    for (const Run& run : runs) {
      const Measured measured = measure.of(run);
      cells.emplace_back(measured.shown);
      numbers.push_back(measured.number);
    }
    if (runs.size() == 2) cells.emplace_back(times(numbers[0], numbers[1]));
    table.row(cells);
  }
  return table.html();
}

Html look_ups(const std::string& caption, const Runs& runs,
              std::vector<Figures::LookUps> Figures::* caches) {
  Table table(caption,
              {{"", false}, {"look-ups"}, {"hits"}, {"misses"}, {"hit rate"}, {"", false}});
  bool any_asked = false;
  std::size_t most = 0;
  for (const Run& run : runs) most = std::max(most, (run.figures().*caches).size());
  for (std::size_t i = 0; i < most; ++i) {
    for (const Run& run : runs) {
      const std::vector<Figures::LookUps>& all = run.figures().*caches;
      if (i >= all.size() || all[i].accesses == 0) continue;
      const Figures::LookUps& cache = all[i];
      any_asked = true;
      table.row({cache.label + (runs.size() > 1 ? ", " + run.label() : ""), grouped(cache.accesses),
                 grouped(cache.hits), grouped(cache.misses), share(cache.hits, cache.accesses, 2),
                 small_bar(ratio(cache.hits, cache.accesses), "tlb")});
    }
  }
  return any_asked ? table.html() : Html();
}

bool any(const Runs& runs, bool (Run::*what)() const) {
  return std::ranges::any_of(runs, [what](const Run& run) { return (run.*what)(); });
}

}  // namespace eptsim::sim::report
