#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mmu_model/walk/translate.hpp"
#include "testbench/scoreboard/coverage_bin.hpp"
#include "testbench/scoreboard/coverage_table.hpp"
#include "testbench/scoreboard/flag_updates.hpp"
#include "testbench/stimulus/feature.hpp"
#include "testbench/stimulus/reserved_bit.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

inline constexpr unsigned kOutcomes =
    static_cast<unsigned>(mmu::OutcomeKind::kGeneralProtection) + 1;

/// Translations by the sizes of the guest's page and of the EPT's.
CoverageTable page_table(std::string name);
void count_pages(CoverageTable& pages, const mmu::Outcome& translation, unsigned times = 1);

/// What the walks of a run have met. Only walks on which all voices agreed are counted.
struct Coverage {
  /// What a planted fault came to.
  struct Planted {
    std::uint64_t walks = 0;
    std::uint64_t decided = 0;  ///< the walk ended at the fault's place
  };
  /// What walks did beside reading entries and setting flags.
  struct Deeds {
    std::uint64_t hlat_walks = 0;  ///< that read entries of HLAT tables
    std::uint64_t hlat_restarts = 0;
    std::uint64_t sub_page_walks = 0;    ///< that read entries of sub-page permissions
    std::uint64_t sub_page_allowed = 0;  ///< of these, that translated
    std::uint64_t pages_logged = 0;
    std::uint64_t second_pages = 0;  ///< accesses of which both pages translated
    std::uint64_t pdpte_faults = 0;
  };

  Coverage();

  std::uint64_t walks = 0;
  std::uint64_t refused = 0;  ///< contexts and requests
  std::uint64_t stores = 0;   ///< walks with a store from outside
  Deeds deeds;
  std::array<std::uint64_t, kOutcomes> outcomes{};
  /// [feature][outcome] of walks that it can change.
  std::array<std::array<std::uint64_t, kOutcomes>, kFeatureCount> features{};
  std::array<std::uint64_t, kReasons> reasons{};
  /// By Bin::index(): walks that were refused, by rule, place, access and user.
  std::vector<std::uint32_t> bins;
  std::array<Planted, kFaultKinds> planted{};
  CoverageTable pages = page_table("translations");
  CoverageTable flag_updates = flag_update_table();
  /// Of those that alone refused a walk: in the order of `reserved_bits`.
  CoverageTable reserved;
  /// [access][user]
  std::array<std::array<std::uint64_t, 2>, kAccesses> accesses{};
  std::array<std::uint64_t, 128> references{};  ///< walks by their number of references

  /// `compared`: the device took part, if there is one. Bins count what it was compared in.
  void count(const TestCase& test, const mmu::TranslateResult& answer,
             const mmu::Recording& recording, bool compared);

 private:
  void count_bins(const TestCase& test, const mmu::Outcome& outcome);
  std::vector<ReservedBit> reserved_bits_;
};

/// Whether the feature can make a difference to this case. Nothing is told of some features, which
/// an answer alone would show: large pages, execute-only entries.
bool concerns(Feature feature, const TestCase& test);

}  // namespace eptsim::tb
