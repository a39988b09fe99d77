#include "testbench/stimulus/fault_planter.hpp"

#include <algorithm>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {
namespace {

using namespace arch;
using Spots = std::vector<Spot>;

/// One attempt: each function says whether the fault can be there at all.
class Planter {
 public:
  Planter(Random& random, Levels levels, const Spots& spots, TestCase& test)
      : random_(random), levels_(levels), spots_(spots), test_(test), context_(test.context) {}

  bool try_once() {
    if (test_.request.linear && random_.one_in(24)) return plant_address();
    if (random_.one_in(12)) return plant_register();
    if (spots_.empty()) return false;
    // Far places more often: much can end the walk before them.
    const std::uint64_t from_start =
        std::max(random_.below(spots_.size()), random_.coin() ? random_.below(spots_.size()) : 0);
    const Spot& spot = spots_[from_start];
    if (spot.place.spp_level != 0) {
      return plant<FaultKind::kSppNotValid, FaultKind::kSppVectorDenies>(&Planter::plant_spp, spot);
    }
    if (spot.place.is_guest_entry()) {
      return plant<FaultKind::kGuestNotPresent, FaultKind::kGuestShadowStack>(&Planter::plant_guest,
                                                                              spot);
    }
    return plant<FaultKind::kEptNotPresent, FaultKind::kEptNoShadowStack>(&Planter::plant_ept,
                                                                          spot);
  }

  bool aim(mmu::Place place, mmu::Reason reason) {
    using mmu::Reason;
    if (reason == Reason::kEptAddressTooWide) return aim_too_wide(place);
    if (reason == Reason::kLass) return plant_lass();
    const auto spot = std::ranges::find(spots_, place, &Spot::place);
    if (spot == spots_.end()) return false;
    if (reason == Reason::kPmlIndex) {
      // All flags are set but this.
      spot->set(test_, spot->get(test_) & ~ept_entry::kAccessed.mask());
      context_.pml_index = 0xffff;
      test_.planted.push_back({FaultKind::kPmlFull, {}});
      return true;
    }
    const FaultKind kind = [&] {
      switch (reason) {
        case Reason::kEptNotReadable: return FaultKind::kEptNoRead;
        case Reason::kEptNotWritable: return FaultKind::kEptNoWrite;
        case Reason::kEptWriteWithoutRead: return FaultKind::kEptWriteWithoutRead;
        case Reason::kEptExecuteOnlyUnsupported: return FaultKind::kEptExecuteOnlyUnsupported;
        case Reason::kEptReservedBit: return FaultKind::kEptReservedHigh;
        case Reason::kEptMemoryType: return FaultKind::kEptMemoryType;
        case Reason::kEptPagingWriteWithoutRead: return FaultKind::kEptPagingWriteWithoutRead;
        case Reason::kGuestSupervisorPage: return FaultKind::kGuestSupervisor;
        case Reason::kGuestProtectionKey: return FaultKind::kGuestProtectionKey;
        default: return FaultKind::kEptNotPresent;
      }
    }();
    return put(place.is_guest_entry() ? &Planter::plant_guest : &Planter::plant_ept, kind, *spot);
  }

 private:
  /// `decides`: the place of the entry at which the walk will end, if it is another.
  using Attempt = bool (Planter::*)(FaultKind, const Spot&, std::uint64_t& entry,
                                    mmu::Place& decides);

  /// One of the kinds from `first` to `last`.
  template <FaultKind first, FaultKind last>
  bool plant(Attempt attempt, const Spot& spot) {
    constexpr unsigned kCount = static_cast<unsigned>(last) - static_cast<unsigned>(first) + 1;
    const auto kind = static_cast<FaultKind>(static_cast<unsigned>(first) + random_.below(kCount));
    return put(attempt, kind, spot);
  }

  bool put(Attempt attempt, FaultKind kind, const Spot& spot) {
    mmu::Place decides = spot.place;
    std::uint64_t entry = spot.get(test_);
    if (!(this->*attempt)(kind, spot, entry, decides)) return false;
    spot.set(test_, entry);
    test_.planted.push_back({kind, decides});
    return true;
  }

  bool plant_ept(FaultKind kind, const Spot& spot, std::uint64_t& entry, mmu::Place& decides) {
    using namespace ept_entry;
    const unsigned level = spot.place.ept_level;
    const bool mbe = context_.controls.mode_based_execute;
    const EntryLayout layout = ept_layout(context_, level, spot.leaf);
    const bool final = spot.place.guest_level == 0;
    switch (kind) {
      case FaultKind::kEptNotPresent:
        entry &= ~(kRead.mask() | kWrite.mask() | kExecute.mask());
        if (mbe) entry &= ~kUserExecute.mask();
        return true;
      case FaultKind::kEptWriteWithoutRead:
        entry = (entry & ~kRead.mask()) | kWrite.mask();
        return true;
      case FaultKind::kEptExecuteOnlyUnsupported:
        entry = execute_only(entry);
        context_.cpu.execute_only = false;
        return true;
      case FaultKind::kEptReservedHigh: return set_one(entry, layout.reserved_high);
      case FaultKind::kEptReservedLow: return set_one(entry, layout.reserved_low);
      case FaultKind::kEptPageSizeUnsupported:
        if (level != 2 && level != 3) return false;
        entry |= kPageSize.mask();
        (level == 2 ? context_.cpu.page_2m : context_.cpu.page_1g) = false;
        return true;
      case FaultKind::kEptMemoryType: {
        constexpr std::array<std::uint64_t, 3> kReservedTypes{2, 3, 7};
        if (!spot.leaf) return false;
        entry = kMemoryType.set(entry, random_.pick(kReservedTypes));
        return true;
      }
      case FaultKind::kEptNoRead:
        if (!context_.cpu.execute_only) return false;
        entry = execute_only(entry);
        if (final) ask_for(AccessKind::kRead);
        return true;
      case FaultKind::kEptNoWrite:
        entry &= ~kWrite.mask();
        if (final) ask_for(random_.coin() ? AccessKind::kWrite : AccessKind::kReadModifyWrite);
        return true;
      case FaultKind::kEptNoExecute:
        if (!final && !random_.one_in(4)) return false;
        entry &= ~kExecute.mask();
        if (final) ask_for(AccessKind::kFetch);
        return true;
      case FaultKind::kEptNoUserExecute:
        if (!mbe || (!final && !random_.one_in(4))) return false;
        entry &= ~kUserExecute.mask();
        if (final) ask_for(AccessKind::kFetch);
        return true;
      case FaultKind::kEptPagingWriteWithoutRead:
        if (!spot.leaf || !context_.controls.paging_write || !context_.cpu.execute_only) {
          return false;
        }
        entry = execute_only(entry) | kPagingWriteAccess.mask();
        return true;
      case FaultKind::kEptNoPagingWrite:
        if (final || !spot.leaf || !context_.controls.paging_write) return false;
        entry &= ~(kWrite.mask() | kPagingWriteAccess.mask());
        return true;
      case FaultKind::kEptNoPagingVerification:
        if (final || !spot.leaf || !context_.controls.guest_paging_verification) return false;
        entry = (entry & ~kPagingWriteAccess.mask()) | kWrite.mask();
        decides = final_leaf();
        return true;
      case FaultKind::kEptNoShadowStack:
        if (!final || !spot.leaf || !eptp::kSupervisorShadowStack.any(context_.eptp)) return false;
        entry &= ~kSupervisorShadowStack.mask();
        return true;
      default: return false;
    }
  }

  bool plant_guest(FaultKind kind, const Spot& spot, std::uint64_t& entry, mmu::Place& decides) {
    using namespace guest_entry;
    const unsigned level = spot.place.guest_level;
    const EntryLayout layout = guest_layout(context_, levels_, level, spot.leaf);
    const bool nxe = efer::kNxe.any(context_.efer);
    switch (kind) {
      case FaultKind::kGuestNotPresent: entry &= ~kPresent.mask(); return true;
      case FaultKind::kGuestReservedHigh: return set_one(entry, layout.reserved_high);
      case FaultKind::kGuestReservedLow: return set_one(entry, layout.reserved_low);
      case FaultKind::kGuestPageSizeUnsupported:
        if (level != 3) return false;
        entry |= kPageSize.mask();
        context_.cpu.guest_page_1g = false;
        return true;
      case FaultKind::kGuestExecuteDisableReserved:
        if (nxe || spot.size == 4) return false;
        entry |= kExecuteDisable.mask();
        return true;
      case FaultKind::kGuestReadOnly:
        entry &= ~kWritable.mask();
        ask_for(AccessKind::kWrite);
        return true;
      case FaultKind::kGuestSupervisor:
        entry &= ~kUser.mask();
        if (random_.coin()) test_.request.user = true;
        return true;
      case FaultKind::kGuestUser:
        if (!cr4::kSmep.any(context_.cr4) && !cr4::kSmap.any(context_.cr4)) return false;
        for (const Spot& other : spots_) {
          if (other.place.is_guest_entry()) other.set(test_, other.get(test_) | kUser.mask());
        }
        test_.request.user = false;
        if (cr4::kSmep.any(context_.cr4)) ask_for(AccessKind::kFetch);
        return true;
      case FaultKind::kGuestExecuteDisable:
        if (!nxe || spot.size == 4) return false;
        entry |= kExecuteDisable.mask();
        ask_for(AccessKind::kFetch);
        return true;
      case FaultKind::kGuestProtectionKey: {
        if (!spot.leaf || (!cr4::kPke.any(context_.cr4) && !cr4::kPks.any(context_.cr4))) {
          return false;
        }
        const auto denied =
            static_cast<std::uint32_t>((1 + random_.below(3)) << (2 * kProtectionKey.get(entry)));
        if (random_.coin()) context_.pkru |= denied;
        if (random_.coin()) context_.pkrs |= denied;
        return true;
      }
      case FaultKind::kGuestAddressTooWide: {
        const bool four = context_.ept_enabled && eptp::kWalkLength.get(context_.eptp) == 3;
        if (!four || context_.cpu.maxphyaddr <= 48 || levels_.narrow()) return false;
        const std::uint64_t wide = bits(context_.cpu.maxphyaddr - 1, 48);
        // What the address leads to is never read.
        decides.ept_level = 4;
        if (!levels_.legacy() && random_.one_in(8)) {
          decides.guest_level = static_cast<std::uint8_t>(levels_.guest);
          return set_one(spot.place.hlat ? context_.hlat_pointer : context_.cr3, wide);
        }
        decides.guest_level = static_cast<std::uint8_t>(spot.leaf ? 0 : level - 1);
        decides.hlat = spot.place.hlat && !spot.leaf;
        return set_one(entry, wide);
      }
      case FaultKind::kGuestNoShadowStack:
        if (!shadow_stack_access()) return false;
        switch (random_.below(3)) {
          case 0: entry = spot.leaf ? entry | kWritable.mask() : entry & ~kWritable.mask(); break;
          case 1: entry &= ~(spot.leaf ? kDirty : kWritable).mask(); break;
          default: test_.request.user = !test_.request.user; break;
        }
        return true;
      case FaultKind::kGuestShadowStack:
        if (!spot.leaf || shadow_stack_access()) return false;
        entry = (entry & ~kWritable.mask()) | kDirty.mask();
        ask_for(AccessKind::kWrite);
        return true;
      default: return false;
    }
  }

  bool plant_spp(FaultKind kind, const Spot& spot, std::uint64_t& entry, mmu::Place& decides) {
    constexpr std::uint64_t kOdd = 0xaaaa'aaaa'aaaa'aaaa;
    const bool vector = spot.place.spp_level == 1;
    switch (kind) {
      case FaultKind::kSppNotValid:
        if (vector) return false;
        entry = random_.coin() ? 0 : entry & ~std::uint64_t{1};
        break;
      case FaultKind::kSppReservedLow:
        if (vector || !set_one(entry, bits(11, 1))) return false;
        break;
      case FaultKind::kSppReservedHigh:
        if (vector || !set_one(entry, ~std::uint64_t{0} << context_.cpu.maxphyaddr)) return false;
        break;
      case FaultKind::kSppVectorOdd:
        if (!vector || !set_one(entry, kOdd)) return false;
        break;
      case FaultKind::kSppVectorDenies:
        // An ordinary violation, for which the leaf of the EPT answers.
        if (!vector) return false;
        entry &= random_.coin() ? 0 : random_.next();
        decides = {0, 1};
        break;
      default: return false;
    }
    ask_for(AccessKind::kWrite);
    return true;
  }

  /// The address that leads to `place` gets more than 48 bits.
  bool aim_too_wide(mmu::Place place) {
    const std::uint64_t wide = bits(context_.cpu.maxphyaddr - 1, 48);
    if (place.guest_level == levels_.guest) {
      if (!set_one(place.hlat ? context_.hlat_pointer : context_.cr3, wide)) return false;
    } else {
      const mmu::Place above{static_cast<std::uint8_t>(place.guest_level + 1), 0, place.hlat};
      const auto spot = std::ranges::find(spots_, above, &Spot::place);
      if (spot == spots_.end() || spot->size != 8) return false;
      if (spot->leaf != (place.guest_level == 0)) return false;
      std::uint64_t entry = spot->get(test_);
      if (!set_one(entry, wide)) return false;
      spot->set(test_, entry);
    }
    test_.planted.push_back({FaultKind::kGuestAddressTooWide, place});
    return true;
  }

  bool plant_register() {
    if (context_.pdptes && test_.request.linear && random_.coin()) {
      (*context_.pdptes)[test_.request.address >> 30 & 3] &= ~std::uint64_t{1};
      test_.planted.push_back({FaultKind::kPdpteNotPresent, {}});
      return true;
    }
    if (!context_.controls.pml) return false;
    constexpr std::uint16_t kFull = 0x200;
    context_.pml_index |= random_.one_in(4) ? std::uint16_t{0xffff} : kFull;
    test_.planted.push_back({FaultKind::kPmlFull, {}});
    return true;
  }

  bool plant_address() {
    if (!efer::kLma.any(context_.efer)) return false;
    if (cr4::kLass.any(context_.cr4) && random_.coin()) return plant_lass();
    test_.request.address ^= random_.bit_of(bits(63, linear_width() - 1));
    test_.planted.push_back({FaultKind::kNotCanonical, {}});
    return true;
  }

  /// The other half of the address space.
  bool plant_lass() {
    test_.request.address ^= ~std::uint64_t{0} << (linear_width() - 1);
    test_.planted.push_back({FaultKind::kLass, {}});
    return true;
  }

  unsigned linear_width() const { return cr4::kLa57.any(context_.cr4) ? 57 : 48; }

  bool shadow_stack_access() const {
    return test_.request.access == AccessKind::kShadowStackRead ||
           test_.request.access == AccessKind::kShadowStackWrite;
  }

  /// Of the EPT, for the access itself.
  mmu::Place final_leaf() const {
    for (const Spot& spot : spots_) {
      if (spot.leaf && spot.place.guest_level == 0 && spot.place.ept_level != 0) return spot.place;
    }
    return {};
  }

  /// Without R and W, but with a right to execute.
  std::uint64_t execute_only(std::uint64_t entry) {
    using namespace ept_entry;
    entry &= ~(kRead.mask() | kWrite.mask());
    const bool user = context_.controls.mode_based_execute && random_.coin();
    return entry | (user ? kUserExecute : kExecute).mask();
  }

  bool set_one(std::uint64_t& word, std::uint64_t candidates) {
    if (candidates == 0) return false;
    word |= random_.bit_of(candidates);
    return true;
  }

  void ask_for(AccessKind access) {
    if (random_.coin()) test_.request.access = access;
  }

  Random& random_;
  Levels levels_;
  const Spots& spots_;
  TestCase& test_;
  mmu::Context& context_;
};

}  // namespace

void plant_fault(Random& random, Levels levels, const Spots& spots, TestCase& test) {
  Planter planter(random, levels, spots, test);
  for (unsigned attempt = 0; attempt < 16 && !planter.try_once(); ++attempt) {
  }
}

void plant_fault_at(Random& random, Levels levels, const Spots& spots, mmu::Place place,
                    mmu::Reason reason, TestCase& test) {
  Planter(random, levels, spots, test).aim(place, reason);
}

}  // namespace eptsim::tb
