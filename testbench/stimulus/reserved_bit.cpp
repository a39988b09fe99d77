#include "testbench/stimulus/reserved_bit.hpp"

#include <array>
#include <bit>

#include "ept/arch/registers.hpp"

namespace eptsim::tb {

namespace {

using Tables = EntryKind::Tables;

constexpr std::uint64_t kPageSize = bits(7, 7);
constexpr std::uint64_t kExecuteDisable = bits(63, 63);
constexpr std::uint64_t kAddressWidth = bits(51, 32);  // no processor has less than 32 bits

struct KindFact {
  EntryKind kind;
  const char* name;
  std::uint64_t reserved;
};

/// SDM tables 31-1 to 31-6, 5-4 to 5-6 and 5-8 to 5-20. Bit 7 is reserved in a table's entry where
/// there may be no page, be it that the processor lacks that size; bit 63 where NXE is 0.
constexpr std::array kKinds{
    KindFact{{Tables::kEpt, 5}, "EPT L5", kAddressWidth | bits(7, 3)},
    KindFact{{Tables::kEpt, 4}, "EPT L4", kAddressWidth | bits(7, 3)},
    KindFact{{Tables::kEpt, 3}, "EPT L3, table", kAddressWidth | bits(7, 3)},
    KindFact{{Tables::kEpt, 3, true}, "EPT L3, page", kAddressWidth | bits(29, 12)},
    KindFact{{Tables::kEpt, 2}, "EPT L2, table", kAddressWidth | bits(7, 3)},
    KindFact{{Tables::kEpt, 2, true}, "EPT L2, page", kAddressWidth | bits(20, 12)},
    KindFact{{Tables::kEpt, 1}, "EPT L1", kAddressWidth},
    KindFact{{Tables::kLongMode, 5}, "guest L5", kAddressWidth | kPageSize | kExecuteDisable},
    KindFact{{Tables::kLongMode, 4}, "guest L4", kAddressWidth | kPageSize | kExecuteDisable},
    KindFact{
        {Tables::kLongMode, 3}, "guest L3, table", kAddressWidth | kPageSize | kExecuteDisable},
    KindFact{{Tables::kLongMode, 3, true},
             "guest L3, page",
             kAddressWidth | bits(29, 13) | kExecuteDisable},
    KindFact{{Tables::kLongMode, 2}, "guest L2, table", kAddressWidth | kExecuteDisable},
    KindFact{{Tables::kLongMode, 2, true},
             "guest L2, page",
             kAddressWidth | bits(20, 13) | kExecuteDisable},
    KindFact{{Tables::kLongMode, 1}, "guest L1", kAddressWidth | kExecuteDisable},
    KindFact{{Tables::kPae, 2}, "PAE L2, table", kAddressWidth | bits(63, 52)},
    KindFact{{Tables::kPae, 2, true}, "PAE L2, page", kAddressWidth | bits(20, 13) | bits(63, 52)},
    KindFact{{Tables::kPae, 1}, "PAE L1", kAddressWidth | bits(63, 52)},
    KindFact{{Tables::kNarrow, 2, true}, "32-bit L2, page", bits(21, 13)},
};

Levels levels_of(const mmu::Context& context) {
  Levels levels;
  levels.guest = 0;
  if (arch::efer::kLma.any(context.efer)) {
    levels.guest = arch::cr4::kLa57.any(context.cr4) ? 5 : 4;
  } else if (arch::cr0::kPg.any(context.cr0)) {
    levels.guest = 2;
    levels.pae = arch::cr4::kPae.any(context.cr4);
  }
  return levels;
}

EntryKind ept_kind(const mmu::Context& context, unsigned level, std::uint64_t entry) {
  const bool large = (entry & kPageSize) != 0;
  return {Tables::kEpt, level,
          large && ((level == 2 && context.cpu.page_2m) || (level == 3 && context.cpu.page_1g))};
}

EntryKind guest_kind(const mmu::Context& context, Levels levels, unsigned level,
                     std::uint64_t entry) {
  const bool large = (entry & kPageSize) != 0;
  if (levels.narrow()) {
    return {Tables::kNarrow, level, large && level == 2 && arch::cr4::kPse.any(context.cr4)};
  }
  return {levels.pae ? Tables::kPae : Tables::kLongMode, level,
          large && (level == 2 || (level == 3 && context.cpu.guest_page_1g))};
}

}  // namespace

std::string name(const ReservedBit& bit) {
  for (const KindFact& fact : kKinds) {
    if (fact.kind == bit.kind) return std::string(fact.name) + ", bit " + std::to_string(bit.bit);
  }
  return "?";
}

std::vector<ReservedBit> reserved_bits() {
  std::vector<ReservedBit> result;
  for (const KindFact& fact : kKinds) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      if ((fact.reserved >> bit & 1) != 0) result.push_back({fact.kind, bit});
    }
  }
  return result;
}

std::optional<ReservedBit> refused_for(const mmu::Context& context, const mmu::Outcome& outcome) {
  const std::uint64_t entry = outcome.entry;
  EntryKind kind;
  std::uint64_t reserved = 0;
  if (outcome.reason == mmu::Reason::kEptReservedBit) {
    kind = ept_kind(context, outcome.place.ept_level, entry);
    const bool leaf = kind.leaf || kind.level == 1;
    const EntryLayout layout = ept_layout(context, kind.level, leaf);
    reserved = layout.reserved_high | layout.reserved_low;
    if (!leaf) reserved |= kPageSize;
  } else if (outcome.reason == mmu::Reason::kGuestReservedBit) {
    const Levels levels = levels_of(context);
    kind = guest_kind(context, levels, outcome.place.guest_level, entry);
    const bool leaf = kind.leaf || kind.level == 1;
    const EntryLayout layout = guest_layout(context, levels, kind.level, leaf);
    reserved = layout.reserved_high | layout.reserved_low;
    if (!leaf && kind.level == 3) reserved |= kPageSize;
    const bool execute_disable = arch::efer::kNxe.any(context.efer);
    if (!levels.narrow() && !execute_disable) reserved |= kExecuteDisable;
  }
  const std::uint64_t set = entry & reserved;
  if (std::popcount(set) != 1) return std::nullopt;
  return ReservedBit{kind, static_cast<unsigned>(std::countr_zero(set))};
}

}  // namespace eptsim::tb
