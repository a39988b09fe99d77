#include <algorithm>
#include <utility>

#include "ept/extended_page_table.hpp"
#include "ept/leaf.hpp"
#include "ept/table_access.hpp"

/// The operations of ExtendedPageTable on ranges.
namespace eptsim::ept {

using arch::Gpa;
using arch::Hpa;
using arch::PageSize;
using arch::ept_entry::kEntriesPerTable;
using tl::unexpected;

namespace {

/// Guest-physical addresses that are still to be mapped, and where the first of them leads.
struct Part {
  std::uint64_t gpa;
  std::uint64_t hpa;
  std::uint64_t bytes;

  /// The piece of this part that lies in the entry of `level` for its first address.
  Part in_entry(unsigned level) const {
    const std::uint64_t coverage = format::coverage(level);
    return {gpa, hpa, std::min(bytes, coverage - (gpa & (coverage - 1)))};
  }
  void advance(std::uint64_t distance) {
    gpa += distance;
    hpa += distance;
    bytes -= distance;
  }
};

/// Maps one range. The way down is taken once for each table, not for each page: `plan` looks
/// whether the range is free and counts the tables that are missing, and once their frames are
/// there, `write` cannot fail.
class RangeMapper {
 public:
  RangeMapper(TableAccess& tables, const Settings& settings, Permission permission,
              const MapOptions& options)
      : tables_(tables), settings_(settings), permission_(permission), options_(options) {}

  std::optional<MapError> plan(Hpa table, unsigned level, Part part) {
    while (part.bytes != 0) {
      const Part piece = part.in_entry(level);
      const std::uint64_t entry = tables_.memory().read64(entry_address(table, level, piece));
      const bool leaf = becomes_leaf(piece, level);
      if (!tables_.is_present(entry)) {
        if (!leaf) missing_ += tables_for(piece, level - 1);
      } else if (format::maps_page(entry, level)) {
        return leaf ? MapError::kDuplicated : MapError::kCoveredByLargePage;
      } else {
        const Hpa below = format::address(entry, level, settings_);
        if (leaf) {
          if (!tables_.is_empty(below, level - 1)) return MapError::kCoversSmallerPages;
        } else if (const auto error = plan(below, level - 1, piece)) {
          return error;
        }
      }
      part.advance(piece.bytes);
    }
    return std::nullopt;
  }

  /// Takes the frames that the plan counted; all or none.
  bool take_frames(FrameAllocator& allocator) {
    frames_.reserve(missing_);
    while (frames_.size() < missing_) {
      const auto frame = allocator.allocate();
      if (!frame) {
        for (; !frames_.empty(); frames_.pop_back()) allocator.free(frames_.back());
        return false;
      }
      frames_.push_back(*frame);
    }
    return true;
  }

  /// Writes the part into a table that processors walk already, one store for each entry.
  void write(Hpa table, unsigned level, Part part, PendingInvalidation& pending) {
    while (part.bytes != 0) {
      const Part piece = part.in_entry(level);
      const Slot slot{entry_address(table, level, piece), level,
                      tables_.memory().read64(entry_address(table, level, piece))};
      if (!tables_.is_present(slot.entry)) {
        tables_.memory().write64(slot.address, new_entry(piece, level));
      } else if (becomes_leaf(piece, level)) {
        tables_.take_out(slot, Gpa(piece.gpa), leaf_entry(piece, level), pending);
      } else {
        write(format::address(slot.entry, level, settings_), level - 1, piece, pending);
      }
      part.advance(piece.bytes);
    }
  }

 private:
  static Hpa entry_address(Hpa table, unsigned level, const Part& part) {
    return table + 8 * arch::table_index(part.gpa, level);
  }

  /// Whether the piece, which lies in one entry of `level`, is mapped by that entry.
  bool becomes_leaf(const Part& piece, unsigned level) const {
    if (level > 3) return false;
    const PageSize size = arch::page_of_level(level);
    if (options_.size) return *options_.size == size;
    return piece.bytes == arch::bytes(size) && (piece.hpa & (arch::bytes(size) - 1)) == 0 &&
           format::supports(size, settings_);
  }

  std::uint64_t leaf_entry(const Part& piece, unsigned level) const {
    return leaf::attributes(permission_, options_, arch::page_of_level(level)) | piece.hpa;
  }

  /// How many tables the piece needs where there is none, from one of `level` on downwards.
  std::uint64_t tables_for(Part part, unsigned level) const {
    std::uint64_t count = 1;
    while (level > 1 && part.bytes != 0) {
      const Part piece = part.in_entry(level);
      if (!becomes_leaf(piece, level)) count += tables_for(piece, level - 1);
      part.advance(piece.bytes);
    }
    return count;
  }

  /// The entry of `level` that maps the piece: a leaf, or one that refers to a new table.
  std::uint64_t new_entry(const Part& piece, unsigned level) {
    return becomes_leaf(piece, level) ? leaf_entry(piece, level)
                                      : format::table_entry(new_table(piece, level - 1));
  }

  /// Writes a table of `level` that nothing refers to yet, after those below it. Frames are used in
  /// the order in which they came, which for most allocators is ascending: so memory likes it best.
  Hpa new_table(Part part, unsigned level) {
    const Hpa table = frames_[used_++];
    if (level == 1) {
      tables_.fill(table, arch::table_index(part.gpa, 1), static_cast<unsigned>(part.bytes / 4096),
                   leaf_entry(part, 1), 4096);
      return table;
    }
    TableContent content{};
    while (part.bytes != 0) {
      const Part piece = part.in_entry(level);
      content[arch::table_index(piece.gpa, level)] = new_entry(piece, level);
      part.advance(piece.bytes);
    }
    fill_table(tables_.memory(), table, content);
    return table;
  }

  TableAccess& tables_;
  const Settings& settings_;
  Permission permission_;
  const MapOptions& options_;
  std::uint64_t missing_ = 0;
  std::vector<Hpa> frames_;
  std::size_t used_ = 0;
};

/// The checks that unmap_range and protect_range share: each error enumeration has the names.
template <class Error>
std::optional<Error> refuse(GpaRange range, std::optional<PageSize> size, const Mappings& pages,
                            const Settings& settings) {
  const std::uint64_t alignment = arch::bytes(size.value_or(PageSize::k4K));
  if (!range.begin.is_aligned(alignment) || !range.end.is_aligned(alignment)) {
    return Error::kUnaligned;
  }
  if (range.end.value() > std::uint64_t{1} << settings.guest_physical_width()) {
    return Error::kAddressTooWide;
  }
  for (const Mapping& page : pages) {
    if (size && page.size != *size) return Error::kWrongPageSize;
    if (page.gpa < range.begin || page.gpa + arch::bytes(page.size) > range.end) {
      return Error::kPartlyCovered;
    }
  }
  return std::nullopt;
}

}  // namespace

tl::expected<PendingInvalidation, MapError> ExtendedPageTable::map_range(
    Gpa gpa, Hpa hpa, std::uint64_t bytes, Permission permission, const MapOptions& options) {
  const PageSize smallest = options.size.value_or(PageSize::k4K);
  if (const auto error = leaf::refuse(gpa, hpa, bytes, smallest, permission, options, settings_)) {
    return unexpected(*error);
  }
  TableAccess tables(*memory_, settings_);
  RangeMapper mapper(tables, settings_, permission, options);
  const Part whole{gpa.value(), hpa.value(), bytes};
  if (const auto error = mapper.plan(root_, settings_.depth, whole)) return unexpected(*error);
  if (!mapper.take_frames(*frames_)) return unexpected(MapError::kOutOfMemory);
  PendingInvalidation pending;
  mapper.write(root_, settings_.depth, whole, pending);
  return pending;
}

tl::expected<UnmappedRange, UnmapRangeError> ExtendedPageTable::unmap_range(
    GpaRange range, std::optional<PageSize> size) {
  const Mappings pages = mappings(range);
  if (const auto error = refuse<UnmapRangeError>(range, size, pages, settings_)) {
    return unexpected(*error);
  }
  TableAccess tables(*memory_, settings_);
  UnmappedRange unmapped;
  for (Mapping page : pages) {
    page.entry = tables.update(page.entry_address, [](std::uint64_t) { return std::uint64_t{0}; });
    unmapped.pending.add(range_of(page.gpa, arch::bytes(page.size)));
    unmapped.pages.push_back(page);
  }
  return unmapped;
}

tl::expected<PendingInvalidation, ProtectRangeError> ExtendedPageTable::protect_range(
    GpaRange range, Permission permission, std::optional<PageSize> size, bool raw) {
  const Mappings pages = mappings(range);
  if (const auto error = refuse<ProtectRangeError>(range, size, pages, settings_)) {
    return unexpected(*error);
  }
  if (!leaf::permits(permission.bits(), raw, settings_)) {
    return unexpected(ProtectRangeError::kBadPermission);
  }
  for (const Mapping& page : pages) {
    if (!leaf::permits(leaf::with_permission(page.entry, permission), raw, settings_)) {
      return unexpected(ProtectRangeError::kBadPermission);
    }
  }
  TableAccess tables(*memory_, settings_);
  PendingInvalidation pending;
  for (const Mapping& page : pages) {
    const std::uint64_t old = tables.update(page.entry_address, [&](std::uint64_t entry) {
      return leaf::with_permission(entry, permission);
    });
    if (leaf::loses_a_right(old, permission, settings_)) {
      pending.add(range_of(page.gpa, arch::bytes(page.size)));
    }
  }
  return pending;
}

PendingInvalidation ExtendedPageTable::clean_up(std::optional<GpaRange> range) {
  TableAccess tables(*memory_, settings_);
  PendingInvalidation pending;
  // Takes whole empty subtrees out at their top, with one store each.
  const auto clean = [&](const auto& self, Hpa table, unsigned level, Gpa gpa) -> void {
    for (unsigned index = 0; index < kEntriesPerTable; ++index) {
      const Slot slot{table + 8 * index, level, memory_->read64(table + 8 * index)};
      if (!tables.is_table(slot.entry, level)) continue;
      const Gpa covered = gpa + index * format::coverage(level);
      if (range && (covered + format::coverage(level) <= range->begin || covered >= range->end)) {
        continue;
      }
      const Hpa below = format::address(slot.entry, level, settings_);
      if (tables.is_empty(below, level - 1)) {
        tables.take_out(slot, covered, 0, pending);
      } else if (level > 2) {
        self(self, below, level - 1, covered);
      }
    }
  };
  clean(clean, root_, settings_.depth, Gpa(0));
  return pending;
}

std::vector<Mapping> ExtendedPageTable::harvest(GpaRange range) const {
  std::vector<Mapping> pages;
  for (const Mapping& page : mappings(range)) {
    if (page.accessed() || page.dirty()) pages.push_back(page);
  }
  return pages;
}

ClearedFlags ExtendedPageTable::clear_flags(GpaRange range, AccessedDirty which) {
  using namespace arch::ept_entry;
  const std::uint64_t mask =
      (which.accessed ? kAccessed.mask() : 0) | (which.dirty ? kDirty.mask() : 0);
  TableAccess tables(*memory_, settings_);
  ClearedFlags cleared;
  for (Mapping page : mappings(range)) {
    page.entry =
        tables.update(page.entry_address, [&](std::uint64_t entry) { return entry & ~mask; });
    if ((page.entry & mask) == 0) continue;
    cleared.pending.add(range_of(page.gpa, arch::bytes(page.size)));
    cleared.pages.push_back(page);
  }
  return cleared;
}

}  // namespace eptsim::ept
