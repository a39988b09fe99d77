#include "ept/guest_tables.hpp"

#include <array>
#include <utility>

#include "ept/guest_format.hpp"
#include "ept/table_access.hpp"

namespace eptsim::ept {

using namespace arch::guest_entry;
using arch::AccessKind;
using arch::Gpa;
using arch::Gva;
using arch::Hpa;
using arch::PageSize;
using tl::unexpected;

namespace {

constexpr std::uint64_t kFourGiB = std::uint64_t{1} << 32;

/// A frame whose address fits where it is to be written.
std::optional<Gpa> frame_below(GuestFrameAllocator& frames, std::uint64_t limit) {
  const auto frame = frames.allocate();
  if (frame && frame->value() >= limit) {
    frames.free(*frame);
    return std::nullopt;
  }
  return frame;
}

}  // namespace

std::optional<Hpa> EptGuestPhysicalMap::host_address(Gpa gpa, AccessKind) {
  const auto leaf = table_->walk(gpa);
  if (!leaf) return std::nullopt;
  return leaf->hpa_of(gpa);
}

tl::expected<GuestTables, GuestCreateError> GuestTables::create(arch::PhysicalMemory& memory,
                                                                GuestPhysicalMap& where,
                                                                GuestFrameAllocator& frames,
                                                                const GuestSettings& settings) {
  if (settings.mode == PagingMode::kNone || settings.maxphyaddr < 32 || settings.maxphyaddr > 52) {
    return unexpected(GuestCreateError::kBadSettings);
  }
  const bool long_mode =
      settings.mode == PagingMode::k4Level || settings.mode == PagingMode::k5Level;
  const auto root =
      frame_below(frames, long_mode ? std::uint64_t{1} << settings.maxphyaddr : kFourGiB);
  if (!root) return unexpected(GuestCreateError::kOutOfMemory);
  const auto host = where.host_address(*root, AccessKind::kWrite);
  if (!host) {
    frames.free(*root);
    return unexpected(GuestCreateError::kNotBacked);
  }
  fill_table(memory, *host, TableContent{});
  return GuestTables(memory, where, frames, settings, *root);
}

GuestTables::~GuestTables() {
  if (memory_ != nullptr) free_tables(root_, guest::Format(settings_.mode).levels());
}

GuestTables::GuestTables(GuestTables&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      where_(other.where_),
      frames_(other.frames_),
      settings_(other.settings_),
      root_(other.root_) {}

GuestTables& GuestTables::operator=(GuestTables&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(where_, other.where_);
  std::swap(frames_, other.frames_);
  std::swap(settings_, other.settings_);
  std::swap(root_, other.root_);
  return *this;
}

tl::expected<void, GuestMapError> GuestTables::map(Gva gva, Gpa gpa, const GuestPage& page) {
  const guest::Format format(settings_.mode);
  const unsigned level = leaf_level(page.size);
  if (level == 0) return unexpected(GuestMapError::kPageSizeNotInMode);
  const std::uint64_t bytes = arch::bytes(page.size);
  if (!gva.is_aligned(bytes) || !gpa.is_aligned(bytes)) {
    return unexpected(GuestMapError::kUnaligned);
  }
  if (!is_linear_address(gva)) return unexpected(GuestMapError::kNotCanonical);
  if (gpa.value() >> format.address_width(page.size, settings_.maxphyaddr) != 0) {
    return unexpected(GuestMapError::kAddressTooWide);
  }
  const bool has_keys = format.levels() >= 4;
  if (page.protection_key > (has_keys ? 15 : 0) ||
      (page.execute_disable && format.entry_bytes() == 4)) {
    return unexpected(GuestMapError::kBadAttribute);
  }

  const auto slot = find(gva, level);
  if (!slot) return unexpected(GuestMapError::kNotBacked);
  if (is_table(slot->entry, slot->level)) return unexpected(GuestMapError::kCoversSmallerPages);
  if (kPresent.any(slot->entry)) {
    return unexpected(slot->level == level ? GuestMapError::kDuplicated
                                           : GuestMapError::kCoveredByLargePage);
  }

  struct NewTable {
    Gpa frame;
    Hpa host;
  };
  std::array<NewTable, 5> tables;
  const unsigned missing = slot->level - level;
  const std::uint64_t limit =
      format.entry_bytes() == 4 ? kFourGiB : std::uint64_t{1} << settings_.maxphyaddr;
  for (unsigned taken = 0; taken < missing; ++taken) {
    const auto frame = frame_below(*frames_, limit);
    const auto host = frame ? host_address(*frame, AccessKind::kWrite) : std::nullopt;
    if (!host) {
      if (frame) frames_->free(*frame);
      while (taken > 0) frames_->free(tables[--taken].frame);
      return unexpected(frame ? GuestMapError::kNotBacked : GuestMapError::kOutOfMemory);
    }
    tables[taken] = {*frame, *host};
  }

  std::uint64_t entry = format.leaf_address(gpa.value(), page.size) | kPresent.mask();
  entry = kWritable.set(entry, page.writable);
  entry = kUser.set(entry, page.user);
  entry = kAccessed.set(entry, page.accessed);
  entry = kDirty.set(entry, page.dirty);
  entry = kPageSize.set(entry, page.size != PageSize::k4K);
  entry = kGlobal.set(entry, page.global);
  entry = kProtectionKey.set(entry, page.protection_key);
  entry = kExecuteDisable.set(entry, page.execute_disable);
  for (unsigned below = 0; below < missing; ++below) {
    // Two entries of 32-bit paging share a word of memory.
    const std::uint64_t offset = format.index(gva, level + below) * format.entry_bytes();
    TableContent content{};
    content[offset / 8] = entry << 8 * (offset % 8);
    fill_table(*memory_, tables[below].host, content);
    entry = tables[below].frame.value() | kPresent.mask();
    // A PDPTE of PAE paging has no rights: the bits are reserved (SDM 5.4.1).
    if (!(settings_.mode == PagingMode::kPae && level + below + 1 == 3)) {
      entry |= kWritable.mask() | kUser.mask();
    }
  }
  exchange_entry(slot->address, entry);
  return {};
}

tl::expected<GuestLeaf, GuestUnmapError> GuestTables::unmap(Gva gva, PageSize size) {
  const unsigned level = leaf_level(size);
  if (level == 0) return unexpected(GuestUnmapError::kPageSizeNotInMode);
  if (!gva.is_aligned(arch::bytes(size))) return unexpected(GuestUnmapError::kUnaligned);
  if (!is_linear_address(gva)) return unexpected(GuestUnmapError::kNotCanonical);
  auto slot = find(gva, level);
  if (!slot) return unexpected(GuestUnmapError::kNotBacked);
  if (!kPresent.any(slot->entry)) return unexpected(GuestUnmapError::kNotExist);
  if (slot->level != level || is_table(slot->entry, level)) {
    return unexpected(GuestUnmapError::kWrongPageSize);
  }
  const auto found = exchange_entry(slot->address, 0);
  if (!found) return unexpected(GuestUnmapError::kNotBacked);
  slot->entry = *found;
  return leaf_at(*slot, gva);
}

tl::expected<GuestLeaf, GuestWalkError> GuestTables::walk(Gva gva) const {
  if (!is_linear_address(gva)) return unexpected(GuestWalkError::kNotCanonical);
  const auto slot = find(gva, 1);
  if (!slot) return unexpected(GuestWalkError::kNotBacked);
  if (!kPresent.any(slot->entry)) return unexpected(GuestWalkError::kNotExist);
  return leaf_at(*slot, gva);
}

std::optional<PageSize> GuestTables::room_at(Gva gva) const {
  if (!is_linear_address(gva)) return std::nullopt;
  const auto slot = find(gva, 1);
  if (!slot || kPresent.any(slot->entry)) return std::nullopt;
  for (const PageSize size : {PageSize::k1G, PageSize::k4M, PageSize::k2M}) {
    const unsigned level = leaf_level(size);
    if (level != 0 && level <= slot->level) return size;
  }
  return PageSize::k4K;
}

std::optional<GuestLastTable> GuestTables::last_table(Gva gva) const {
  const auto slot = find_last_table(gva);
  if (!slot) return std::nullopt;
  return read_last_table(*slot, gva);
}

std::optional<GuestLastTable> GuestTables::take_last_table(Gva gva) {
  const auto slot = find_last_table(gva);
  if (!slot || !exchange_entry(slot->address, 0)) return std::nullopt;
  return read_last_table(*slot, gva);
}

std::optional<GuestTables::Slot> GuestTables::find_last_table(Gva gva) const {
  constexpr unsigned kLevel = 2;
  if (!is_linear_address(gva)) return std::nullopt;
  const auto slot = find(gva, kLevel);
  if (!slot || slot->level != kLevel || !is_table(slot->entry, kLevel)) return std::nullopt;
  return slot;
}

GuestLastTable GuestTables::read_last_table(const Slot& slot, Gva gva) const {
  const guest::Format format(settings_.mode);
  const Gva begin = gva.align_down(format.coverage(slot.level));
  GuestLastTable table{.frame = Gpa(format.table_address(slot.entry, address_mask())), .pages = {}};
  for (unsigned index = 0; index < format.entries(1); ++index) {
    const Gpa address = table.frame + index * format.entry_bytes();
    const std::uint64_t entry = read_entry(address).value_or(0);
    if (!kPresent.any(entry)) continue;
    table.pages.push_back(leaf_at({address, 1, entry}, begin + index * format.coverage(1)));
  }
  return table;
}

GuestState GuestTables::state() const {
  GuestState state;
  state.cr0 = arch::cr0::kPe.mask() | arch::cr0::kWp.mask() | arch::cr0::kPg.mask();
  state.cr3 = root_.value();
  state.page_1g = settings_.page_1g;
  if (settings_.mode == PagingMode::k32Bit) {
    state.cr4 = arch::cr4::kPse.mask();
    return state;
  }
  state.cr4 = arch::cr4::kPae.mask();
  state.efer = arch::efer::kNxe.mask();
  if (settings_.mode == PagingMode::kPae) {
    for (unsigned index = 0; index < 4; ++index) {
      state.pdptes[index] = read_entry(root_ + 8 * index).value_or(0);
    }
    return state;
  }
  state.efer |= arch::efer::kLme.mask() | arch::efer::kLma.mask();
  if (settings_.mode == PagingMode::k5Level) state.cr4 |= arch::cr4::kLa57.mask();
  return state;
}

std::uint64_t GuestTables::address_mask() const {
  return ((std::uint64_t{1} << settings_.maxphyaddr) - 1) & ~std::uint64_t{0xfff};
}

bool GuestTables::is_linear_address(Gva gva) const {
  switch (settings_.mode) {
    case PagingMode::k4Level: return arch::is_canonical(gva.value(), 48);
    case PagingMode::k5Level: return arch::is_canonical(gva.value(), 57);
    default: return gva.value() < kFourGiB;
  }
}

unsigned GuestTables::leaf_level(PageSize size) const {
  const bool entries_of_32_bits = settings_.mode == PagingMode::k32Bit;
  switch (size) {
    case PageSize::k4K: return 1;
    case PageSize::k4M: return entries_of_32_bits ? 2 : 0;
    case PageSize::k2M: return entries_of_32_bits ? 0 : 2;
    case PageSize::k1G:
      return guest::Format(settings_.mode).levels() >= 4 && settings_.page_1g ? 3 : 0;
  }
  return 0;
}

bool GuestTables::is_table(std::uint64_t entry, unsigned level) const {
  return kPresent.any(entry) && !guest::Format(settings_.mode).maps_page(entry, level, true);
}

GuestLeaf GuestTables::leaf_at(const Slot& slot, Gva gva) const {
  const guest::Format format(settings_.mode);
  const PageSize size = format.page_size(slot.level);
  return {gva.align_down(arch::bytes(size)),
          Gpa(format.page_address(slot.entry, size, address_mask())), size, slot.entry,
          slot.address};
}

std::optional<Hpa> GuestTables::host_address(Gpa gpa, AccessKind access) const {
  return where_->host_address(gpa, access);
}

std::optional<std::uint64_t> GuestTables::read_entry(Gpa address) const {
  const auto host = host_address(address, AccessKind::kRead);
  if (!host) return std::nullopt;
  const std::uint64_t word = memory_->read64(host->align_down(8));
  if (guest::Format(settings_.mode).entry_bytes() == 8) return word;
  return word >> 8 * host->offset_in(8) & 0xffff'ffff;
}

std::optional<std::uint64_t> GuestTables::exchange_entry(Gpa address, std::uint64_t entry) {
  const auto host = host_address(address, AccessKind::kWrite);
  if (!host) return std::nullopt;
  const unsigned bits = 8 * guest::Format(settings_.mode).entry_bytes();
  const auto shift = static_cast<unsigned>(8 * host->offset_in(8));
  const arch::BitField field{static_cast<std::uint8_t>(shift + bits - 1),
                             static_cast<std::uint8_t>(shift)};
  const Hpa word = host->align_down(8);
  // Processors set flags in the word, and in a neighbour that shares it, at any moment.
  std::uint64_t expected = memory_->read64(word);
  for (;;) {
    const std::uint64_t found =
        memory_->compare_exchange64(word, expected, field.set(expected, entry));
    if (found == expected) return field.get(found);
    expected = found;
  }
}

std::optional<GuestTables::Slot> GuestTables::find(Gva gva, unsigned lowest) const {
  const guest::Format format(settings_.mode);
  Gpa table = root_;
  for (unsigned level = format.levels();; --level) {
    const Gpa address = table + format.index(gva, level) * format.entry_bytes();
    const auto entry = read_entry(address);
    if (!entry) return std::nullopt;
    if (level == lowest || !is_table(*entry, level)) return Slot{address, level, *entry};
    table = Gpa(format.table_address(*entry, address_mask()));
  }
}

void GuestTables::free_tables(Gpa table, unsigned level) {
  const guest::Format format(settings_.mode);
  for (unsigned index = 0; level > 1 && index < format.entries(level); ++index) {
    const std::uint64_t entry = read_entry(table + index * format.entry_bytes()).value_or(0);
    if (is_table(entry, level)) {
      free_tables(Gpa(format.table_address(entry, address_mask())), level - 1);
    }
  }
  frames_->free(table);
}

}  // namespace eptsim::ept
