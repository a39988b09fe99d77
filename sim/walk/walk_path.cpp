#include "sim/walk/walk_path.hpp"

#include <fmt/format.h>

#include <array>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::sim {
namespace {

using arch::BitField;

constexpr std::uint64_t kPageOffset = 0xfff;

/// How the guest's tables are built (SDM 5.1).
struct GuestPaging {
  bool on = false;
  bool narrow = false;       ///< 32-bit paging: entries of 4 bytes
  bool large_pages = false;  ///< bit 7 of a PDE maps a page
  bool gigantic_pages = false;

  explicit GuestPaging(const mmu::Context& context) {
    on = arch::cr0::kPg.any(context.cr0);
    narrow = on && !arch::cr4::kPae.any(context.cr4);
    large_pages = !narrow || arch::cr4::kPse.any(context.cr4);
    gigantic_pages = arch::efer::kLma.any(context.efer) && context.cpu.guest_page_1g;
  }

  unsigned index(std::uint64_t linear, unsigned level) const {
    const unsigned width = narrow ? 10 : 9;
    return static_cast<unsigned>(linear >> (12 + width * (level - 1))) & ((1u << width) - 1);
  }
  unsigned entry_bytes() const { return narrow ? 4 : 8; }
};

void describe_ept_entry(const mmu::Context& context, Visit& visit) {
  const std::uint64_t entry = visit.reference.value;
  visit.present = (entry & (context.controls.mode_based_execute ? 0x407u : 0x7u)) != 0;
  visit.leaf =
      visit.level == 1 ||
      (arch::ept_entry::kPageSize.any(entry) &&
       ((visit.level == 2 && context.cpu.page_2m) || (visit.level == 3 && context.cpu.page_1g)));
  visit.target = entry & arch::ept_entry::kAddress.mask();
  if (visit.leaf) {
    visit.page = arch::page_of_level(visit.level);
    visit.target &= ~(arch::bytes(*visit.page) - 1);
  }
}

void describe_guest_entry(const GuestPaging& paging, Visit& visit) {
  const std::uint64_t entry = visit.reference.value;
  visit.present = arch::guest_entry::kPresent.any(entry);
  visit.leaf =
      visit.level == 1 ||
      (arch::guest_entry::kPageSize.any(entry) &&
       ((visit.level == 2 && paging.large_pages) || (visit.level == 3 && paging.gigantic_pages)));
  visit.target = entry & (paging.narrow ? BitField{31, 12} : arch::guest_entry::kAddress).mask();
  if (!visit.leaf) return;
  if (paging.narrow && visit.level == 2) {  // PSE-36 (SDM 5.3)
    visit.page = arch::PageSize::k4M;
    visit.target = (entry & BitField{31, 22}.mask()) | BitField{20, 13}.get(entry) << 32;
    return;
  }
  visit.page = arch::page_of_level(visit.level);
  visit.target &= ~(arch::bytes(*visit.page) - 1);
}

/// Follows the references of a walk and keeps account of which guest-physical address each is for.
class Path {
 public:
  Path(const mmu::Context& context, const mmu::Request& request)
      : context_(context), paging_(context), request_(request), linear_(request.address) {}

  void take(const mmu::Reference& reference) {
    if (begins_column(reference.place)) begin_column(reference);
    last_ = reference.place;
    Visit visit{.reference = reference};
    const mmu::Place place = reference.place;
    WalkColumn& column = columns_.back();
    if (place.spp_level != 0) {
      visit.table = TableKind::kSpp;
      visit.level = place.spp_level;
      visit.present = visit.level == 1 || (reference.value & 1) != 0;
      visit.leaf = visit.level == 1;
      visit.target = reference.value & arch::ept_entry::kAddress.mask();
    } else if (place.ept_level != 0) {
      visit.table = TableKind::kEpt;
      visit.level = place.ept_level;
      describe_ept_entry(context_, visit);
    } else {
      visit.table = place.hlat ? TableKind::kHlat : TableKind::kGuest;
      visit.level = place.guest_level;
      describe_guest_entry(paging_, visit);
      guest_ = visit;
    }
    const unsigned bytes = visit.is_guest() ? paging_.entry_bytes() : 8;
    visit.index = static_cast<unsigned>(reference.address & kPageOffset) / bytes;
    column.visits.push_back(visit);
  }

  std::vector<WalkColumn> take_columns() { return std::move(columns_); }

 private:
  bool begins_column(mmu::Place place) const {
    if (!last_) return true;
    if (place.spp_level != 0) return false;  // the last page's own permissions
    return place.guest_level != last_->guest_level || place.hlat != last_->hlat ||
           last_->spp_level != 0 || place.ept_level >= last_->ept_level;
  }

  void begin_column(const mmu::Reference& reference) {
    const mmu::Place place = reference.place;
    // The upper page begins where the levels rise again, but for a restart from CR3.
    if (last_ && place.guest_level >= last_->guest_level && !(last_->hlat && !place.hlat)) {
      linear_ = (request_.address | kPageOffset) + 1;
      guest_.reset();
    }
    if (last_ && last_->hlat && !place.hlat && place.guest_level != 0) guest_.reset();
    columns_.push_back({.table = place.hlat ? TableKind::kHlat : TableKind::kGuest,
                        .guest_level = place.guest_level,
                        .linear = linear_,
                        .gpa = gpa_of(reference)});
  }

  /// The guest-physical address that a new column is about.
  std::uint64_t gpa_of(const mmu::Reference& reference) const {
    const mmu::Place place = reference.place;
    if (!context_.ept_enabled) return reference.address;
    if (place.guest_level != 0) {
      return table_of(place) +
             std::uint64_t{paging_.index(linear_, place.guest_level)} * paging_.entry_bytes();
    }
    if (!guest_) return linear_;
    return guest_->target |
           (linear_ & (arch::bytes(guest_->page.value_or(arch::PageSize::k4K)) - 1));
  }

  /// The guest table that holds the entry at `place`: the first of the walk, or what the entry
  /// before led to.
  std::uint64_t table_of(mmu::Place place) const {
    if (guest_) return guest_->target;
    if (place.hlat) return context_.hlat_pointer & arch::cr3::kAddress.mask();
    if (context_.pdptes) {
      return (*context_.pdptes)[linear_ >> 30 & 3] & arch::guest_entry::kAddress.mask();
    }
    return context_.cr3 & (paging_.narrow ? BitField{31, 12} : arch::cr3::kAddress).mask();
  }

  const mmu::Context& context_;
  GuestPaging paging_;
  mmu::Request request_;
  std::uint64_t linear_;
  std::optional<mmu::Place> last_;
  std::optional<Visit> guest_;  ///< the guest entry read last
  std::vector<WalkColumn> columns_;
};

}  // namespace

std::string Visit::name() const {
  constexpr std::array<std::string_view, 6> kEntries = {"",      "PTE",   "PDE",
                                                        "PDPTE", "PML4E", "PML5E"};
  switch (table) {
    case TableKind::kGuest: return fmt::format("guest {}", kEntries.at(level));
    case TableKind::kHlat: return fmt::format("HLAT {}", kEntries.at(level));
    case TableKind::kEpt: return fmt::format("EPT {}", kEntries.at(level));
    case TableKind::kSpp: break;
  }
  return level == 1 ? "SPP vector" : fmt::format("SPP L{}E", level);
}

std::vector<WalkColumn> walk_path(const mmu::Context& context, const mmu::Request& request,
                                  const mmu::Recording& recording) {
  Path path(context, request);
  for (const mmu::Reference& reference : recording.references) path.take(reference);
  return path.take_columns();
}

}  // namespace eptsim::sim
