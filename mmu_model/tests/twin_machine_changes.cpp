#include <algorithm>

#include "mmu_model/tests/twin_machine.hpp"

/// What software changes, and the invalidation that it owes and carries out.
namespace eptsim::mmu::test {

using namespace twin;

namespace {

/// A change that gives rights and does nothing else owes no invalidation.
bool only_gains(std::uint64_t old, std::uint64_t value, std::uint64_t rights) {
  return (old & ~value) == 0 && ((old ^ value) & ~rights) == 0;
}

}  // namespace

void TwinMachine::change_space() {
  const Space& old = spaces_[space_];
  if (!old.native && random_.one_in(3)) {  // VMFUNC
    ept_ = 1 - ept_;
    invalidate(invalidation::vmfunc_eptp_switch(old.vpid != 0));
    return;
  }
  const auto next = static_cast<std::size_t>(random_.below(spaces_.size()));
  const Space& space = spaces_[next];
  const bool same_guest = old.vpid == space.vpid && old.native == space.native;
  // A guest's MOV CR3, which keeps what its PCIDs cached; else a VM exit and an entry.
  if (same_guest) {
    invalidate(invalidation::mov_to_cr3(tags(), space.root | space.pcid | 1ull << 63, true));
  } else {
    if (!old.native) invalidate(invalidation::vm_transition(old.vpid != 0));
    if (!space.native) invalidate(invalidation::vm_transition(space.vpid != 0));
    if (!space.native && random_.one_in(2)) ept_ = 1 - ept_;  // before the entry
  }
  space_ = next;
}

void TwinMachine::store(std::uint64_t address, std::uint64_t value) {
  memory_.put(address, value);
  uncached_.put(address, value);
}

const TwinMachine::Place* TwinMachine::damaged(std::size_t owner) {
  std::vector<const Place*> owned;
  for (const Place& place : damaged_) {
    if (place.owner == owner) owned.push_back(&place);
  }
  if (owned.empty() || (owned.size() < 3 && random_.one_in(2))) return nullptr;
  return random_.any(owned);
}

std::uint64_t TwinMachine::mended(const Place& place) {
  const std::uint64_t entry = place.entry, good = place.good;
  std::erase_if(damaged_, [&](const Place& other) { return other.entry == entry; });
  return good;
}

void TwinMachine::damage(Place place, std::uint64_t good) {
  for (const Place& other : damaged_) {
    if (other.entry == place.entry) return;
  }
  place.good = good;
  damaged_.push_back(place);
}

void TwinMachine::change_guest_tables() {
  const Space& space = spaces_[space_];
  if (!space.paging) return;
  Place place{.owner = space_, .address = random_.any(kLinear)};
  std::uint64_t value = 0;
  bool leaf = false;
  if (const Place* const found = damaged(space_)) {
    place = *found;
    value = mended(*found);
    leaf = place.level == (is_large(place.address) ? 2u : 1u);
  } else {
    place.level = is_large(place.address) ? 2 : 1;
    // What PCIDs share, global translations too, is the same for all: not the root's entry.
    const unsigned top = is_shared(place.address) ? 3 : 4;
    if (random_.one_in(3)) {
      place.level += static_cast<unsigned>(random_.below(top + 1 - place.level));
    }
    leaf = place.level == (is_large(place.address) ? 2u : 1u);
    place.entry = host(space, space.root) + index(place.address, 4);
    for (unsigned level = 4; level > place.level; --level) {
      place.entry = host(space, memory_.at(place.entry) & kFrame) + index(place.address, level - 1);
    }
    value = memory_.at(place.entry);
    damage(place, value);
    switch (random_.below(leaf ? 9 : 5)) {
      case 0: value &= ~kP; break;
      case 1: value ^= kGuestW; break;
      case 2: value ^= kU; break;
      case 3: value ^= kNx; break;
      case 4: value &= ~kA; break;
      case 5: value &= ~kD; break;
      case 6: value ^= 0x18; break;  // PWT, PCD
      case 7: value = (value & ~kFrame) | frame_for(space, place.level); break;
      case 8: value ^= globals_ && is_shared(place.address) ? kGlobal : 1ull << 60; break;
    }
  }
  const std::uint64_t old = memory_.at(place.entry);
  store(place.entry, value);
  if (((old & kP) == 0 || only_gains(old, value, kGuestW)) && random_.one_in(2)) {
    ++needless;
    return;
  }
  invalidate_guest(place.address, leaf);
}

void TwinMachine::invalidate_guest(std::uint64_t linear, bool leaf) {
  const CurrentTags current = tags();
  using namespace invalidation;
  std::vector<InvalidationScopes> choices = {
      invpcid(current, InvpcidType::kAllWithGlobals, 0, 0),
      mov_to_cr4(current, base_.cr4, base_.cr4 & ~(1ull << 7)),
  };
  if (current.vpid != 0) choices.push_back(invvpid(InvvpidType::kSingle, current.vpid, 0));
  if (current.vpid != 0) choices.push_back(invvpid(InvvpidType::kAll, 0, 0));
  if (leaf && current.vpid != 0) {
    choices.push_back(invvpid(InvvpidType::kAddress, current.vpid, linear));
  }
  if (!is_shared(linear)) {
    const std::uint64_t cr3 = spaces_[space_].root | spaces_[space_].pcid;
    choices.push_back(mov_to_cr3(current, cr3, true));
    choices.push_back(invpcid(current, InvpcidType::kSingle, current.pcid, 0));
    choices.push_back(invpcid(current, InvpcidType::kAllButGlobals, 0, 0));
    if (current.vpid != 0) {
      choices.push_back(invvpid(InvvpidType::kSingleButGlobals, current.vpid, 0));
    }
    if (leaf) {
      for (int i = 0; i < 4; ++i) choices.push_back(invlpg(current, linear));
      choices.push_back(invpcid(current, InvpcidType::kAddress, current.pcid, linear));
    }
  }
  invalidate(random_.any(choices));
}

void TwinMachine::change_ept() {
  const unsigned ept = static_cast<unsigned>(random_.below(2));
  Place place{.owner = kEpt + ept, .level = 4};
  std::uint64_t value = 0;
  if (const Place* const found = damaged(kEpt + ept)) {
    place = *found;
    value = mended(*found);
  } else {
    const std::uint64_t page = random_.below(16) * k4K;
    place.address = random_.one_in(8)                ? page
                    : random_.one_in(3) && !globals_ ? kTables + random_.below(guest_tables_) * k4K
                                                     : kData + random_.below(2) * k2M + page;
    const unsigned wanted = 1 + static_cast<unsigned>(random_.one_in(4) ? random_.below(4) : 0);
    place.entry = ept_root_[ept] + index(place.address, 4);
    while (place.level > wanted && (memory_.at(place.entry) & kLarge) == 0) {
      place.entry = (memory_.at(place.entry) & kFrame) + index(place.address, --place.level);
    }
    value = memory_.at(place.entry);
    damage(place, value);
    const bool leaf = place.level == 1 || (value & kLarge) != 0;
    const bool data = (place.address & ~(k2M - 1)) != kTables;
    switch (random_.below(leaf ? (data ? 10 : 9) : 6)) {
      case 0: value &= ~(kR | kW | kX | kXu); break;
      case 1: value &= ~kW; break;
      case 2: value &= ~kX; break;
      case 3: value ^= kXu; break;
      case 4: value ^= 1ull << 51; break;  // misconfigured
      case 5: value &= ~kEptA; break;
      case 6: value &= ~kEptD; break;
      case 7:
        value ^= 6u << 3;
        break;  // WB and UC
      // Verify, paging-write access, sub-page permissions, suppress #VE.
      case 8: value ^= 1ull << random_.any(std::array{57, 58, 61, 63}); break;
      case 9: value ^= kDataOffset[0] ^ kDataOffset[1]; break;
    }
  }
  const std::uint64_t old = memory_.at(place.entry);
  store(place.entry, value);
  const bool unusable = (old & (kR | kW | kX | kXu)) == 0 || (old >> 51 & 1) != 0;
  if ((unusable || only_gains(old, value, kR | kW | kX | kXu)) && random_.one_in(2)) {
    ++needless;
    return;
  }
  invalidate(random_.one_in(3) ? invalidation::invept(InveptType::kAll, 0)
                               : invalidation::invept(InveptType::kSingle, ept_root_[ept]));
}

}  // namespace eptsim::mmu::test
