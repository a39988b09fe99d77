#include "testbench/scoreboard/coverage.hpp"

#include <algorithm>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::tb {

namespace {

using mmu::OutcomeKind;

/// The index of a page's size; 0 if there is none.
unsigned size_index(const std::optional<arch::PageSize>& size) {
  if (!size) return 0;
  return *size == arch::PageSize::k4M ? 4 : arch::leaf_level(*size);
}

bool is_user(const mmu::Request& request) { return request.user && !request.implicit; }

bool paging(const mmu::Context& context) { return arch::cr0::kPg.any(context.cr0); }

/// Whether the outcome is the one that the fault was planted for, at its place.
bool decided_by(const PlantedFault& fault, const mmu::Outcome& outcome) {
  switch (fault.kind) {
    case FaultKind::kNotCanonical:
    case FaultKind::kLass: return outcome.kind == OutcomeKind::kGeneralProtection;
    case FaultKind::kPmlFull: return outcome.kind == OutcomeKind::kPmlFull;
    case FaultKind::kPdpteNotPresent:
      return outcome.kind == OutcomeKind::kPageFault && outcome.place.guest_level == 3;
    default:
      return outcome.kind != OutcomeKind::kTranslated &&
             outcome.kind != OutcomeKind::kGeneralProtection && fault.place == outcome.place;
  }
}

}  // namespace

CoverageTable page_table(std::string name) {
  return {std::move(name),
          {"no guest page", "guest 4K", "guest 2M", "guest 1G", "guest 4M"},
          {"no EPT page", "EPT 4K", "EPT 2M", "EPT 1G"}};
}

void count_pages(CoverageTable& pages, const mmu::Outcome& translation, unsigned times) {
  pages.count(size_index(translation.guest_page_size), size_index(translation.ept_page_size),
              times);
}

Coverage::Coverage() : bins(Bin::kCount), reserved_bits_(tb::reserved_bits()) {
  std::vector<std::string> names;
  for (const ReservedBit& bit : reserved_bits_) names.push_back(name(bit));
  reserved = CoverageTable("reserved bits that refused a walk", std::move(names), {"alone"});
}

bool concerns(Feature feature, const TestCase& test) {
  using namespace arch;
  const mmu::Context& context = test.context;
  const mmu::Request& request = test.request;
  const bool walks_guest = request.linear && paging(context);
  const bool long_mode = efer::kLma.any(context.efer);
  switch (feature) {
    case Feature::kEpt: return context.ept_enabled;
    case Feature::kFiveLevel:
      return (walks_guest && long_mode && cr4::kLa57.any(context.cr4)) ||
             (context.ept_enabled && eptp::kWalkLength.get(context.eptp) == 4);
    case Feature::kEptAccessedDirty:
      return context.ept_enabled && eptp::kAccessedDirty.any(context.eptp);
    case Feature::kModeBasedExecute: return context.controls.mode_based_execute;
    case Feature::kAdvancedExitInfo: return context.ept_enabled && context.cpu.advanced_exit_info;
    case Feature::kSmep: return walks_guest && cr4::kSmep.any(context.cr4);
    case Feature::kSmap: return walks_guest && cr4::kSmap.any(context.cr4);
    case Feature::kLass: return request.linear && long_mode && cr4::kLass.any(context.cr4);
    case Feature::kProtectionKeys:
      return walks_guest && long_mode && (cr4::kPke.any(context.cr4) || cr4::kPks.any(context.cr4));
    case Feature::kGuestPhysical: return !request.linear;
    case Feature::kImplicit: return request.implicit;
    case Feature::kPageCrossing: return (request.address & 4095) + request.size > 4096;
    case Feature::kFaults: return !test.planted.empty();
    case Feature::kStores: return test.store.has_value();
    case Feature::kChaos: return test.origin == "chaos";
    case Feature::kLegacyPaging: return walks_guest && !long_mode;
    case Feature::kPml: return context.controls.pml && eptp::kAccessedDirty.any(context.eptp);
    case Feature::kShadowStacks:
      return request.access == AccessKind::kShadowStackRead ||
             request.access == AccessKind::kShadowStackWrite;
    case Feature::kPagingWrite: return walks_guest && context.controls.paging_write;
    case Feature::kGuestPagingVerification:
      return walks_guest && context.controls.paging_write &&
             context.controls.guest_paging_verification;
    case Feature::kHlat:
      return walks_guest && long_mode && context.controls.hlat &&
             (context.hlat_prefix_size == 0 || request.address >> 63 != 0);
    case Feature::kSubPages: return context.controls.sub_page_permission;
    case Feature::kVirtualizationExceptions:
      return context.ept_enabled && context.controls.ept_violation_ve;
    case Feature::kLargePages:
    case Feature::kExecuteOnly:
    case Feature::kMemoryTypes:
    case Feature::kRefusals: return false;
  }
  return false;
}

void Coverage::count(const TestCase& test, const mmu::TranslateResult& answer,
                     const mmu::Recording& recording, bool compared) {
  const mmu::Outcome& outcome = answer.outcome;
  const auto kind = static_cast<unsigned>(outcome.kind);
  const bool translated = outcome.kind == OutcomeKind::kTranslated;
  ++walks;
  ++outcomes[kind];
  ++reasons[static_cast<unsigned>(outcome.reason)];
  ++accesses[static_cast<unsigned>(test.request.access)][is_user(test.request)];
  ++references[std::min<std::size_t>(answer.references, references.size() - 1)];
  if (test.store) ++stores;
  for (const FeatureFact& fact : kFeatures) {
    if (concerns(fact.feature, test)) ++features[static_cast<unsigned>(fact.feature)][kind];
  }
  if (compared) count_bins(test, outcome);
  for (const PlantedFault& fault : test.planted) {
    Planted& counter = planted[static_cast<unsigned>(fault.kind)];
    ++counter.walks;
    if (decided_by(fault, outcome)) ++counter.decided;
  }

  bool hlat = false;
  bool after_restart = false;
  bool sub_pages = false;
  for (const mmu::Reference& reference : recording.references) {
    hlat = hlat || reference.place.hlat;
    after_restart =
        after_restart || (hlat && !reference.place.hlat && reference.place.guest_level != 0);
    sub_pages = sub_pages || reference.place.spp_level != 0;
  }
  deeds.hlat_walks += hlat;
  deeds.hlat_restarts += after_restart;
  deeds.sub_page_walks += sub_pages;
  deeds.sub_page_allowed += sub_pages && translated;
  deeds.pages_logged += static_cast<std::uint16_t>(test.context.pml_index - answer.pml_index);
  deeds.second_pages += answer.second.has_value();
  deeds.pdpte_faults += outcome.kind == OutcomeKind::kPageFault && recording.references.empty();
}

void Coverage::count_bins(const TestCase& test, const mmu::Outcome& outcome) {
  if (outcome.kind == OutcomeKind::kTranslated) {
    count_pages(pages, outcome);
    return;
  }
  ++bins[Bin{outcome.place, outcome.reason, test.request.access, is_user(test.request)}.index()];
  if (const auto bit = refused_for(test.context, outcome)) {
    const auto row = std::ranges::find(reserved_bits_, *bit) - reserved_bits_.begin();
    reserved.count(static_cast<std::size_t>(row), 0);
  }
}

}  // namespace eptsim::tb
