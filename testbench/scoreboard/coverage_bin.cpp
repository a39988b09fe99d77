#include "testbench/scoreboard/coverage_bin.hpp"

namespace eptsim::tb {

namespace {

using arch::AccessKind;
using mmu::Place;
using mmu::Reason;

unsigned index_of(Place place) {
  if (place.spp_level != 0) return 72 + (place.spp_level - 1u) % 4;
  return (place.hlat ? 36 : 0) + place.guest_level % 6 * 6u + place.ept_level % 6;
}

Place place_of(unsigned index) {
  if (index >= 72) return {.spp_level = static_cast<std::uint8_t>(index - 72 + 1)};
  return {.guest_level = static_cast<std::uint8_t>(index % 36 / 6),
          .ept_level = static_cast<std::uint8_t>(index % 6),
          .hlat = index >= 36};
}

bool is_shadow_stack(AccessKind access) {
  return access == AccessKind::kShadowStackRead || access == AccessKind::kShadowStackWrite;
}

constexpr std::string_view kPossible;
constexpr std::string_view kNoSuchRule = "the rule is of other entries";
constexpr std::string_view kOtherAccess = "the rule is of other accesses";
constexpr std::string_view kLeafAlone = "the rule looks at pages, and none is mapped above level 3";
constexpr std::string_view kOtherMode = "the rule is of the other mode";

std::string_view possible_if(bool possible, std::string_view otherwise) {
  return possible ? kPossible : otherwise;
}

/// Of guest entries: why there can be none; empty if there can.
std::string_view guest_impossible(const Bin& bin) {
  const bool fetch = bin.access == AccessKind::kFetch;
  const bool shadow_stack = is_shadow_stack(bin.access);
  // Pages have leaves at levels 1 to 3.
  const bool leaf = bin.place.guest_level <= 3;
  switch (bin.reason) {
    case Reason::kGuestNotPresent:
    case Reason::kGuestReservedBit: return kPossible;
    case Reason::kGuestNotWritable:
      return possible_if(arch::is_write(bin.access) && !shadow_stack, kOtherAccess);
    case Reason::kGuestSupervisorPage: return possible_if(bin.user, kOtherMode);
    case Reason::kGuestExecuteDisable: return possible_if(fetch, kOtherAccess);
    // These take all entries together, or bits of the leaf: no level above it is to blame.
    case Reason::kGuestSmep:
    case Reason::kGuestSmap:
      if (!leaf) return kLeafAlone;
      if (bin.user) return kOtherMode;
      return possible_if(bin.reason == Reason::kGuestSmep ? fetch : !fetch && !shadow_stack,
                         kOtherAccess);
    case Reason::kGuestProtectionKey: return leaf ? possible_if(!fetch, kOtherAccess) : kLeafAlone;
    case Reason::kGuestShadowStack:
      return leaf ? possible_if(shadow_stack, kOtherAccess) : kLeafAlone;
    default: return kNoSuchRule;
  }
}

/// Of EPT entries.
std::string_view ept_impossible(const Bin& bin) {
  const bool final = bin.place.guest_level == 0;
  const bool fetch = bin.access == AccessKind::kFetch;
  const bool shadow_stack = is_shadow_stack(bin.access);
  const unsigned level = bin.place.ept_level;
  // Pages have leaves at levels 1 to 3.
  const bool leaf = level <= 3;
  switch (bin.reason) {
    case Reason::kEptNotPresent:
    case Reason::kEptWriteWithoutRead:
    case Reason::kEptExecuteOnlyUnsupported:
    case Reason::kEptReservedBit: return kPossible;
    case Reason::kEptAddressTooWide:
      return possible_if(level == 4, "only a 4-level EPT refuses an address, at its root");
    case Reason::kEptMemoryType:
    case Reason::kEptPagingWriteWithoutRead: return possible_if(leaf, kLeafAlone);
    case Reason::kEptNotReadable:
      return possible_if(!final || bin.access == AccessKind::kRead ||
                             bin.access == AccessKind::kReadModifyWrite ||
                             bin.access == AccessKind::kShadowStackRead,
                         kOtherAccess);
    case Reason::kEptNotWritable:
      return possible_if(!final || arch::is_write(bin.access), kOtherAccess);
    case Reason::kEptNotExecutable:
      return possible_if(final && fetch, final ? kOtherAccess : "tables are not fetched");
    case Reason::kEptShadowStack:
      if (!final) return "tables are no shadow stacks";
      return shadow_stack ? possible_if(!bin.user, kOtherMode) : kOtherAccess;
    case Reason::kEptPagingVerification:
      return final ? possible_if(leaf, kLeafAlone) : "the page is asked, and not the tables";
    // Named is the entry whose flag was to be set first.
    case Reason::kPmlIndex: return kPossible;
    default: return kNoSuchRule;
  }
}

}  // namespace

unsigned Bin::index() const {
  unsigned result = index_of(place);
  result = result * kReasons + static_cast<unsigned>(reason);
  result = result * kAccesses + static_cast<unsigned>(access);
  return result * 2 + (user ? 1 : 0);
}

Bin Bin::of_index(unsigned index) {
  Bin bin;
  bin.user = index % 2 != 0;
  index /= 2;
  bin.access = static_cast<AccessKind>(index % kAccesses);
  index /= kAccesses;
  bin.reason = static_cast<Reason>(index % kReasons);
  bin.place = place_of(index / kReasons);
  return bin;
}

std::string_view Bin::impossible() const {
  if (reason == Reason::kNone) return "every refusal has a rule";
  if (place.spp_level != 0) {
    const bool vector = place.spp_level == 1;
    if (reason == Reason::kSppMiss && vector) return "a vector has no valid bit";
    const bool event = reason == Reason::kSppMisconfiguration || reason == Reason::kSppMiss;
    if (!event) return kNoSuchRule;
    return possible_if(arch::is_write(access), "only writes ask for sub-pages");
  }
  if (place.hlat && place.guest_level == 0) return "the access itself is in no HLAT table";
  if (place.ept_level != 0) return ept_impossible(*this);
  if (place.guest_level != 0) return guest_impossible(*this);
  return possible_if(reason == Reason::kNotCanonical || reason == Reason::kLass, kNoSuchRule);
}

}  // namespace eptsim::tb
