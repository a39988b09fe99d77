#include <utility>
#include <vector>

#include "ept/arch/access.hpp"
#include "sim/cli/verify_coverage.hpp"
#include "sim/version.hpp"

namespace eptsim::sim {
namespace {

using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

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
  for (const Place place : verify::all_places()) {
    for (unsigned reason = 1; reason < tb::kReasons; ++reason) {
      const std::uint64_t walks = verify::count_at(coverage, place, static_cast<Reason>(reason));
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
    for (const OutcomeKind kind : verify::kOutcomes) {
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
  for (const OutcomeKind kind : verify::kOutcomes) {
    outcomes[std::string(mmu::name(kind))] = verify::count_of(coverage, kind);
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
  const verify::Bins bins = verify::bins_of(coverage);
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

Json tables_array(const VerifyReport& report) {
  Json tables = Json::array();
  for (const tb::CoverageTable& table : verify::tables_of(report)) {
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

}  // namespace eptsim::sim
