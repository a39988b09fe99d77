#include "testbench/scoreboard/walk_order.hpp"

namespace eptsim::tb {

namespace {

/// Whether the entry that decided is the one read last.
bool ends_at_an_entry(mmu::Reason reason) {
  using mmu::Reason;
  switch (reason) {
    case Reason::kGuestNotPresent:
    case Reason::kGuestReservedBit:
    case Reason::kEptNotPresent:
    case Reason::kEptWriteWithoutRead:
    case Reason::kEptExecuteOnlyUnsupported:
    case Reason::kEptPagingWriteWithoutRead:
    case Reason::kEptReservedBit:
    case Reason::kEptMemoryType:
    case Reason::kSppMiss:
    case Reason::kSppMisconfiguration: return true;
    default: return false;
  }
}

/// The guest entry that an EPT entry is read for; level 0 for the access itself.
mmu::Place owner_of(mmu::Place place) {
  return {.guest_level = place.guest_level, .hlat = place.hlat};
}

}  // namespace

void compare_order(const mmu::Recording& recording, const mmu::Outcome& outcome, bool swaps_failed,
                   Differences& differences) {
  const auto& references = recording.references;
  // A PDPTE is in a register, and no reference.
  const bool reads =
      !references.empty() && !(outcome.place.is_guest_entry() && outcome.place.guest_level == 3 &&
                               references.back().place != outcome.place);
  if (reads && !swaps_failed && ends_at_an_entry(outcome.reason)) {
    const mmu::Reference& last = references.back();
    differences.place("place, by the last reference", last.place, outcome.place);
    differences.hex("entry_address, by the last reference", last.address, outcome.entry_address);
    differences.hex("entry, by the last reference", last.value, outcome.entry);
  }
  mmu::Place owner = owner_of(outcome.place);
  for (std::size_t i = references.size(); i-- > 0;) {
    const mmu::Place place = references[i].place;
    if (place.is_guest_entry() || place.spp_level != 0) {
      owner = owner_of(place);
    } else if (owner_of(place) != owner) {
      mmu::Place expected = owner;
      expected.ept_level = place.ept_level;
      differences.place("references[" + std::to_string(i) + "], by the guest entry after it",
                        expected, place);
      return;
    }
  }
}

}  // namespace eptsim::tb
