#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "sim/cli/verify_coverage.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"
#include "testbench/scoreboard/stream_text.hpp"

namespace eptsim::sim {
namespace {

using mmu::OutcomeKind;
using mmu::Place;

std::string line(std::string_view label, std::uint64_t value, std::string_view remark = "") {
  return fmt::format("  {:<22}{:>14}{}{}\n", label, grouped(value), remark.empty() ? "" : "   ",
                     remark);
}

/// A line of each that the device lacks, by name.
std::string features(const std::map<std::string, std::uint64_t>& counts, std::string_view remark) {
  std::size_t longest = 20;
  for (const auto& [feature, count] : counts) longest = std::max(longest, feature.size());
  std::string text;
  for (const auto& [feature, count] : counts) {
    text += fmt::format("    {:<{}}{:>14}   {}\n", feature, longest, grouped(count), remark);
  }
  return text;
}

std::string compared_text(const VerifyReport& report) {
  const tb::Coverage& coverage = report.judge.coverage();
  const tb::Tally& tally = report.judge.tally();
  std::string text =
      line("walks", coverage.walks) +
      line("references", tally.references, "kind, level, address and value of each") +
      line("flag updates", tally.swaps,
           fmt::format("{} failed, for another had changed the entry",
                       grouped(tally.failed_swaps))) +
      line("writes", tally.writes, "address, size and value of each") +
      line("judged by the oracle", tally.oracle_walks,
           fmt::format("{} not: it knows no time in which a word changes",
                       grouped(tally.oracle_absent))) +
      line("refused before", coverage.refused, "contexts and requests, by model and oracle alike");
  if (!report.judge.has_device()) {
    return text + "  The RTL is not in this build: only model and oracle were compared.\n";
  }
  const std::string device = report.judge.device_name();
  text += line("in the " + device, tally.device_walks,
               fmt::format("{} responses", grouped(tally.responses)));
  text += features(tally.not_in_device, fmt::format("walks not in the {}", device));
  if (tally.requests != 0) {
    return text + line("memory requests", tally.requests,
                       fmt::format("of the {}, each the one that must come next", device));
  }
  return text +
         line("cycles", tally.cycles, fmt::format("in each, all that {} and model drive", device));
}

std::string streams_text(const VerifyReport& report) {
  const tb::StreamTally& tally = report.streams.tally();
  std::string text =
      line("walks", tally.walks, fmt::format("in {} streams", grouped(tally.streams))) +
      line("references", tally.references) +
      line("look-ups in caches", tally.lookups, fmt::format("{} hit", grouped(tally.hits))) +
      line("writes", tally.writes, fmt::format("{} swaps failed", grouped(tally.failed_swaps))) +
      line("stores from outside", tally.stores) + line("invalidations", tally.invalidations) +
      line("judged by the oracle", tally.judged,
           fmt::format("{} not: an invalidation was owed; {}: what they read changed in mid-walk",
                       grouped(tally.stale), grouped(tally.overtaken)));
  if (!report.streams.device_name().empty()) {
    text += line("walked by the RTL too", tally.device_walks);
    text += features(tally.not_in_device, "streams not in the RTL");
    text += line("cycles", tally.cycles, "in each, all that RTL and model drive");
  }
  text += fmt::format("  {:<22}", "walks in flight");
  for (std::size_t walks = 1; walks < tally.in_flight.size(); ++walks) {
    text += fmt::format(
        "   {}: {}", walks,
        percent(static_cast<double>(tally.in_flight[walks]), static_cast<double>(tally.walks), 1));
  }
  return text + "\n";
}

std::string outcomes_text(const tb::Coverage& coverage) {
  std::string text;
  for (const OutcomeKind kind : verify::kOutcomes) {
    const std::uint64_t walks = verify::count_of(coverage, kind);
    text +=
        fmt::format("  {:<26}{:>12}{:>10}\n", mmu::name(kind), grouped(walks),
                    percent(static_cast<double>(walks), static_cast<double>(coverage.walks), 1));
  }
  return text;
}

/// A row for each feature that can be told, a column for each outcome.
std::string features_text(const tb::Coverage& coverage) {
  constexpr const char* kHeads[] = {"translated", "#PF", "violation", "misconfig",
                                    "PML full",   "SPP", "#VE",       "#GP"};
  std::string text = fmt::format("  {:<26}{:>9}", "", "walks");
  for (const char* const head : kHeads) text += fmt::format("{:>11}", head);
  text += '\n';
  for (const tb::FeatureFact& fact : tb::kFeatures) {
    const auto& counts = coverage.features[static_cast<unsigned>(fact.feature)];
    std::uint64_t walks = 0;
    for (const std::uint64_t count : counts) walks += count;
    if (walks == 0) continue;
    text += fmt::format("  {:<26}{:>9}", fact.name, grouped(walks));
    for (const std::uint64_t count : counts) text += fmt::format("{:>11}", grouped(count));
    text += '\n';
  }
  const tb::Coverage::Deeds& deeds = coverage.deeds;
  return text +
         line("HLAT walks", deeds.hlat_walks,
              fmt::format("{} restarted from CR3", grouped(deeds.hlat_restarts))) +
         line("sub-page walks", deeds.sub_page_walks,
              fmt::format("{} allowed the write", grouped(deeds.sub_page_allowed))) +
         line("pages logged", deeds.pages_logged) + line("second pages", deeds.second_pages);
}

/// How many walks were refused at each place: a row for each guest entry, a column for each EPT
/// level.
std::string places_text(const tb::Coverage& coverage) {
  std::string text = fmt::format("  {:<14}", "");
  for (unsigned ept = verify::kMostLevels; ept > 0; --ept)
    text += fmt::format("{:>9}", fmt::format("EPT L{}", ept));
  text += fmt::format("{:>9}\n", "itself");
  for (const Place place : verify::all_places()) {
    if (place.spp_level != 0) {
      text += fmt::format("  {:<14}{:>9}\n", tb::name(place),
                          grouped(verify::count_at(coverage, place)));
      continue;
    }
    const bool access = place.guest_level == 0;
    if (place.ept_level == verify::kMostLevels) {
      const Place itself{.guest_level = place.guest_level, .hlat = place.hlat};
      text += fmt::format("  {:<14}", access ? "the access" : tb::name(itself));
    }
    text += fmt::format("{:>9}", grouped(verify::count_at(coverage, place)));
    if (place.is_guest_entry() || (access && place.ept_level == 1)) text += '\n';
  }
  const verify::Bins bins = verify::bins_of(coverage);
  text += fmt::format("  {} of {} ways to be refused (rule, place, access, user)\n",
                      grouped(bins.reached), grouped(bins.possible));
  for (const tb::Bin& bin : bins.impossible) {
    text += "  IMPOSSIBLE, and yet met: " + verify::bin_line(bin) + "\n";
  }
  return text;
}

/// Of each table how many bins were reached.
std::string tables_text(const VerifyReport& report) {
  std::string text;
  for (const tb::CoverageTable& table : verify::tables_of(report)) {
    std::uint64_t possible = 0;
    std::uint64_t reached = 0;
    for (std::size_t bin = 0; bin < table.counts.size(); ++bin) {
      if (!table.impossible[bin].empty()) continue;
      ++possible;
      reached += table.counts[bin] != 0;
    }
    if (possible == 0) continue;
    text += fmt::format("  {:<40}{:>6} of {:>4} bins\n", table.name, reached, possible);
  }
  return text;
}

std::string planted_text(const tb::Coverage& coverage) {
  std::string text = fmt::format("  {:<34}{:>9}{:>9}\n", "", "walks", "decided");
  for (unsigned kind = 0; kind < tb::kFaultKinds; ++kind) {
    const auto& counter = coverage.planted[kind];
    text += fmt::format("  {:<34}{:>9}{:>9}\n", tb::name(static_cast<tb::FaultKind>(kind)),
                        grouped(counter.walks), grouped(counter.decided));
  }
  return text;
}

}  // namespace

std::string verify_summary(const VerifyReport& report, Style style) {
  const tb::Coverage& coverage = report.judge.coverage();
  std::string text;
  if (report.mismatch || report.stream_mismatch) {
    text += style.heading("Compared before the mismatch") + "\n" + compared_text(report) + "\n";
    if (report.mismatch) {
      return text + tb::mismatch_text(*report.mismatch, report.replay) + report.wave;
    }
    return text + streams_text(report) + "\n" +
           tb::mismatch_text(*report.stream_mismatch, report.replay) + report.wave;
  }
  text += style.heading(
              fmt::format("Cross-check{}, seed {}: no mismatch{}",
                          report.configuration == "single" ? "" : " of " + report.configuration,
                          report.seed, report.partial ? " until the interrupt" : "")) +
          "\n" + compared_text(report);
  if (verify::has_streams(report)) {
    text += "\n" + style.heading("Streams: several requests over one memory") + "\n" +
            streams_text(report);
  }
  text += "\n" + style.heading("What was met") + "\n" + tables_text(report);
  text += "\n" + style.heading("Outcomes") + "\n" + outcomes_text(coverage);
  text += "\n" + style.heading("Walks that a feature concerned, by their outcomes") + "\n" +
          features_text(coverage);
  text += "\n" + style.heading("Where walks were refused") + "\n" + places_text(coverage);
  text += "\n" + style.heading("Planted faults, and how many decided the walk") + "\n" +
          planted_text(coverage);
  return text;
}

}  // namespace eptsim::sim
