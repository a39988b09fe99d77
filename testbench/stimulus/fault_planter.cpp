#include "testbench/stimulus/fault_planter.hpp"

#include <algorithm>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {
namespace {

using namespace arch;
using Spots = std::vector<TableBuilder::Spot>;

/// One attempt: each function says whether the fault can be there at all.
class Planter {
 public:
  Planter(Random& random, const Spots& spots, TestCase& test)
      : random_(random), spots_(spots), test_(test), context_(test.context) {}

  bool try_once() {
    if (test_.request.linear && random_.one_in(24)) return plant_address();
    if (spots_.empty()) return false;
    // Far places more often: much can end the walk before them.
    const std::uint64_t from_start =
        std::max(random_.below(spots_.size()), random_.coin() ? random_.below(spots_.size()) : 0);
    const TableBuilder::Spot& spot = spots_[from_start];
    std::uint64_t& entry = test_.image[spot.word].value;
    const auto first =
        spot.place.is_guest_entry() ? FaultKind::kGuestNotPresent : FaultKind::kEptNotPresent;
    const auto last = spot.place.is_guest_entry() ? FaultKind::kGuestAddressTooWide
                                                  : FaultKind::kEptNoUserExecute;
    const unsigned count = static_cast<unsigned>(last) - static_cast<unsigned>(first) + 1;
    const auto kind = static_cast<FaultKind>(static_cast<unsigned>(first) + random_.below(count));
    mmu::Place decides = spot.place;
    const bool done = spot.place.is_guest_entry() ? plant_guest(kind, spot, entry, decides)
                                                  : plant_ept(kind, spot, entry);
    if (done) test_.planted.push_back({kind, decides});
    return done;
  }

 private:
  bool plant_ept(FaultKind kind, const TableBuilder::Spot& spot, std::uint64_t& entry) {
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
      default: return false;
    }
  }

  /// `decides`: the place of the entry at which the walk will end, if it is another.
  bool plant_guest(FaultKind kind, const TableBuilder::Spot& spot, std::uint64_t& entry,
                   mmu::Place& decides) {
    using namespace guest_entry;
    const unsigned level = spot.place.guest_level;
    const EntryLayout layout = guest_layout(context_, level, spot.leaf);
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
        if (nxe) return false;
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
        for (const TableBuilder::Spot& other : spots_) {
          if (other.place.is_guest_entry()) test_.image[other.word].value |= kUser.mask();
        }
        test_.request.user = false;
        if (cr4::kSmep.any(context_.cr4)) ask_for(AccessKind::kFetch);
        return true;
      case FaultKind::kGuestExecuteDisable:
        if (!nxe) return false;
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
        if (!four || context_.cpu.maxphyaddr <= 48) return false;
        const std::uint64_t wide = bits(context_.cpu.maxphyaddr - 1, 48);
        // What the address leads to is never read.
        if (random_.one_in(8)) {
          decides = {static_cast<std::uint8_t>(cr4::kLa57.any(context_.cr4) ? 5 : 4), 4};
          return set_one(context_.cr3, wide);
        }
        decides = {static_cast<std::uint8_t>(spot.leaf ? 0 : level - 1), 4};
        return set_one(entry, wide);
      }
      default: return false;
    }
  }

  bool plant_address() {
    if (!efer::kLma.any(context_.efer)) return false;
    const unsigned width = cr4::kLa57.any(context_.cr4) ? 57 : 48;
    std::uint64_t& address = test_.request.address;
    FaultKind kind = FaultKind::kNotCanonical;
    if (cr4::kLass.any(context_.cr4) && random_.coin()) {
      kind = FaultKind::kLass;
      address ^= ~std::uint64_t{0} << (width - 1);
    } else {
      address ^= random_.bit_of(bits(63, width - 1));
    }
    test_.planted.push_back({kind, {}});
    return true;
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
  const Spots& spots_;
  TestCase& test_;
  mmu::Context& context_;
};

}  // namespace

std::string_view name(FaultKind kind) {
  switch (kind) {
    case FaultKind::kEptNotPresent: return "ept_not_present";
    case FaultKind::kEptWriteWithoutRead: return "ept_write_without_read";
    case FaultKind::kEptExecuteOnlyUnsupported: return "ept_execute_only_unsupported";
    case FaultKind::kEptReservedHigh: return "ept_reserved_high";
    case FaultKind::kEptReservedLow: return "ept_reserved_low";
    case FaultKind::kEptPageSizeUnsupported: return "ept_page_size_unsupported";
    case FaultKind::kEptMemoryType: return "ept_memory_type";
    case FaultKind::kEptNoRead: return "ept_no_read";
    case FaultKind::kEptNoWrite: return "ept_no_write";
    case FaultKind::kEptNoExecute: return "ept_no_execute";
    case FaultKind::kEptNoUserExecute: return "ept_no_user_execute";
    case FaultKind::kGuestNotPresent: return "guest_not_present";
    case FaultKind::kGuestReservedHigh: return "guest_reserved_high";
    case FaultKind::kGuestReservedLow: return "guest_reserved_low";
    case FaultKind::kGuestPageSizeUnsupported: return "guest_page_size_unsupported";
    case FaultKind::kGuestExecuteDisableReserved: return "guest_execute_disable_reserved";
    case FaultKind::kGuestReadOnly: return "guest_read_only";
    case FaultKind::kGuestSupervisor: return "guest_supervisor";
    case FaultKind::kGuestUser: return "guest_user";
    case FaultKind::kGuestExecuteDisable: return "guest_execute_disable";
    case FaultKind::kGuestProtectionKey: return "guest_protection_key";
    case FaultKind::kGuestAddressTooWide: return "guest_address_too_wide";
    case FaultKind::kNotCanonical: return "not_canonical";
    case FaultKind::kLass: return "lass";
  }
  return "?";
}

void plant_fault(Random& random, const Spots& spots, TestCase& test) {
  Planter planter(random, spots, test);
  for (unsigned attempt = 0; attempt < 16 && !planter.try_once(); ++attempt) {
  }
}

}  // namespace eptsim::tb
