#include "testbench/stimulus/table_builder.hpp"

#include <algorithm>

#include "ept/arch/address.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::tb {

namespace {

std::uint64_t offset_mask(unsigned bits) { return (std::uint64_t{1} << bits) - 1; }

/// Whether the walk begins in the HLAT tables (SDM 5.5.5).
bool uses_hlat(const mmu::Context& context, Levels levels, std::uint64_t linear) {
  return context.controls.hlat && levels.guest >= 4 &&
         (context.hlat_prefix_size == 0 || (linear >> 63) != 0);
}

/// The address in a guest entry: of a table, or of a page.
std::uint64_t address_in(Levels levels, unsigned level, bool leaf, std::uint64_t entry,
                         unsigned width) {
  if (!levels.narrow()) return entry & bits(51, 12);
  if (!leaf || level == 1) return entry & bits(31, 12);
  return (entry & bits(31, 22)) | ((entry >> 13 << 32) & bits(39, 32) & offset_mask(width));
}

}  // namespace

Shape random_shape(Random& random, Features features, Levels levels, const mmu::Context& context) {
  Shape shape;
  shape.levels = levels;
  const auto leaf = [&](bool has_2m, bool has_1g) -> unsigned {
    if (!features.has(Feature::kLargePages)) return 1;
    const auto level = static_cast<unsigned>(1 + random.below(3));
    if ((level == 2 && !has_2m) || (level == 3 && !has_1g)) return 1;
    return level;
  };
  const auto guest_leaf = [&]() -> unsigned {
    if (random.coin()) return 1;
    const bool has_2m = !levels.narrow() || arch::cr4::kPse.any(context.cr4);
    return leaf(has_2m, levels.guest >= 4 && context.cpu.guest_page_1g);
  };
  shape.guest_leaf = guest_leaf();
  const bool small_only = random.one_in(4);
  for (unsigned& level : shape.ept_leaf) {
    level = small_only ? 1 : leaf(context.cpu.page_2m, context.cpu.page_1g);
  }
  // Sub-pages are parts of 4 KiB pages.
  if (context.controls.sub_page_permission && !random.one_in(8)) shape.ept_leaf[0] = 1;
  if (context.controls.hlat && levels.guest >= 4) {
    shape.hlat_leaf = guest_leaf();
    if (random.coin()) {
      const unsigned entries = levels.guest - shape.hlat_leaf + 1;
      shape.hlat_restart = shape.hlat_leaf + static_cast<unsigned>(random.below(entries));
    }
  }
  constexpr std::array<Shape::Flags, 4> kFlags{Shape::Flags::kRandom, Shape::Flags::kRandom,
                                               Shape::Flags::kClear, Shape::Flags::kSet};
  shape.flags = random.pick(kFlags);
  shape.all_rights = !random.one_in(3);
  return shape;
}

TableBuilder::TableBuilder(Random& random, Features features, const Shape& shape, TestCase& test)
    : random_(random), features_(features), shape_(shape), test_(test) {}

void TableBuilder::build() {
  test_.image.clear();
  extend();
}

void TableBuilder::extend() {
  const mmu::Request& request = test_.request;
  const mmu::Context& context = test_.context;
  spots_.clear();
  guest_width_ = guest_physical_width(context, shape_.levels);
  for (std::uint64_t& frame : pool_) frame = random_address(random_, guest_width_);
  // Tables may lead back to the roots, and lie where the walk writes.
  if (random_.coin()) pool_[0] = context.cr3;
  if (random_.coin()) pool_[1] = context.eptp;
  if (random_.coin())
    pool_[2] = context.controls.hlat ? context.hlat_pointer : context.sppt_pointer;
  if (random_.coin())
    pool_[3] = context.controls.pml ? context.pml_address : context.ve_info_address;

  shadow_stack_ = request.access == arch::AccessKind::kShadowStackRead ||
                  request.access == arch::AccessKind::kShadowStackWrite;
  const bool user = request.user && !request.implicit;
  const unsigned lowest = std::max(shape_.guest_leaf, shape_.hlat_leaf);
  supervisor_level_ = 0;
  if (shape_.levels.guest != 0 && !user && (shadow_stack_ || !random_.one_in(3))) {
    supervisor_level_ =
        lowest + static_cast<unsigned>(random_.below(shape_.levels.guest - lowest + 1));
  }

  const unsigned room = 4096 - static_cast<unsigned>(request.address & 4095);
  map_page(request.address, std::min<unsigned>(request.size, room));
  if (request.size > room) {
    const bool narrow = request.linear && shape_.levels.guest < 4;
    map_page((request.address + room) & (narrow ? bits(31, 0) : ~std::uint64_t{0}),
             request.size - room);
  }
}

void TableBuilder::map_page(std::uint64_t address, unsigned size) {
  std::optional<std::uint64_t> gpa;
  if (!test_.request.linear || shape_.levels.guest == 0) {
    gpa = address;
  } else if (uses_hlat(test_.context, shape_.levels, address)) {
    gpa = map_guest(address, {.root = test_.context.hlat_pointer & bits(51, 12),
                              .hlat = true,
                              .leaf = shape_.hlat_leaf,
                              .restart = shape_.hlat_restart});
  }
  if (!gpa) {
    const std::uint64_t root =
        shape_.levels.legacy() ? legacy_root(address) : test_.context.cr3 & bits(51, 12);
    gpa = map_guest(address, {.root = root, .leaf = shape_.guest_leaf});
  }
  gpa_ = *gpa;
  map_ept(*gpa, {});
  if (!test_.context.controls.sub_page_permission || spots_.empty()) return;
  const Spot& leaf = spots_.back();
  if (leaf.place != mmu::Place{0, 1}) return;
  if (arch::ept_entry::kSubpageWritePermission.any(leaf.get(test_))) map_sub_pages(*gpa, size);
}

/// The table that a page directory of the older modes is.
std::uint64_t TableBuilder::legacy_root(std::uint64_t linear) {
  const mmu::Context& context = test_.context;
  if (shape_.levels.narrow()) return context.cr3 & bits(31, 12);
  const std::uint64_t index = linear >> 30 & 3;
  if (context.pdptes) return (*context.pdptes)[index] & bits(51, 12);
  bool found = false;
  const std::size_t word = word_at((context.cr3 & bits(31, 5)) | index << 3, found);
  std::uint64_t& pdpte = test_.image[word].value;
  if (!found) pdpte = random_pdpte(random_, context, shape_.levels, !random_.one_in(16));
  return pdpte & bits(51, 12);
}

/// The guest-physical address of `linear`; none if an HLAT entry restarts the walk.
std::optional<std::uint64_t> TableBuilder::map_guest(std::uint64_t linear, const Tables& tables) {
  const Levels levels = shape_.levels;
  const unsigned entry_bits = levels.narrow() ? 2 : 3;
  std::uint64_t table = tables.root;
  for (unsigned level = levels.guest;; --level) {
    const std::uint64_t index =
        linear >> offset_bits(levels, level) & (levels.narrow() ? 1023 : 511);
    const mmu::Place place{static_cast<std::uint8_t>(level), 0, tables.hlat};
    const std::uint64_t hpa = map_ept(table | index << entry_bits, place);
    bool leaf = level <= tables.leaf;
    bool restart = level == tables.restart;
    bool found = false;
    Spot spot{.place = place, .word = word_at(hpa, found)};
    if (levels.narrow()) {
      spot.size = 4;
      spot.shift = static_cast<std::uint8_t>(8 * (hpa & 4));
      found = found && spot.get(test_) != 0;
    }
    if (!found) {
      spot.set(test_,
               levels.narrow() ? narrow_entry(level, leaf) : guest_entry(level, leaf, tables));
    } else if (!shape_.share_frames) {
      // Another linear address has been here: its choice holds.
      leaf = is_leaf(level, spot.get(test_));
      restart = tables.hlat && arch::guest_entry::kRestart.any(spot.get(test_));
    }
    spot.leaf = leaf;
    spots_.push_back(spot);
    if (restart) return std::nullopt;
    const unsigned width = std::min(test_.context.cpu.maxphyaddr, 40u);
    const std::uint64_t address = address_in(levels, level, leaf, spot.get(test_), width);
    const std::uint64_t offset = offset_mask(offset_bits(levels, level));
    if (leaf) return (address & ~offset) | (linear & offset);
    table = address;
  }
}

/// Of a guest entry.
bool TableBuilder::is_leaf(unsigned level, std::uint64_t entry) const {
  const mmu::Context& context = test_.context;
  if (level == 1) return true;
  if ((entry & bits(7, 7)) == 0 || level > 3) return false;
  if (level == 2) return !shape_.levels.narrow() || arch::cr4::kPse.any(context.cr4);
  return context.cpu.guest_page_1g;
}

/// The host-physical address of `gpa`, which the guest's walk uses at `place`.
std::uint64_t TableBuilder::map_ept(std::uint64_t gpa, mmu::Place place) {
  if (shape_.levels.ept == 0) return gpa;
  std::uint64_t table = test_.context.eptp & bits(51, 12);
  for (unsigned level = shape_.levels.ept;; --level) {
    bool found = false;
    const std::size_t word =
        word_at(table | std::uint64_t{arch::table_index(gpa, level)} << 3, found);
    bool leaf = level <= shape_.ept_leaf[place.guest_level];
    place.ept_level = static_cast<std::uint8_t>(level);
    if (found) {
      // Another guest-physical address has been here: its choice holds.
      const bool large = (test_.image[word].value & bits(7, 7)) != 0;
      leaf = level == 1 || (large && level == 2 && test_.context.cpu.page_2m) ||
             (large && level == 3 && test_.context.cpu.page_1g);
    } else {
      test_.image[word].value = ept_entry(level, leaf, place);
    }
    spots_.push_back({place, word, leaf});
    const std::uint64_t address = test_.image[word].value & bits(51, 12);
    const std::uint64_t offset = offset_mask(12 + 9 * (level - 1));
    if (leaf) return (address & ~offset) | (gpa & offset);
    table = address;
  }
}

/// The tables of sub-page permissions for an access of `size` bytes, all of one page.
void TableBuilder::map_sub_pages(std::uint64_t gpa, unsigned size) {
  std::uint64_t table = test_.context.sppt_pointer & bits(51, 12);
  for (unsigned level = 4; level > 0; --level) {
    bool found = false;
    const std::size_t word =
        word_at(table | std::uint64_t{arch::table_index(gpa, level)} << 3, found);
    std::uint64_t& entry = test_.image[word].value;
    if (!found) entry = sub_page_entry(level, gpa, size);
    spots_.push_back({{.spp_level = static_cast<std::uint8_t>(level)}, word, level == 1});
    table = entry & bits(51, 12);
  }
}

std::size_t TableBuilder::word_at(std::uint64_t address, bool& found) {
  address &= ~std::uint64_t{7};
  std::vector<Word>& image = test_.image;
  for (std::size_t i = 0; i < image.size(); ++i) {
    if (image[i].address == address) {
      found = true;
      return i;
    }
  }
  image.push_back({address, 0});
  return image.size() - 1;
}

}  // namespace eptsim::tb
