#include "ept/extended_page_table.hpp"

#include <array>
#include <utility>

#include "ept/leaf.hpp"
#include "ept/table_access.hpp"

namespace eptsim::ept {

using namespace arch::ept_entry;
using arch::Gpa;
using arch::Hpa;
using arch::PageSize;
using tl::unexpected;

namespace {

Mapping mapping_of(const Slot& slot, Gpa gpa, const Settings& settings) {
  return {gpa.align_down(format::coverage(slot.level)),
          format::address(slot.entry, slot.level, settings), arch::page_of_level(slot.level),
          slot.entry, slot.address};
}

/// The checks that unmap, protect, remap and set_memory_type share: each error enumeration has the
/// four names. `find` finds the leaf of a page of `size` at `gpa`.
template <class Error>
tl::expected<Slot, Error> find_page(const TableAccess& tables, Hpa root, Gpa gpa, PageSize size,
                                    const Settings& settings) {
  if (!gpa.is_aligned(arch::bytes(size))) return unexpected(Error::kUnaligned);
  if (gpa.value() >> settings.guest_physical_width() != 0) {
    return unexpected(Error::kAddressTooWide);
  }
  if (size == PageSize::k4M) return unexpected(Error::kWrongPageSize);
  const unsigned level = arch::leaf_level(size);
  const Slot slot = tables.find(root, gpa, level);
  if (!tables.is_present(slot.entry)) return unexpected(Error::kNotExist);
  if (tables.is_table(slot.entry, slot.level)) {
    const Hpa below = format::address(slot.entry, slot.level, settings);
    return unexpected(tables.is_empty(below, slot.level - 1) ? Error::kNotExist
                                                             : Error::kWrongPageSize);
  }
  if (slot.level != level) return unexpected(Error::kWrongPageSize);
  return slot;
}

GpaRange page_at(Gpa gpa, PageSize size) { return range_of(gpa, arch::bytes(size)); }

}  // namespace

tl::expected<ExtendedPageTable, CreateError> ExtendedPageTable::create(arch::PhysicalMemory& memory,
                                                                       FrameAllocator& frames,
                                                                       const Settings& settings) {
  if (!settings.is_valid()) return unexpected(CreateError::kBadSettings);
  const auto root = frames.allocate();
  if (!root) return unexpected(CreateError::kOutOfMemory);
  fill_table(memory, *root, TableContent{});
  return ExtendedPageTable(memory, frames, settings, *root);
}

ExtendedPageTable::~ExtendedPageTable() {
  if (memory_ == nullptr) return;
  TableAccess(*memory_, settings_).for_each_frame(root_, settings_.depth, [&](Hpa frame) {
    frames_->free(frame);
  });
}

ExtendedPageTable::ExtendedPageTable(ExtendedPageTable&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      frames_(other.frames_),
      settings_(other.settings_),
      root_(other.root_) {}

ExtendedPageTable& ExtendedPageTable::operator=(ExtendedPageTable&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(frames_, other.frames_);
  std::swap(settings_, other.settings_);
  std::swap(root_, other.root_);
  return *this;
}

std::uint64_t ExtendedPageTable::eptp() const {
  using namespace arch::eptp;
  return root_.value() |
         arch::eptp::kMemoryType.set(0, static_cast<std::uint64_t>(arch::MemoryType::kWB)) |
         kWalkLength.set(0, settings_.depth - 1) | kAccessedDirty.set(0, settings_.accessed_dirty) |
         arch::eptp::kSupervisorShadowStack.set(0, settings_.supervisor_shadow_stack);
}

tl::expected<PendingInvalidation, MapError> ExtendedPageTable::map(Gpa gpa, Hpa hpa,
                                                                   Permission permission,
                                                                   const MapOptions& options) {
  const PageSize size = options.size.value_or(PageSize::k4K);
  if (const auto error =
          leaf::refuse(gpa, hpa, arch::bytes(size), size, permission, options, settings_)) {
    return unexpected(*error);
  }
  TableAccess tables(*memory_, settings_);
  const unsigned leaf_level = arch::leaf_level(size);
  const Slot slot = tables.find(root_, gpa, leaf_level);
  std::uint64_t entry = leaf::attributes(permission, options, size) | hpa.value();
  PendingInvalidation pending;
  if (tables.is_table(slot.entry, slot.level)) {
    const Hpa below = format::address(slot.entry, slot.level, settings_);
    if (!tables.is_empty(below, slot.level - 1)) return unexpected(MapError::kCoversSmallerPages);
    tables.take_out(slot, gpa, entry, pending);
    return pending;
  }
  if (tables.is_present(slot.entry)) {
    return unexpected(slot.level == leaf_level ? MapError::kDuplicated
                                               : MapError::kCoveredByLargePage);
  }

  // All frames first, so that a lack of them leaves nothing to undo; then from the leaf upwards, so
  // that the one store into the existing table comes last.
  std::array<Hpa, 5> frames;
  const unsigned missing = slot.level - leaf_level;
  for (unsigned taken = 0; taken < missing; ++taken) {
    const auto frame = frames_->allocate();
    if (!frame) {
      while (taken > 0) frames_->free(frames[--taken]);
      return unexpected(MapError::kOutOfMemory);
    }
    frames[taken] = *frame;
  }
  for (unsigned below = 0; below < missing; ++below) {
    tables.fill(frames[below], arch::table_index(gpa.value(), leaf_level + below), 1, entry, 0);
    entry = format::table_entry(frames[below]);
  }
  memory_->write64(slot.address, entry);
  return pending;
}

tl::expected<Unmapped, UnmapError> ExtendedPageTable::unmap(Gpa gpa, PageSize size) {
  TableAccess tables(*memory_, settings_);
  auto slot = find_page<UnmapError>(tables, root_, gpa, size, settings_);
  if (!slot) return unexpected(slot.error());
  slot->entry = tables.update(slot->address, [](std::uint64_t) { return std::uint64_t{0}; });
  Unmapped unmapped{mapping_of(*slot, gpa, settings_), {}};
  unmapped.pending.add(page_at(gpa, size));
  return unmapped;
}

tl::expected<Leaf, WalkError> ExtendedPageTable::walk(Gpa gpa) const {
  if (gpa.value() >> settings_.guest_physical_width() != 0) {
    return unexpected(WalkError::kAddressTooWide);
  }
  const TableAccess tables(*memory_, settings_);
  const Slot slot = tables.find(root_, gpa, 1);
  if (!tables.is_present(slot.entry)) return unexpected(WalkError::kNotExist);
  return Leaf{EntryRef(*memory_, slot.address), slot.level, mapping_of(slot, gpa, settings_)};
}

tl::expected<PendingInvalidation, ProtectError> ExtendedPageTable::protect(Gpa gpa,
                                                                           Permission permission,
                                                                           PageSize size,
                                                                           bool raw) {
  TableAccess tables(*memory_, settings_);
  const auto slot = find_page<ProtectError>(tables, root_, gpa, size, settings_);
  if (!slot) return unexpected(slot.error());
  if (!leaf::permits(leaf::with_permission(slot->entry, permission), raw, settings_)) {
    return unexpected(ProtectError::kBadPermission);
  }
  PendingInvalidation pending;
  const std::uint64_t old = tables.update(
      slot->address, [&](std::uint64_t entry) { return leaf::with_permission(entry, permission); });
  if (leaf::loses_a_right(old, permission, settings_)) pending.add(page_at(gpa, size));
  return pending;
}

tl::expected<PendingInvalidation, RemapError> ExtendedPageTable::remap(Gpa gpa, Hpa hpa,
                                                                       PageSize size) {
  if (!hpa.is_aligned(arch::bytes(size))) return unexpected(RemapError::kUnaligned);
  if (hpa.value() >> settings_.maxphyaddr != 0) return unexpected(RemapError::kAddressTooWide);
  TableAccess tables(*memory_, settings_);
  const auto slot = find_page<RemapError>(tables, root_, gpa, size, settings_);
  if (!slot) return unexpected(slot.error());
  PendingInvalidation pending;
  if (format::address(slot->entry, slot->level, settings_) == hpa) return pending;
  tables.update(slot->address, [&](std::uint64_t entry) {
    return (entry & ~(kAddress.mask() | kAccessed.mask() | kDirty.mask())) | hpa.value();
  });
  pending.add(page_at(gpa, size));
  return pending;
}

tl::expected<PendingInvalidation, MemoryTypeError> ExtendedPageTable::set_memory_type(
    Gpa gpa, arch::MemoryType type, bool ignore_pat, PageSize size) {
  const auto code = static_cast<std::uint64_t>(type);
  if (!arch::is_valid_ept_memory_type(code)) return unexpected(MemoryTypeError::kBadMemoryType);
  TableAccess tables(*memory_, settings_);
  const auto slot = find_page<MemoryTypeError>(tables, root_, gpa, size, settings_);
  if (!slot) return unexpected(slot.error());
  const auto changed = [&](std::uint64_t entry) {
    return arch::ept_entry::kMemoryType.set(kIgnorePat.set(entry, ignore_pat), code);
  };
  PendingInvalidation pending;
  const std::uint64_t old = tables.update(slot->address, changed);
  if (changed(old) != old) pending.add(page_at(gpa, size));
  return pending;
}

tl::expected<PendingInvalidation, SplitError> ExtendedPageTable::split(Gpa gpa) {
  if (gpa.value() >> settings_.guest_physical_width() != 0) {
    return unexpected(SplitError::kAddressTooWide);
  }
  TableAccess tables(*memory_, settings_);
  const Slot slot = tables.find(root_, gpa, 1);
  if (!tables.is_present(slot.entry)) return unexpected(SplitError::kNotExist);
  if (slot.level == 1) return unexpected(SplitError::kNotALargePage);
  if (!format::supports(arch::page_of_level(slot.level - 1), settings_)) {
    return unexpected(SplitError::kPageSizeNotSupported);
  }
  const auto frame = frames_->allocate();
  if (!frame) return unexpected(SplitError::kOutOfMemory);

  // The new entries take over the large page's flags. Should a processor set one before the table
  // is linked, they are written anew.
  tables.update(slot.address, [&](std::uint64_t entry) {
    const Hpa page = format::address(entry, slot.level, settings_);
    std::uint64_t attributes = entry & ~kAddress.mask();
    // Ignored bits of a large leaf that would mean something, or nothing, in a PTE.
    if (slot.level == 2) attributes &= ~(kPageSize.mask() | kSubpageWritePermission.mask());
    tables.fill(*frame, 0, kEntriesPerTable, attributes | page.value(),
                format::coverage(slot.level - 1));
    return format::table_entry(*frame);
  });
  PendingInvalidation pending;
  const PageSize size = arch::page_of_level(slot.level);
  pending.add(page_at(gpa.align_down(arch::bytes(size)), size));
  return pending;
}

tl::expected<PendingInvalidation, MergeError> ExtendedPageTable::merge(Gpa gpa, PageSize size) {
  if (!gpa.is_aligned(arch::bytes(size))) return unexpected(MergeError::kUnaligned);
  if (gpa.value() >> settings_.guest_physical_width() != 0) {
    return unexpected(MergeError::kAddressTooWide);
  }
  if (size == PageSize::k4K || !format::supports(size, settings_)) {
    return unexpected(MergeError::kPageSizeNotSupported);
  }
  TableAccess tables(*memory_, settings_);
  const unsigned level = arch::leaf_level(size);
  const Slot slot = tables.find(root_, gpa, level);
  if (!tables.is_present(slot.entry)) return unexpected(MergeError::kNotExist);
  if (!tables.is_table(slot.entry, slot.level)) return unexpected(MergeError::kWrongPageSize);

  const Hpa table = format::address(slot.entry, level, settings_);
  std::uint64_t not_attributes = kAddress.mask() | kAccessed.mask() | kDirty.mask();
  if (level == 2) not_attributes |= kPageSize.mask();
  const std::uint64_t first = memory_->read64(table);
  std::uint64_t flags = 0;
  bool contiguous = true;
  bool alike = level != 2 || !kSubpageWritePermission.any(first);
  for (unsigned index = 0; index < kEntriesPerTable; ++index) {
    const std::uint64_t entry = memory_->read64(table + 8 * index);
    if (!tables.is_present(entry)) return unexpected(MergeError::kNotExist);
    if (!format::maps_page(entry, level - 1)) return unexpected(MergeError::kWrongPageSize);
    contiguous = contiguous && format::address(entry, level - 1, settings_) ==
                                   format::address(first, level - 1, settings_) +
                                       index * format::coverage(level - 1);
    alike = alike && ((entry ^ first) & ~not_attributes) == 0;
    flags |= entry & (kAccessed.mask() | kDirty.mask());
  }
  const Hpa page = format::address(first, level - 1, settings_);
  if (!contiguous || !page.is_aligned(arch::bytes(size))) {
    return unexpected(MergeError::kNotContiguous);
  }
  if (!alike) return unexpected(MergeError::kDifferentAttributes);
  PendingInvalidation pending;
  tables.take_out(slot, gpa, (first & ~not_attributes) | flags | kPageSize.mask() | page.value(),
                  pending);
  return pending;
}

void ExtendedPageTable::complete(PendingInvalidation pending) {
  for (const Hpa frame : pending.frames()) frames_->free(frame);
}

Mappings ExtendedPageTable::mappings() const {
  return mappings({Gpa(0), Gpa(std::uint64_t{1} << settings_.guest_physical_width())});
}

Mappings ExtendedPageTable::mappings(GpaRange range) const {
  return Mappings(*memory_, root_, settings_, range);
}

}  // namespace eptsim::ept
