#pragma once

#include <cstdint>
#include <string_view>

namespace eptsim::tb {

/// What stimulus may use beyond a 4-level guest under 4 KiB pages without EPT.
enum class Feature : std::uint8_t {
  kEpt,
  kFiveLevel,
  kLargePages,
  kEptAccessedDirty,
  kModeBasedExecute,
  kExecuteOnly,
  kAdvancedExitInfo,
  kSmep,
  kSmap,
  kLass,
  kProtectionKeys,
  kMemoryTypes,
  kGuestPhysical,
  kImplicit,
  kPageCrossing,
  kFaults,
  kRefusals,
  kStores,
  kChaos,
  // From here to the end, each case takes some of them.
  kLegacyPaging,
  kPml,
  kShadowStacks,
  kPagingWrite,
  kGuestPagingVerification,
  kHlat,
  kSubPages,
  kVirtualizationExceptions,
};
inline constexpr unsigned kFeatureCount =
    static_cast<unsigned>(Feature::kVirtualizationExceptions) + 1;
inline constexpr Feature kFirstExtra = Feature::kLegacyPaging;

struct FeatureFact {
  Feature feature;
  std::string_view name;  ///< on the command line
  std::string_view meaning;
};

inline constexpr FeatureFact kFeatures[] = {
    {Feature::kEpt, "ept", "nested translation"},
    {Feature::kFiveLevel, "5-level", "5-level guests and, with ept, 5-level EPTs"},
    {Feature::kLargePages, "large-pages", "2 MiB and 1 GiB pages"},
    {Feature::kEptAccessedDirty, "ept-ad", "EPT accessed and dirty flags"},
    {Feature::kModeBasedExecute, "mbe", "mode-based execute control"},
    {Feature::kExecuteOnly, "execute-only", "execute-only EPT entries"},
    {Feature::kAdvancedExitInfo, "advanced-exit-info", "advanced information in qualifications"},
    {Feature::kSmep, "smep", "CR4.SMEP"},
    {Feature::kSmap, "smap", "CR4.SMAP"},
    {Feature::kLass, "lass", "CR4.LASS"},
    {Feature::kProtectionKeys, "protection-keys", "CR4.PKE and CR4.PKS"},
    {Feature::kMemoryTypes, "memory-types", "random PATs, CR0.CD, types of EPT leaves, ignore-PAT"},
    {Feature::kGuestPhysical, "guest-physical", "requests for guest-physical addresses"},
    {Feature::kImplicit, "implicit", "implicit supervisor accesses"},
    {Feature::kPageCrossing, "page-crossing", "accesses to two pages"},
    {Feature::kFaults, "faults", "faults planted in valid tables"},
    {Feature::kRefusals, "refusals", "contexts and requests that must be refused"},
    {Feature::kStores, "stores", "stores to the tables in the middle of walks"},
    {Feature::kChaos, "chaos", "tables that share frames, with random bits flipped"},
    {Feature::kLegacyPaging, "legacy-paging", "32-bit paging with PSE-36, and PAE paging"},
    {Feature::kPml, "pml", "page-modification logging"},
    {Feature::kShadowStacks, "shadow-stacks", "shadow-stack accesses, and EPTP bit 7"},
    {Feature::kPagingWrite, "paging-write", "EPT paging-write control"},
    {Feature::kGuestPagingVerification, "guest-paging-verification",
     "guest-paging verification; half of it is paging-write"},
    {Feature::kHlat, "hlat", "hypervisor-managed linear-address translation"},
    {Feature::kSubPages, "spp", "sub-page write permissions"},
    {Feature::kVirtualizationExceptions, "ve", "virtualization exceptions"},
};

/// A set of features; all of them to begin with.
class Features {
 public:
  static constexpr Features none() {
    Features features;
    features.bits_ = 0;
    return features;
  }

  constexpr bool has(Feature feature) const { return (bits_ & bit(feature)) != 0; }
  constexpr void add(Feature feature) { bits_ |= bit(feature); }
  constexpr void drop(Feature feature) { bits_ &= ~bit(feature); }

 private:
  static constexpr std::uint32_t bit(Feature feature) {
    return std::uint32_t{1} << static_cast<unsigned>(feature);
  }
  std::uint32_t bits_ = ~std::uint32_t{0};
};

}  // namespace eptsim::tb
