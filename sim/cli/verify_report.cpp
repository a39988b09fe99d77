#include "sim/cli/verify_report.hpp"

#include <fmt/format.h>

#include <vector>

#include "ept/arch/access.hpp"
#include "sim/version.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"

namespace eptsim::sim {
namespace {

using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

constexpr std::uint8_t kMostLevels = 5;

/// Outcomes that the walkers of this version can have.
constexpr OutcomeKind kOutcomes[] = {OutcomeKind::kTranslated, OutcomeKind::kPageFault,
                                     OutcomeKind::kEptViolation, OutcomeKind::kEptMisconfiguration,
                                     OutcomeKind::kGeneralProtection};

std::uint64_t count_of(const tb::Coverage& coverage, OutcomeKind kind) {
  return coverage.outcomes[static_cast<unsigned>(kind)];
}

std::uint64_t count_at(const tb::Coverage& coverage, OutcomeKind kind, Place place) {
  return coverage.places[static_cast<unsigned>(kind)][place.guest_level][place.ept_level];
}

/// The places of the longest walk, in its order.
std::vector<Place> all_places() {
  std::vector<Place> places;
  for (std::uint8_t guest = kMostLevels;; --guest) {
    for (std::uint8_t ept = kMostLevels; ept > 0; --ept) places.push_back({guest, ept});
    if (guest == 0) return places;
    places.push_back({guest, 0});
  }
}

/// How many places the outcome can be decided at, and at how many it was. None for an outcome that
/// no entry decides.
struct Reached {
  unsigned possible = 0;
  unsigned reached = 0;
};
Reached reached(const tb::Coverage& coverage, OutcomeKind kind) {
  Reached result;
  if (kind == OutcomeKind::kTranslated || kind == OutcomeKind::kGeneralProtection) return result;
  for (const Place place : all_places()) {
    if (place.is_guest_entry() != (kind == OutcomeKind::kPageFault)) continue;
    ++result.possible;
    if (count_at(coverage, kind, place) > 0) ++result.reached;
  }
  return result;
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
  for (const OutcomeKind kind : kOutcomes) {
    for (const Place place : all_places()) {
      const std::uint64_t walks = count_at(coverage, kind, place);
      if (walks == 0) continue;
      places.push_back({{"outcome", tb::name(kind)},
                        {"guest_level", place.guest_level},
                        {"ept_level", place.ept_level},
                        {"walks", walks}});
    }
  }
  return places;
}

Json coverage_object(const tb::Coverage& coverage) {
  Json outcomes = Json::object();
  for (const OutcomeKind kind : kOutcomes) {
    outcomes[std::string(tb::name(kind))] = count_of(coverage, kind);
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
  constexpr const char* kSizes[] = {"none", "4K", "2M", "1G"};
  for (unsigned guest = 0; guest < 4; ++guest) {
    for (unsigned ept = 0; ept < 4; ++ept) {
      if (coverage.pages[guest][ept] == 0) continue;
      pages.push_back({{"guest_page", kSizes[guest]},
                       {"ept_page", kSizes[ept]},
                       {"walks", coverage.pages[guest][ept]}});
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
  return {{"accesses", accesses},
          {"outcomes", outcomes},
          {"reasons", reasons},
          {"places", places_array(coverage)},
          {"planted_faults", planted},
          {"pages", pages},
          {"references_histogram", references}};
}

Json mismatch_object(const tb::Mismatch& mismatch, const std::string& replay) {
  Json differences = Json::array();
  for (const tb::Difference& difference : mismatch.finding.differences) {
    differences.push_back(
        {{"field", difference.field}, {"expected", difference.expected}, {"got", difference.got}});
  }
  return {{"walk", mismatch.number},
          {"expected_by", mismatch.finding.expected},
          {"got_from", mismatch.finding.got},
          {"differences", differences},
          {"replay", replay}};
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
      line("flag updates", coverage.swaps,
           fmt::format("{} failed, for another had changed the entry",
                       grouped(coverage.failed_swaps))) +
      line("judged by the oracle", tally.oracle_walks,
           fmt::format("{} not: it knows no time in which a word changes",
                       grouped(tally.oracle_absent))) +
      line("contexts refused", coverage.refused_contexts, "by model and oracle alike");
  if (!report.judge.has_device()) {
    return text + "  The RTL is not in this build: only model and oracle were compared.\n";
  }
  std::uint64_t absent = 0;
  for (const auto& [feature, walks] : tally.not_in_device) absent += walks;
  text += line("RTL responses", tally.responses,
               absent == 0 ? "" : fmt::format("{} walks not in the RTL", grouped(absent)));
  for (const auto& [feature, walks] : tally.not_in_device) {
    text += line("  " + feature, walks, "walks not in the RTL");
  }
  return text + line("cycles", tally.cycles, "in each, all that RTL and model drive");
}

std::string outcomes_text(const tb::Coverage& coverage) {
  std::string text;
  for (const OutcomeKind kind : kOutcomes) {
    const Reached places = reached(coverage, kind);
    const std::uint64_t walks = count_of(coverage, kind);
    text +=
        fmt::format("  {:<22}{:>14}{:>10}", tb::name(kind), grouped(walks),
                    percent(static_cast<double>(walks), static_cast<double>(coverage.walks), 1));
    if (places.possible != 0) {
      text += fmt::format("   at {} of {} places", places.reached, places.possible);
    }
    text += '\n';
  }
  return text;
}

/// How many walks were refused at each place: a row for each guest entry, a column for each EPT
/// level.
std::string places_text(const tb::Coverage& coverage) {
  std::string text = fmt::format("  {:<14}", "");
  for (unsigned ept = kMostLevels; ept > 0; --ept)
    text += fmt::format("{:>9}", fmt::format("EPT L{}", ept));
  text += fmt::format("{:>9}\n", "itself");
  for (unsigned guest = kMostLevels + 1; guest-- > 0;) {
    text += fmt::format("  {:<14}", guest == 0 ? "the access" : fmt::format("guest L{}", guest));
    for (unsigned ept = kMostLevels + 1; ept-- > 0;) {
      if (guest == 0 && ept == 0) break;
      const Place place{static_cast<std::uint8_t>(guest), static_cast<std::uint8_t>(ept)};
      std::uint64_t walks = 0;
      for (const OutcomeKind kind : kOutcomes) walks += count_at(coverage, kind, place);
      text += fmt::format("{:>9}", grouped(walks));
    }
    text += '\n';
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

Json verify_document(const VerifyReport& report) {
  const tb::Coverage& coverage = report.judge.coverage();
  const tb::Tally& tally = report.judge.tally();
  Json absent = Json::object();
  for (const auto& [feature, walks] : tally.not_in_device) absent[feature] = walks;
  Json document = {{"schema_version", 1},
                   {"eptsim_version", kVersion},
                   {"seed", report.seed},
                   {"walks_asked_for", report.walks},
                   {"configuration", "single"},
                   {"features", features_array(report.features)},
                   {"rtl", report.judge.has_device()},
                   {"partial", report.partial},
                   {"mismatch", nullptr},
                   {"compared",
                    {{"walks", coverage.walks},
                     {"refused_contexts", coverage.refused_contexts},
                     {"references", tally.references},
                     {"writes", tally.writes},
                     {"swaps", coverage.swaps},
                     {"failed_swaps", coverage.failed_swaps},
                     {"walks_with_stores", coverage.stores},
                     {"oracle_walks", tally.oracle_walks},
                     {"oracle_absent", tally.oracle_absent},
                     {"rtl_responses", tally.responses},
                     {"rtl_cycles", tally.cycles},
                     {"not_in_rtl", absent}}},
                   {"coverage", coverage_object(coverage)}};
  if (!report.replayed.empty()) document["replayed"] = report.replayed;
  if (report.mismatch) document["mismatch"] = mismatch_object(*report.mismatch, report.replay);
  return document;
}

std::string verify_summary(const VerifyReport& report, Style style) {
  const tb::Coverage& coverage = report.judge.coverage();
  std::string text;
  if (report.mismatch) {
    text += style.heading("Compared before the mismatch") + "\n" + compared_text(report) + "\n";
    return text + tb::mismatch_text(*report.mismatch, report.replay);
  }
  text += style.heading(fmt::format("Cross-check, seed {}: no mismatch{}", report.seed,
                                    report.partial ? " until the interrupt" : "")) +
          "\n" + compared_text(report);
  text += "\n" + style.heading("Outcomes") + "\n" + outcomes_text(coverage);
  text += "\n" + style.heading("Where walks were refused") + "\n" + places_text(coverage);
  text += "\n" + style.heading("Planted faults, and how many decided the walk") + "\n" +
          planted_text(coverage);
  return text;
}

}  // namespace eptsim::sim
