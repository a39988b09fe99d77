#include "sim/cli/verify_coverage.hpp"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <utility>

#include "ept/arch/access.hpp"
#include "mmu_model/walker/configurations.hpp"

namespace eptsim::sim {

using mmu::Place;
using mmu::Reason;

namespace verify {

std::uint64_t count_of(const tb::Coverage& coverage, mmu::OutcomeKind kind) {
  return coverage.outcomes[static_cast<unsigned>(kind)];
}

std::uint64_t count_at(const tb::Coverage& coverage, Place place, std::optional<Reason> reason) {
  std::uint64_t walks = 0;
  for (unsigned rule = 1; rule < tb::kReasons; ++rule) {
    if (reason && static_cast<Reason>(rule) != *reason) continue;
    for (unsigned access = 0; access < tb::kAccesses; ++access) {
      for (const bool user : {false, true}) {
        const tb::Bin bin{place, static_cast<Reason>(rule), static_cast<arch::AccessKind>(access),
                          user};
        walks += coverage.bins[bin.index()];
      }
    }
  }
  return walks;
}

std::vector<Place> all_places() {
  std::vector<Place> places;
  for (const bool hlat : {true, false}) {
    for (std::uint8_t guest = kMostLevels; guest + !hlat > 0; --guest) {
      for (std::uint8_t ept = kMostLevels; ept > 0; --ept) places.push_back({guest, ept, hlat});
      if (guest == 0) break;
      places.push_back({guest, 0, hlat});
    }
  }
  for (std::uint8_t level = 4; level > 0; --level) places.push_back({.spp_level = level});
  return places;
}

Bins bins_of(const tb::Coverage& coverage) {
  Bins bins;
  for (unsigned index = 0; index < tb::Bin::kCount; ++index) {
    const tb::Bin bin = tb::Bin::of_index(index);
    const bool reached = coverage.bins[index] > 0;
    if (!bin.possible()) {
      if (reached) bins.impossible.push_back(bin);
      continue;
    }
    ++bins.possible;
    if (reached) {
      ++bins.reached;
    } else {
      bins.missing.push_back(bin);
    }
  }
  return bins;
}

bool has_streams(const VerifyReport& report) {
  return mmu::find_configuration(report.configuration) != nullptr;
}

bool counts_rules(const VerifyReport& report) {
  return report.configuration == "single" || !has_streams(report);
}

std::vector<tb::CoverageTable> tables_of(const VerifyReport& report) {
  const tb::Coverage& cases = report.judge.coverage();
  std::vector<tb::CoverageTable> tables;
  if (has_streams(report)) {
    const auto streams = report.streams.coverage().tables();
    tables.assign(streams.begin(), streams.end());
    tb::CoverageTable& updates = tables[tb::StreamCoverage::kFlagUpdates];
    for (std::size_t bin = 0; bin < updates.counts.size(); ++bin) {
      updates.counts[bin] += cases.flag_updates.counts[bin];
    }
  } else {
    tables.push_back(cases.flag_updates);
  }
  tables.push_back(cases.pages);
  if (counts_rules(report)) tables.push_back(cases.reserved);
  return tables;
}

std::string bin_line(const tb::Bin& bin) {
  return fmt::format("{} at {}, {}, {}", tb::name(bin.reason), tb::name(bin.place),
                     arch::name(bin.access), bin.user ? "user" : "supervisor");
}

}  // namespace verify

namespace {

/// How many ways to be refused there can't be, by the rule and what speaks against it.
std::string impossible_refusals() {
  std::map<std::pair<Reason, std::string_view>, unsigned> counts;
  for (unsigned index = 0; index < tb::Bin::kCount; ++index) {
    const tb::Bin bin = tb::Bin::of_index(index);
    if (bin.reason != Reason::kNone && !bin.possible()) ++counts[{bin.reason, bin.impossible()}];
  }
  std::string text;
  for (const auto& [key, count] : counts) {
    text += fmt::format("  refused: {}, {} bins: {}\n", tb::name(key.first), count, key.second);
  }
  return text;
}

}  // namespace

BinCounts bin_counts(const VerifyReport& report) {
  const verify::Bins bins = verify::bins_of(report.judge.coverage());
  BinCounts counts{.impossible_met = bins.impossible.size()};
  if (verify::counts_rules(report)) {
    counts.possible = bins.possible;
    counts.reached = bins.reached;
  }
  for (const tb::CoverageTable& table : verify::tables_of(report)) {
    for (std::size_t bin = 0; bin < table.counts.size(); ++bin) {
      const bool reached = table.counts[bin] != 0;
      const bool possible = table.impossible[bin].empty();
      counts.possible += possible;
      counts.reached += possible && reached;
      counts.impossible_met += !possible && reached;
    }
  }
  return counts;
}

std::string coverage_text(const VerifyReport& report) {
  const verify::Bins bins = verify::bins_of(report.judge.coverage());
  std::string unreached;
  std::string met;
  std::string impossible;
  if (verify::counts_rules(report)) {
    for (const tb::Bin& bin : bins.missing)
      unreached += "  refused: " + verify::bin_line(bin) + "\n";
  }
  for (const tb::Bin& bin : bins.impossible) {
    met += fmt::format("  refused: {}: {}\n", verify::bin_line(bin), bin.impossible());
  }
  if (verify::counts_rules(report)) impossible += impossible_refusals();
  for (const tb::CoverageTable& table : verify::tables_of(report)) {
    for (std::size_t bin = 0; bin < table.counts.size(); ++bin) {
      const std::string line = "  " + table.name + ": " + table.name_of(bin);
      if (table.impossible[bin].empty()) {
        if (table.counts[bin] == 0) unreached += line + "\n";
        continue;
      }
      (table.counts[bin] == 0 ? impossible : met) +=
          line + ": " + std::string(table.impossible[bin]) + "\n";
    }
  }
  const BinCounts counts = bin_counts(report);
  std::string text =
      fmt::format("{} of {} bins reached\n", grouped(counts.reached), grouped(counts.possible));
  if (!met.empty()) text += "\nImpossible, and yet met\n" + met;
  if (!unreached.empty()) text += "\nNot reached\n" + unreached;
  if (!impossible.empty()) text += "\nImpossible\n" + impossible;
  return text;
}

}  // namespace eptsim::sim
