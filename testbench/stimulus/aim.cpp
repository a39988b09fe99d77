#include "testbench/stimulus/aim.hpp"

#include <algorithm>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::tb {

void set_context(const Aim& aim, mmu::Context& context) {
  using mmu::Reason;
  if (aim.reason == Reason::kEptNotReadable || aim.reason == Reason::kEptPagingWriteWithoutRead) {
    context.cpu.execute_only = true;
  }
  // Above the width there must be a bit that entries have.
  if (aim.reason == Reason::kEptReservedBit) context.cpu.maxphyaddr = 51;
  if (aim.reason == Reason::kEptNotWritable || aim.reason == Reason::kPmlIndex) {
    context.eptp |= arch::eptp::kAccessedDirty.mask();
  }
  if (aim.reason == Reason::kLass) {
    context.cr4 |= arch::cr4::kLass.mask() | arch::cr4::kSmap.mask();
    context.rflags_ac = false;
  }
  if (aim.reason == Reason::kGuestProtectionKey) {
    context.cr4 |= (aim.user ? arch::cr4::kPke : arch::cr4::kPks).mask();
  }
}

mmu::Capabilities capabilities_for(Random& random, Features features, const ReservedBit& reserved) {
  constexpr unsigned kLeast = 32;
  constexpr unsigned kMost = 52;
  unsigned most = kMost;
  if (reserved.of_address_width()) most = reserved.bit;
  // Bit 13 of a 4 MiB page is address bit 32.
  const bool narrow = reserved.kind.tables == EntryKind::Tables::kNarrow;
  if (narrow && reserved.bit <= 20) most = std::min(reserved.bit + 19, 39u);
  mmu::Capabilities cpu{
      .maxphyaddr = kLeast + static_cast<unsigned>(random.below(most - kLeast + 1)),
      .execute_only = features.has(Feature::kExecuteOnly),
      .page_1g = true,
      .page_2m = true,
      .guest_page_1g = true};
  if (reserved.bit == 7) {
    const bool ept = reserved.kind.tables == EntryKind::Tables::kEpt;
    if (reserved.kind.level == 2) cpu.page_2m = false;
    if (reserved.kind.level == 3) (ept ? cpu.page_1g : cpu.guest_page_1g) = false;
  }
  return cpu;
}

void plant_reserved_bit(const std::vector<Spot>& spots, const ReservedBitAim& aim, TestCase& test) {
  const auto spot = std::ranges::find(spots, aim.place, &Spot::place);
  if (spot == spots.end()) return;
  const unsigned bit = aim.reserved.bit;
  spot->set(test, spot->get(test) | std::uint64_t{1} << bit);
  const bool ept = aim.place.ept_level != 0;
  FaultKind kind = ept ? FaultKind::kEptReservedLow : FaultKind::kGuestReservedLow;
  if (bit >= 32) kind = ept ? FaultKind::kEptReservedHigh : FaultKind::kGuestReservedHigh;
  if (bit == 63) kind = FaultKind::kGuestExecuteDisableReserved;
  test.planted.push_back({kind, aim.place});
}

}  // namespace eptsim::tb
