#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/cli/verify_report.hpp"

/// What of the coverage a cross-check reports.
namespace eptsim::sim::verify {

inline constexpr mmu::OutcomeKind kOutcomes[] = {mmu::OutcomeKind::kTranslated,
                                                 mmu::OutcomeKind::kPageFault,
                                                 mmu::OutcomeKind::kEptViolation,
                                                 mmu::OutcomeKind::kEptMisconfiguration,
                                                 mmu::OutcomeKind::kPmlFull,
                                                 mmu::OutcomeKind::kSppEvent,
                                                 mmu::OutcomeKind::kVirtualizationException,
                                                 mmu::OutcomeKind::kGeneralProtection};
static_assert(std::size(kOutcomes) == tb::kOutcomes);

/// Levels of tables, at most.
inline constexpr std::uint8_t kMostLevels = 5;

/// Walks that ended so.
std::uint64_t count_of(const tb::Coverage& coverage, mmu::OutcomeKind kind);

/// Walks that were refused at `place`; of one rule, or by any.
std::uint64_t count_at(const tb::Coverage& coverage, mmu::Place place,
                       std::optional<mmu::Reason> reason = std::nullopt);

/// The places of the longest walk, in its order: HLAT tables, guest tables, sub-page permissions.
std::vector<mmu::Place> all_places();

/// How many of the ways in which a walk can be refused there were, and those of which there was
/// none.
struct Bins {
  unsigned possible = 0;
  unsigned reached = 0;
  std::vector<tb::Bin> missing;
  std::vector<tb::Bin> impossible;  ///< reached all the same
};
Bins bins_of(const tb::Coverage& coverage);

/// Of the RTL's configurations; another walker makes no streams.
bool has_streams(const VerifyReport& report);

/// Rules of single entries are counted where most walks are single cases, which come to all of
/// them.
bool counts_rules(const VerifyReport& report);

/// The tables of bins: of streams, with what single cases add, and of single cases.
std::vector<tb::CoverageTable> tables_of(const VerifyReport& report);

/// One way to be refused, in words.
std::string bin_line(const tb::Bin& bin);

}  // namespace eptsim::sim::verify
