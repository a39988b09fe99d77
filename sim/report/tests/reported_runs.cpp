#include "sim/report/tests/reported_runs.hpp"

#include <gtest/gtest.h>

#include "sim/report/report.hpp"
#include "sim/settings/machine.hpp"

namespace eptsim::sim::report::test {

RunReport run_of(Mode mode) {
  const bool nested = mode == Mode::kNested;
  RunReport run;
  run.settings.machine = resolve_machine("plain");
  run.settings.mode = mode;
  run.settings.detail = Detail::kTranslation;
  run.settings.warmup = 1'500;
  run.machine_name = "plain";
  run.machine_changes = {"dram.cycles=80"};
  run.trace_path = "traces/some.ept";
  run.trace_format = "eptsim";
  run.trace_hash = "00112233445566778899aabbccddeeff";
  RunResult& result = run.result;
  result.accesses = 1'234'567;
  result.instructions = 2'000'000;
  result.l1d = {800'003, 700'001, 100'002};
  result.l1i = {434'571, 434'564, 7};
  result.l2 = {100'009, 90'002, 10'007};
  result.walker.walks = 10'007;
  const std::uint64_t guest_cycles = 4'050'033;
  const std::uint64_t ept_cycles = nested ? 20'010'077 : 0;
  result.walker.guest_references = 40'019;
  result.walker.ept_references = nested ? 199'001 : 0;
  result.walker.references = result.walker.guest_references + result.walker.ept_references;
  result.walker.flag_updates = 4'321;
  // A cold half and a warm one.
  result.timeline = {{617'284, 1'000'000, 30'000'007, 20'000'003, 8'000'001, 900'010, 90'001, 9'001,
                      9'003, 20'000'009},
                     {617'283, 1'000'000, 5'398'117, 4'690'121, 707'999, 334'564, 10'008, 1'006,
                      1'004, 4'060'101}};
  result.walker.guest_cycles = guest_cycles;
  result.walker.ept_cycles = ept_cycles;
  result.walker.cycles = guest_cycles + ept_cycles;
  result.walker.latency =
      nested ? std::map<std::uint64_t, std::uint64_t>{{1'911, 8'000}, {2'727, 2'007}}
             : std::map<std::uint64_t, std::uint64_t>{{404, 8'000}, {505, 2'007}};
  if (nested) {
    result.walker.references_histogram = {{5, 1}, {20, 2'111}, {24, 7'895}};
  } else {
    result.walker.references_histogram = {{3, 36}, {4, 9'971}};
  }
  for (unsigned guest = nested ? 0 : 1; guest <= 4; ++guest) {
    for (unsigned ept = 0; ept <= (nested ? 4u : 0u); ++ept) {
      if (guest == 0 && ept == 0) continue;
      const std::uint64_t distinct = 100 * guest + ept;
      result.walker.matrix.at(guest).at(ept) = {9'000 + distinct, 900'000 + distinct};
    }
  }
  result.cycles_by.translation = result.walker.cycles + 630'014;
  result.ept_violations = nested ? 2'177 : 0;
  result.cycles_by.exits = nested ? 8'708'000 : 0;
  result.cycles_by.retiring = result.instructions;
  result.cycles = result.instructions + result.cycles_by.translation + result.cycles_by.exits;
  result.guest_page_faults = 2'137;
  result.page_bytes = 8'753'152;
  result.guest_table_bytes = 163'840;
  result.ept_table_bytes = nested ? 32'768 : 0;
  result.hot_pages = {{0x7f00'1234'5000, 31, 61'003}, {0x7f00'1234'6000, 5, 11'817}};
  result.hot_instructions = {{0x40'0287'4958, 5'507, 12'595'104}};
  return run;
}

Json document_of(Mode mode) { return stats_document(run_of(mode)); }

std::string compared(const Json& native, const Json& nested) {
  return comparison_report_html({{"native", native}, {"nested", nested}});
}

std::string nested_report() { return run_report_html(document_of(Mode::kNested)); }
std::string comparison_report() {
  return compared(document_of(Mode::kNative), document_of(Mode::kNested));
}

std::vector<NamedRun> many_runs() {
  std::vector<NamedRun> runs;
  RunReport run = run_of(Mode::kNative);
  runs.push_back({"native 4K", stats_document(run)});
  run.result.cycles /= 2;
  runs.push_back({"native 2M", stats_document(run)});
  run = run_of(Mode::kNested);
  runs.push_back({"nested 4K/4K", stats_document(run)});
  run.trace_path = "traces/other.ept";
  runs.push_back({"nested 4K/4K", stats_document(run)});
  run = run_of(Mode::kNested);
  run.result.walker.matrix[0][1].cycles = 9'000'000;
  runs.push_back({"nested 2M/4K", stats_document(run)});
  run.result.accesses -= 1;
  runs.push_back({"nested 1G/4K", stats_document(run)});
  return runs;
}

std::string unbroken(std::string text) {
  for (std::size_t at = 0; (at = text.find(' ', at)) != std::string::npos;) {
    text.replace(at, 1, "\u00a0");
  }
  return text;
}

std::vector<std::string> row(const Document& document, const std::string& heading) {
  auto rows = document.rows(heading);
  // What is a heading here may be a value there.
  if (rows.size() > 1) std::erase_if(rows, [&](const auto& cells) { return cells[0] != heading; });
  EXPECT_EQ(rows.size(), 1u) << heading;
  return rows.empty() ? std::vector<std::string>{} : rows.front();
}

}  // namespace eptsim::sim::report::test
