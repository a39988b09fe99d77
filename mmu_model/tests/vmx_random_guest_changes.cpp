#include <algorithm>

#include "mmu_model/tests/vmx_random_guest.hpp"

/// The changes that RandomGuest makes to tables, and the invalidations that they ask for.
namespace eptsim::mmu::test {
namespace {

namespace cr4 = arch::cr4;

/// Of INVEPT and INVVPID, host-physical.
constexpr std::uint64_t kDescriptor = 0x5000;

/// As many entries of either kind are out of order at a time: most accesses are to succeed.
constexpr std::ptrdiff_t kChangedEntries = 3;

/// Whether two paging modes share tables.
bool same_tables(PagingMode one, PagingMode other) {
  return one == other || (is_long(one) && is_long(other));
}

}  // namespace

enum class RandomGuest::Flush : std::uint8_t {
  kInvlpg,
  kInvpcidAddress,
  kInvpcidSingle,
  kInvpcidAll,
  kInvpcidAllButGlobals,
  kMovCr3,
  kMovCr4Pge,
  kMovCr4Smep,
  kInvvpidAddress,
  kInvvpidSingle,
  kInvvpidAll,
  kInvvpidSingleButGlobals,
  kVmTransition,
};

// --- Damage and its repair -----------------------------------------------------------------------

void RandomGuest::remember(const Change& change) {
  const bool known = std::ranges::any_of(
      changed_, [&](const Change& other) { return other.entry.hpa == change.entry.hpa; });
  if (!known) changed_.push_back(change);
}

std::optional<RandomGuest::Change> RandomGuest::take_changed(bool ept) {
  const auto fits = [&](const Change& change) {
    return change.ept.has_value() == ept && (ept || same_tables(change.mode, mode_));
  };
  const std::ptrdiff_t count = std::ranges::count_if(changed_, fits);
  if (count == 0 || (count < kChangedEntries && random_.one_in(2))) return std::nullopt;
  auto found = std::ranges::find_if(changed_, fits);
  for (auto skip = random_.below(static_cast<std::uint64_t>(count)); skip != 0; --skip) {
    found = std::find_if(found + 1, changed_.end(), fits);
  }
  const Change change = *found;
  changed_.erase(found);
  return change;
}

void RandomGuest::change_tables() {
  if (mode_ == PagingMode::kNone) return;
  if (const auto change = take_changed(false)) return mend_guest(*change);
  Change change{.address = any_linear(), .mode = mode_, .root = root_};
  if (change.address == kUnmapped) return;
  if (is_shared(change.address)) {
    change.root = TableRoot::kFirst;
  } else if (hlat_ && is_long(mode_) && random_.one_in(3)) {
    change.root = TableRoot::kHlat;
  } else if (has(cr4::kPcide) && random_.one_in(3)) {  // the process that does not run
    change.root = root_ == TableRoot::kFirst ? TableRoot::kSecond : TableRoot::kFirst;
  }
  // Not the PDPTEs, which are registers; not the roots' entries for what they share, since global
  // translations do without them.
  const unsigned top = is_shared(change.address) ? 3 : is_long(mode_) ? levels_of(mode_) : 2;
  unsigned level = leaf_level(change.address);
  if (random_.one_in(2)) level += static_cast<unsigned>(random_.below(top - level + 1));
  change.entry = guest_entry(cached_.memory, mode_, change.root, change.address, level);
  change.good = load(change.entry);
  remember(change);
  store(change.entry, damaged_guest_entry(change));
  invalidate(change);
}

std::uint64_t RandomGuest::damaged_guest_entry(const Change& change) {
  const bool wide = mode_ != PagingMode::k32Bit;
  const bool large_32_bit = !wide && is_large(change.address);
  const std::uint64_t value = change.good;
  switch (random_.below(change.is_leaf() ? 9 : 8)) {
    case 0: return value & ~kP;
    case 1: return value ^ kGuestW;
    case 2: return value ^ kU;
    case 3: return value & ~kA;
    case 4: return wide ? value ^ kNx : value ^ kGuestW;
    case 5: return wide ? value | kReserved : value & ~kP;
    case 6:
    case 7:
      if (change.is_leaf()) {
        if (large_32_bit) return value & ~kP;
        return (value & ~kFrame & (wide ? ~std::uint64_t{0} : 0xfff)) |
               any_frame(change.entry.level, random_);
      }
      // The other table of small pages, if there is another.
      return change.entry.level == 2 && !is_shared(change.address) ? value ^ kOtherTable
                                                                   : value & ~kP;
    default: return is_long(mode_) && random_.one_in(2) ? value ^ (1ull << 60) : value & ~kD;
  }
}

void RandomGuest::mend_guest(const Change& change) {
  const std::uint64_t old = load(change.entry);
  const bool cached = (old & kP) != 0 && (change.entry.size == 4 || (old & kReserved) == 0);
  store(change.entry, change.good);
  if (!cached && random_.one_in(2)) {
    ++counts_.not_invalidated;
  } else {
    invalidate(change);
  }
}

void RandomGuest::change_ept() {
  if (const auto change = take_changed(true)) {
    return in_hypervisor([&] { mend_ept(*change); });
  }
  in_hypervisor([&] {
    Change change{.ept = static_cast<unsigned>(random_.below(2))};
    // What global translations of another process do without stays as it is.
    const bool tables = !features_.globals && random_.one_in(3);
    change.address = tables ? random_.below(kTablePages) * k4K : any_frame(1, random_);
    const unsigned level =
        random_.one_in(3) ? 1 + static_cast<unsigned>(random_.below(features_.ept_levels)) : 1;
    change.entry =
        ept_entry(cached_.memory, *change.ept, features_.ept_levels, change.address, level);
    change.good = load(change.entry);
    remember(change);
    store(change.entry, damaged_ept_entry(change));
    invept(*change.ept);
  });
}

std::uint64_t RandomGuest::damaged_ept_entry(const Change& change) {
  const std::uint64_t value = change.good;
  const bool leaf = change.entry.level == 1 || (value & kLarge) != 0;
  const bool data = change.address >= kDataBegin;
  switch (random_.below(leaf ? (data ? 10 : 8) : 6)) {
    case 0: return value & ~kEptRights;
    case 1: return value & ~kW;
    case 2: return value & ~kX;
    case 3: return value ^ kXu;
    case 4: return value | kReserved;
    case 5: return value & ~kEptA;
    case 6: return value & ~kEptD;
    case 7: return value ^ kSuppressVe;
    default: return value ^ kDataHost[0] ^ kDataHost[1];
  }
}

/// In VMX root operation.
void RandomGuest::mend_ept(const Change& change) {
  const std::uint64_t old = load(change.entry);
  store(change.entry, change.good);
  const bool cached = (old & kEptRights) != 0 && (old & kReserved) == 0;
  if (!cached && random_.one_in(2)) {
    ++counts_.not_invalidated;
  } else {
    invept(*change.ept);
  }
}

// --- Invalidation --------------------------------------------------------------------------------

/// The pages whose translations go through the entry, of those that are used.
std::vector<std::uint64_t> RandomGuest::pages_of(const Change& change) const {
  if (change.is_leaf()) return {change.address};
  std::vector<std::uint64_t> pages = {kUnmapped};
  for (std::uint64_t page = 0; page < kSmallPages; ++page) pages.push_back(kSmall + page * k4K);
  if (is_shared(change.address)) {
    for (std::uint64_t& page : pages) page += kShared - kSmall;
  }
  return pages;
}

// SDM 5.10.4, 31.4.3.3.
std::vector<RandomGuest::Flush> RandomGuest::sufficient(const Change& change) const {
  const bool few_pages = change.entry.level <= 2;
  const bool shared = is_shared(change.address);
  // Whether translations of every process may come from the entry, and global ones.
  const bool everyone = (shared || change.root == TableRoot::kHlat) && has(cr4::kPcide);
  const bool own = !everyone && pcid_of(change.root) == pcid_of(root_);
  const bool global = features_.globals && has(cr4::kPge) && (shared || !is_long(mode_));
  const bool all_global = global && change.is_leaf() && (change.good & kGlobal) != 0;
  std::vector<Flush> choices = {Flush::kInvpcidAll, Flush::kMovCr4Pge};
  const auto add = [&](bool suffices, Flush choice) {
    if (suffices) choices.push_back(choice);
  };
  add(few_pages && own, Flush::kInvlpg);
  // The one way in which an instruction of one process reaches what another has cached: often.
  for (unsigned i = 0; i < 6; ++i) add(everyone && all_global, Flush::kInvlpg);
  add(few_pages && !everyone && !global, Flush::kInvpcidAddress);
  add(!everyone && !global, Flush::kInvpcidSingle);
  add(!global, Flush::kInvpcidAllButGlobals);
  add(own && !global, Flush::kMovCr3);
  add(own && !global && !has(cr4::kSmep), Flush::kMovCr4Smep);
  add(vpid() != 0 && few_pages, Flush::kInvvpidAddress);
  add(vpid() != 0, Flush::kInvvpidSingle);
  add(vpid() != 0, Flush::kInvvpidAll);
  add(vpid() != 0 && !global, Flush::kInvvpidSingleButGlobals);
  add(vpid() == 0, Flush::kVmTransition);
  return choices;
}

void RandomGuest::invalidate(const Change& change) {
  if (flush(change, random_.any(sufficient(change)))) return;
  in_hypervisor([&] {
    if (vpid() != 0) invvpid(InvvpidType::kSingle, vpid(), 0);
  });
}

bool RandomGuest::flush(const Change& change, Flush how) {
  const auto for_each_page = [&](auto&& instruction) {
    return std::ranges::all_of(pages_of(change), instruction);
  };
  const auto mov_to_cr4 = [&](std::uint64_t value) {
    return static_cast<bool>(
        both("MOV to CR4", [&](Side& side) { return side.cpu.mov_to_cr4(value); }));
  };
  const auto in_root = [&](InvvpidType type) {
    in_hypervisor([&] { invvpid(type, vpid(), 0); });
    return true;
  };
  const std::uint64_t pcid = pcid_of(change.root), old_cr4 = registers().cr4;
  switch (how) {
    case Flush::kInvlpg:
      return for_each_page([&](std::uint64_t page) {
        // Any address of the page will do.
        if (is_large(page)) page = kLargePage + random_.below(k2M);
        return static_cast<bool>(both("INVLPG", [&](Side& side) { return side.cpu.invlpg(page); }));
      });
    case Flush::kInvpcidAddress:
      return for_each_page(
          [&](std::uint64_t page) { return invpcid(InvpcidType::kAddress, pcid, page); });
    case Flush::kInvpcidSingle: return invpcid(InvpcidType::kSingle, pcid, 0);
    case Flush::kInvpcidAll: return invpcid(InvpcidType::kAllWithGlobals, 0, 0);
    case Flush::kInvpcidAllButGlobals: return invpcid(InvpcidType::kAllButGlobals, 0, 0);
    case Flush::kMovCr3:
      return static_cast<bool>(
          both("MOV to CR3", [&](Side& side) { return side.cpu.mov_to_cr3(cr3_of(root_)); }));
    case Flush::kMovCr4Pge: return mov_to_cr4(old_cr4 ^ cr4::kPge.mask()) && mov_to_cr4(old_cr4);
    case Flush::kMovCr4Smep: return mov_to_cr4(old_cr4 | cr4::kSmep.mask());
    case Flush::kInvvpidAddress:
      in_hypervisor([&] {
        for (const std::uint64_t page : pages_of(change)) {
          invvpid(InvvpidType::kAddress, vpid(), page);
        }
      });
      return true;
    case Flush::kInvvpidSingle: return in_root(InvvpidType::kSingle);
    case Flush::kInvvpidAll: return in_root(InvvpidType::kAll);
    case Flush::kInvvpidSingleButGlobals: return in_root(InvvpidType::kSingleButGlobals);
    case Flush::kVmTransition: call_hypervisor(); return true;
  }
  return false;
}

/// Of an address or a PCID that nobody asked about: may change nothing.
void RandomGuest::invalidate_needlessly() {
  const std::uint64_t linear = any_linear();
  both("INVLPG", [&](Side& side) { return side.cpu.invlpg(linear); });
  invpcid(InvpcidType::kSingle, has(cr4::kPcide) ? random_.below(2) : 0, 0);
}

bool RandomGuest::invpcid(InvpcidType type, std::uint64_t pcid, std::uint64_t linear) {
  store({.hpa = kOperandsHost}, pcid);
  store({.hpa = kOperandsHost + 8}, linear);
  return static_cast<bool>(both("INVPCID", [&](Side& side) {
    return side.cpu.invpcid(static_cast<std::uint64_t>(type), operands_of(mode_));
  }));
}

void RandomGuest::invvpid(InvvpidType type, std::uint64_t vpid, std::uint64_t linear) {
  store({.hpa = kDescriptor}, vpid);
  store({.hpa = kDescriptor + 8}, linear);
  execute("INVVPID", [&](Side& side) {
    return side.cpu.invvpid(static_cast<std::uint64_t>(type), kDescriptor);
  });
}

/// Of the EPT, or of all.
void RandomGuest::invept(unsigned ept) {
  const InveptType type = random_.one_in(3) ? InveptType::kAll : InveptType::kSingle;
  store({.hpa = kDescriptor}, eptp_of(ept));
  execute("INVEPT", [&](Side& side) {
    return side.cpu.invept(static_cast<std::uint64_t>(type), kDescriptor);
  });
}

}  // namespace eptsim::mmu::test
