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

/// Of guest entries.
bool guest_possible(const Bin& bin) {
  const bool fetch = bin.access == AccessKind::kFetch;
  const bool shadow_stack = is_shadow_stack(bin.access);
  // Pages have leaves at levels 1 to 3.
  const bool leaf = bin.place.guest_level <= 3;
  switch (bin.reason) {
    case Reason::kGuestNotPresent:
    case Reason::kGuestReservedBit: return true;
    case Reason::kGuestNotWritable: return arch::is_write(bin.access) && !shadow_stack;
    case Reason::kGuestSupervisorPage: return bin.user;
    case Reason::kGuestExecuteDisable: return fetch;
    // These take all entries together, or bits of the leaf: no level above it is to blame.
    case Reason::kGuestSmep: return leaf && fetch && !bin.user;
    case Reason::kGuestSmap: return leaf && !fetch && !shadow_stack && !bin.user;
    case Reason::kGuestProtectionKey: return leaf && !fetch;
    case Reason::kGuestShadowStack: return leaf && shadow_stack;
    default: return false;
  }
}

/// Of EPT entries.
bool ept_possible(const Bin& bin) {
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
    case Reason::kEptReservedBit: return true;
    // Only a 4-level EPT refuses an address, at its root.
    case Reason::kEptAddressTooWide: return level == 4;
    case Reason::kEptMemoryType:
    case Reason::kEptPagingWriteWithoutRead: return leaf;
    case Reason::kEptNotReadable:
      return !final || bin.access == AccessKind::kRead ||
             bin.access == AccessKind::kReadModifyWrite ||
             bin.access == AccessKind::kShadowStackRead;
    case Reason::kEptNotWritable: return !final || arch::is_write(bin.access);
    case Reason::kEptNotExecutable: return final && fetch;
    case Reason::kEptShadowStack: return final && shadow_stack && !bin.user;
    case Reason::kEptPagingVerification: return final && leaf;
    // Named is the entry whose flag was to be set first.
    case Reason::kPmlIndex: return true;
    default: return false;
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

bool Bin::possible() const {
  if (reason == Reason::kNone) return false;
  if (place.spp_level != 0) {
    // A vector has no valid bit, and only writes ask for sub-pages.
    const bool event = reason == Reason::kSppMisconfiguration ||
                       (reason == Reason::kSppMiss && place.spp_level > 1);
    return event && arch::is_write(access);
  }
  // The access itself is in no HLAT table.
  if (place.hlat && place.guest_level == 0) return false;
  if (place.ept_level != 0) return ept_possible(*this);
  if (place.guest_level != 0) return guest_possible(*this);
  return reason == Reason::kNotCanonical || reason == Reason::kLass;
}

}  // namespace eptsim::tb
