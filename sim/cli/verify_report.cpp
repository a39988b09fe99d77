#include "sim/cli/verify_report.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>
#include <vector>

#include "ept/arch/access.hpp"
#include "mmu_model/walker/configurations.hpp"
#include "sim/version.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"
#include "testbench/scoreboard/stream_text.hpp"

namespace eptsim::sim {
namespace {

using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

constexpr std::uint8_t kMostLevels = 5;

constexpr OutcomeKind kOutcomes[] = {OutcomeKind::kTranslated,
                                     OutcomeKind::kPageFault,
                                     OutcomeKind::kEptViolation,
                                     OutcomeKind::kEptMisconfiguration,
                                     OutcomeKind::kPmlFull,
                                     OutcomeKind::kSppEvent,
                                     OutcomeKind::kVirtualizationException,
                                     OutcomeKind::kGeneralProtection};
static_assert(std::size(kOutcomes) == tb::kOutcomes);

std::uint64_t count_of(const tb::Coverage& coverage, OutcomeKind kind) {
  return coverage.outcomes[static_cast<unsigned>(kind)];
}

/// Walks that were refused at `place`; of one rule, or by any.
std::uint64_t count_at(const tb::Coverage& coverage, Place place,
                       std::optional<Reason> reason = std::nullopt) {
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

/// The places of the longest walk, in its order: HLAT tables, guest tables, sub-page permissions.
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

/// How many of the ways in which a walk can be refused there were, and those of which there was
/// none.
struct Bins {
  unsigned possible = 0;
  unsigned reached = 0;
  std::vector<tb::Bin> missing;
  std::vector<tb::Bin> impossible;  ///< reached all the same
};
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

std::string bin_line(const tb::Bin& bin) {
  return fmt::format("{} at {}, {}, {}", tb::name(bin.reason), tb::name(bin.place),
                     arch::name(bin.access), bin.user ? "user" : "supervisor");
}

Json bins_array(const std::vector<tb::Bin>& bins) {
  Json array = Json::array();
  for (const tb::Bin& bin : bins) {
    array.push_back({{"place", tb::name(bin.place)},
                     {"reason", tb::name(bin.reason)},
                     {"access", arch::name(bin.access)},
                     {"user", bin.user}});
  }
  return array;
}

Json features_array(tb::Features features) {
  Json names = Json::array();
  for (const tb::FeatureFact& fact : tb::kFeatures) {
    if (features.has(fact.feature)) names.push_back(fact.name);
  }
  return names;
}

Json places_array(const tb::Coverage& coverage) {
  Json places = Json::array();
  for (const Place place : all_places()) {
    for (unsigned reason = 1; reason < tb::kReasons; ++reason) {
      const std::uint64_t walks = count_at(coverage, place, static_cast<Reason>(reason));
      if (walks == 0) continue;
      places.push_back({{"place", tb::name(place)},
                        {"reason", tb::name(static_cast<Reason>(reason))},
                        {"walks", walks}});
    }
  }
  return places;
}

/// Walks that each feature concerned, by their outcomes.
Json features_object(const tb::Coverage& coverage) {
  Json features = Json::object();
  for (const tb::FeatureFact& fact : tb::kFeatures) {
    const auto& counts = coverage.features[static_cast<unsigned>(fact.feature)];
    Json outcomes = Json::object();
    for (const OutcomeKind kind : kOutcomes) {
      const std::uint64_t walks = counts[static_cast<unsigned>(kind)];
      if (walks != 0) outcomes[std::string(mmu::name(kind))] = walks;
    }
    if (!outcomes.empty()) features[std::string(fact.name)] = outcomes;
  }
  return features;
}

Json deeds_object(const tb::Coverage::Deeds& deeds) {
  return {{"hlat_walks", deeds.hlat_walks},         {"hlat_restarts", deeds.hlat_restarts},
          {"sub_page_walks", deeds.sub_page_walks}, {"sub_page_allowed", deeds.sub_page_allowed},
          {"pages_logged", deeds.pages_logged},     {"second_pages", deeds.second_pages},
          {"pdpte_faults", deeds.pdpte_faults}};
}

Json coverage_object(const tb::Coverage& coverage) {
  Json outcomes = Json::object();
  for (const OutcomeKind kind : kOutcomes) {
    outcomes[std::string(mmu::name(kind))] = count_of(coverage, kind);
  }
  Json reasons = Json::object();
  for (unsigned reason = 1; reason < tb::kReasons; ++reason) {
    if (coverage.reasons[reason] == 0) continue;
    reasons[std::string(tb::name(static_cast<Reason>(reason)))] = coverage.reasons[reason];
  }
  Json planted = Json::object();
  for (unsigned kind = 0; kind < tb::kFaultKinds; ++kind) {
    const auto& counter = coverage.planted[kind];
    planted[std::string(tb::name(static_cast<tb::FaultKind>(kind)))] = {
        {"walks", counter.walks}, {"decided", counter.decided}};
  }
  Json pages = Json::array();
  constexpr const char* kSizes[] = {"none", "4K", "2M", "1G", "4M"};
  for (unsigned guest = 0; guest < 5; ++guest) {
    for (unsigned ept = 0; ept < 4; ++ept) {
      const std::uint64_t walks = coverage.pages.counts[coverage.pages.bin(guest, ept)];
      if (walks == 0) continue;
      pages.push_back({{"guest_page", kSizes[guest]}, {"ept_page", kSizes[ept]}, {"walks", walks}});
    }
  }
  Json references = Json::object();
  for (std::size_t count = 0; count < coverage.references.size(); ++count) {
    if (coverage.references[count] == 0) continue;
    references[std::to_string(count)] = coverage.references[count];
  }
  Json accesses = Json::array();
  for (unsigned access = 0; access < coverage.accesses.size(); ++access) {
    for (const bool user : {false, true}) {
      accesses.push_back({{"access", arch::name(static_cast<arch::AccessKind>(access))},
                          {"user", user},
                          {"walks", coverage.accesses[access][user]}});
    }
  }
  const Bins bins = bins_of(coverage);
  return {{"accesses", accesses},
          {"outcomes", outcomes},
          {"features", features_object(coverage)},
          {"deeds", deeds_object(coverage.deeds)},
          {"bins",
           {{"possible", bins.possible},
            {"reached", bins.reached},
            {"missing", bins_array(bins.missing)},
            {"impossible", bins_array(bins.impossible)}}},
          {"reasons", reasons},
          {"places", places_array(coverage)},
          {"planted_faults", planted},
          {"pages", pages},
          {"references_histogram", references}};
}

Json mismatch_object(std::string_view what, std::uint64_t number, const tb::Finding& finding,
                     const std::string& replay) {
  Json differences = Json::array();
  for (const tb::Difference& difference : finding.differences) {
    differences.push_back(
        {{"field", difference.field}, {"expected", difference.expected}, {"got", difference.got}});
  }
  return {{std::string(what), number},
          {"expected_by", finding.expected},
          {"got_from", finding.got},
          {"differences", differences},
          {"replay", replay}};
}

Json streams_object(const tb::StreamTally& tally) {
  Json absent = Json::object();
  for (const auto& [feature, streams] : tally.not_in_device) absent[feature] = streams;
  return {{"streams", tally.streams},
          {"streams_not_run", tally.not_run},
          {"walks", tally.walks},
          {"references", tally.references},
          {"lookups", tally.lookups},
          {"hits", tally.hits},
          {"writes", tally.writes},
          {"failed_swaps", tally.failed_swaps},
          {"stores", tally.stores},
          {"invalidations", tally.invalidations},
          {"oracle_walks", tally.judged},
          {"invalidation_owed", tally.stale},
          {"overtaken", tally.overtaken},
          {"in_flight", tally.in_flight},
          {"rtl_walks", tally.device_walks},
          {"rtl_cycles", tally.cycles},
          {"not_in_rtl", absent}};
}

std::string line(std::string_view label, std::uint64_t value, std::string_view remark = "") {
  return fmt::format("  {:<22}{:>14}{}{}\n", label, grouped(value), remark.empty() ? "" : "   ",
                     remark);
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
  for (const auto& [feature, walks] : tally.not_in_device) {
    text += line("  " + feature, walks, fmt::format("walks not in the {}", device));
  }
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
    for (const auto& [feature, streams] : tally.not_in_device) {
      text += line("  " + feature, streams, "streams not in the RTL");
    }
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
  for (const OutcomeKind kind : kOutcomes) {
    const std::uint64_t walks = count_of(coverage, kind);
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
  for (unsigned ept = kMostLevels; ept > 0; --ept)
    text += fmt::format("{:>9}", fmt::format("EPT L{}", ept));
  text += fmt::format("{:>9}\n", "itself");
  for (const Place place : all_places()) {
    if (place.spp_level != 0) {
      text += fmt::format("  {:<14}{:>9}\n", tb::name(place), grouped(count_at(coverage, place)));
      continue;
    }
    const bool access = place.guest_level == 0;
    if (place.ept_level == kMostLevels) {
      const Place itself{.guest_level = place.guest_level, .hlat = place.hlat};
      text += fmt::format("  {:<14}", access ? "the access" : tb::name(itself));
    }
    text += fmt::format("{:>9}", grouped(count_at(coverage, place)));
    if (place.is_guest_entry() || (access && place.ept_level == 1)) text += '\n';
  }
  const Bins bins = bins_of(coverage);
  text += fmt::format("  {} of {} ways to be refused (rule, place, access, user)\n",
                      grouped(bins.reached), grouped(bins.possible));
  for (const tb::Bin& bin : bins.impossible) {
    text += "  IMPOSSIBLE, and yet met: " + bin_line(bin) + "\n";
  }
  return text;
}

/// Of the RTL's configurations; another walker makes no streams.
bool has_streams(const VerifyReport& report) {
  return mmu::find_configuration(report.configuration) != nullptr;
}

/// Rules of single entries are counted where most walks are single cases, which come to all of
/// them.
bool counts_rules(const VerifyReport& report) {
  return report.configuration == "single" || !has_streams(report);
}

/// The tables of bins: of streams, with what single cases add, and of single cases.
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

/// Of each table how many bins were reached.
std::string tables_text(const VerifyReport& report) {
  std::string text;
  for (const tb::CoverageTable& table : tables_of(report)) {
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

Json tables_array(const VerifyReport& report) {
  Json tables = Json::array();
  for (const tb::CoverageTable& table : tables_of(report)) {
    Json bins = Json::array();
    for (std::size_t bin = 0; bin < table.counts.size(); ++bin) {
      Json one = {{"bin", table.name_of(bin)}, {"count", table.counts[bin]}};
      if (!table.impossible[bin].empty()) one["impossible"] = table.impossible[bin];
      bins.push_back(std::move(one));
    }
    tables.push_back({{"name", table.name}, {"bins", bins}});
  }
  return tables;
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

BinCounts bin_counts(const VerifyReport& report) {
  const Bins bins = bins_of(report.judge.coverage());
  BinCounts counts{.impossible_met = bins.impossible.size()};
  if (counts_rules(report)) {
    counts.possible = bins.possible;
    counts.reached = bins.reached;
  }
  for (const tb::CoverageTable& table : tables_of(report)) {
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
  const Bins bins = bins_of(report.judge.coverage());
  std::string unreached;
  std::string met;
  std::string impossible;
  if (counts_rules(report)) {
    for (const tb::Bin& bin : bins.missing) unreached += "  refused: " + bin_line(bin) + "\n";
  }
  for (const tb::Bin& bin : bins.impossible) {
    met += fmt::format("  refused: {}: {}\n", bin_line(bin), bin.impossible());
  }
  if (counts_rules(report)) impossible += impossible_refusals();
  for (const tb::CoverageTable& table : tables_of(report)) {
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

Json verify_document(const VerifyReport& report) {
  const tb::Coverage& coverage = report.judge.coverage();
  const tb::Tally& tally = report.judge.tally();
  Json absent = Json::object();
  for (const auto& [feature, walks] : tally.not_in_device) absent[feature] = walks;
  Json document = {{"schema_version", 1},
                   {"eptsim_version", kVersion},
                   {"seed", report.seed},
                   {"walks_asked_for", report.walks},
                   {"configuration", report.configuration},
                   {"features", features_array(report.features)},
                   {"rtl", report.judge.has_device()},
                   {"partial", report.partial},
                   {"mismatch", nullptr},
                   {"compared",
                    {{"walks", coverage.walks},
                     {"refused", coverage.refused},
                     {"references", tally.references},
                     {"writes", tally.writes},
                     {"swaps", tally.swaps},
                     {"failed_swaps", tally.failed_swaps},
                     {"walks_with_stores", coverage.stores},
                     {"oracle_walks", tally.oracle_walks},
                     {"oracle_absent", tally.oracle_absent},
                     {"rtl_walks", tally.device_walks},
                     {"rtl_responses", tally.responses},
                     {"rtl_cycles", tally.cycles},
                     {"rtl_requests", tally.requests},
                     {"not_in_rtl", absent}}},
                   {"streams", streams_object(report.streams.tally())},
                   {"tables", tables_array(report)},
                   {"coverage", coverage_object(coverage)}};
  if (!report.replayed.empty()) document["replayed"] = report.replayed;
  if (report.mismatch) {
    document["mismatch"] =
        mismatch_object("walk", report.mismatch->number, report.mismatch->finding, report.replay);
  } else if (report.stream_mismatch) {
    document["mismatch"] = mismatch_object("stream", report.stream_mismatch->number,
                                           report.stream_mismatch->found.finding, report.replay);
  }
  return document;
}

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
  text += "\n" + style.heading("Streams: several requests over one memory") + "\n" +
          streams_text(report);
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
