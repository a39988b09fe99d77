#include "sim/sweep/tests/small_sweep.hpp"

#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim::sweep::test {

SmallSweep::SmallSweep(const std::string& text, std::size_t done)
    : sweep(read_sweep(text, "s.toml", "")), grid(grid_of(sweep)), results(sweep, grid) {
  for (std::size_t i = 0; i < std::min(done, grid.rows.size()); ++i) {
    RunReport report;
    report.settings = grid.points[grid.rows[i].point].request.settings;
    report.result.accesses = 100;
    report.result.instructions = 1000;
    report.result.cycles = 1000 * (i + 1);
    report.result.cycles_by.retiring = 1000 * (i + 1);
    report.wall_seconds = 1;
    results.add(grid.rows[i].point, stats_document(report));
  }
}

}  // namespace eptsim::sim::sweep::test
