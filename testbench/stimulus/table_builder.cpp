#include "testbench/stimulus/table_builder.hpp"

#include "ept/arch/address.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {

namespace ept_entry_bits = arch::ept_entry;
namespace guest_entry_bits = arch::guest_entry;

namespace {

std::uint64_t mask_if(bool condition, arch::BitField field) { return condition ? field.mask() : 0; }

std::uint64_t page_offset_mask(unsigned level) {
  return (std::uint64_t{1} << (12 + 9 * (level - 1))) - 1;
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
  shape.guest_leaf = random.coin() ? 1 : leaf(true, context.cpu.guest_page_1g);
  const bool small_only = random.one_in(4);
  for (unsigned& level : shape.ept_leaf) {
    level = small_only ? 1 : leaf(context.cpu.page_2m, context.cpu.page_1g);
  }
  constexpr std::array<Shape::Flags, 4> kFlags{Shape::Flags::kRandom, Shape::Flags::kRandom,
                                               Shape::Flags::kClear, Shape::Flags::kSet};
  shape.flags = random.pick(kFlags);
  shape.all_rights = !random.one_in(3);
  return shape;
}

TableBuilder::TableBuilder(Random& random, const Shape& shape, TestCase& test)
    : random_(random), shape_(shape), test_(test) {}

void TableBuilder::build() {
  spots_.clear();
  test_.image.clear();
  guest_width_ = guest_physical_width(test_.context, shape_.levels);
  for (std::uint64_t& frame : pool_) frame = random_address(random_, guest_width_);
  // Tables may lead back to the roots.
  if (random_.coin()) pool_[0] = test_.context.cr3;
  if (random_.coin()) pool_[1] = test_.context.eptp & ((std::uint64_t{1} << guest_width_) - 1);
  const bool user = test_.request.user && !test_.request.implicit;
  supervisor_level_ = 0;
  if (shape_.levels.guest != 0 && !user && !random_.one_in(3)) {
    const unsigned entries = shape_.levels.guest - shape_.guest_leaf + 1;
    supervisor_level_ = shape_.guest_leaf + static_cast<unsigned>(random_.below(entries));
  }
  const bool walks_guest = test_.request.linear && shape_.levels.guest != 0;
  const std::uint64_t gpa = walks_guest ? map_guest() : test_.request.address;
  map_ept(gpa, 0);
}

/// The access's guest-physical address.
std::uint64_t TableBuilder::map_guest() {
  const std::uint64_t linear = test_.request.address;
  std::uint64_t table = test_.context.cr3 & bits(51, 12);
  for (unsigned level = shape_.levels.guest;; --level) {
    const std::uint64_t gpa = table | std::uint64_t{arch::table_index(linear, level)} << 3;
    const std::uint64_t hpa = map_ept(gpa, level);
    const bool leaf = level == shape_.guest_leaf;
    bool found = false;
    const std::size_t word = word_at(hpa, found);
    if (!found) test_.image[word].value = guest_entry(level, leaf);
    spots_.push_back({{static_cast<std::uint8_t>(level), 0}, word, leaf});
    const std::uint64_t address = test_.image[word].value & bits(51, 12);
    const std::uint64_t offset = page_offset_mask(level);
    if (leaf) return (address & ~offset) | (linear & offset);
    table = address;
  }
}

/// The host-physical address of `gpa`, which the guest's walk uses at `guest_level`.
std::uint64_t TableBuilder::map_ept(std::uint64_t gpa, unsigned guest_level) {
  if (shape_.levels.ept == 0) return gpa;
  std::uint64_t table = test_.context.eptp & bits(51, 12);
  for (unsigned level = shape_.levels.ept;; --level) {
    bool found = false;
    const std::size_t word =
        word_at(table | std::uint64_t{arch::table_index(gpa, level)} << 3, found);
    bool leaf = level <= shape_.ept_leaf[guest_level];
    if (found) {
      // Another guest-physical address has been here: its choice holds.
      const bool large = (test_.image[word].value & bits(7, 7)) != 0;
      leaf = level == 1 || (large && level == 2 && test_.context.cpu.page_2m) ||
             (large && level == 3 && test_.context.cpu.page_1g);
    } else {
      test_.image[word].value = ept_entry(level, leaf);
    }
    spots_.push_back(
        {{static_cast<std::uint8_t>(guest_level), static_cast<std::uint8_t>(level)}, word, leaf});
    const std::uint64_t address = test_.image[word].value & bits(51, 12);
    const std::uint64_t offset = page_offset_mask(level);
    if (leaf) return (address & ~offset) | (gpa & offset);
    table = address;
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

/// The address in an entry of `level`: of a table, or of a page of that level's size.
std::uint64_t TableBuilder::random_frame(unsigned width, unsigned level) {
  const std::uint64_t address =
      shape_.share_frames ? random_.pick(pool_) : random_address(random_, width);
  return address & bits(51, 12) & ~page_offset_mask(level);
}

bool TableBuilder::flag() {
  if (shape_.flags == Shape::Flags::kRandom) return random_.coin();
  return shape_.flags == Shape::Flags::kSet;
}

/// Whether a right is left out.
bool TableBuilder::missing(unsigned one_in) { return !shape_.all_rights && random_.one_in(one_in); }

std::uint64_t TableBuilder::guest_entry(unsigned level, bool leaf) {
  using namespace guest_entry_bits;
  const bool nxe = arch::efer::kNxe.any(test_.context.efer);
  const bool user = supervisor_level_ == 0 || (level != supervisor_level_ && random_.coin());
  std::uint64_t entry = (random_.next() & guest_layout(test_.context, level, leaf).ignored) |
                        kPresent.mask() | random_frame(guest_width_, leaf ? level : 1);
  entry |= mask_if(!missing(6), kWritable) | mask_if(user && !missing(12), kUser) |
           mask_if(nxe && missing(6), kExecuteDisable) | mask_if(flag(), kAccessed);
  entry |= random_.next() & (kWriteThrough.mask() | kCacheDisable.mask());
  if (leaf) {
    entry |= mask_if(flag(), kDirty) | mask_if(level > 1, kPageSize);
    entry |= random_.next() &
             (kGlobal.mask() | kProtectionKey.mask() | (level == 1 ? kPat4K : kPatLarge).mask());
  }
  return entry;
}

std::uint64_t TableBuilder::ept_entry(unsigned level, bool leaf) {
  using namespace ept_entry_bits;
  constexpr std::array<std::uint64_t, 5> kTypes{0, 1, 4, 5, 6};
  const mmu::Context& context = test_.context;
  const bool mbe = context.controls.mode_based_execute;
  // Tables of shared frames lie where guest-physical addresses reach.
  const unsigned width = shape_.share_frames ? guest_width_ : context.cpu.maxphyaddr;
  std::uint64_t entry = (random_.next() & ept_layout(context, level, leaf).ignored) |
                        random_frame(width, leaf ? level : 1);
  if (context.cpu.execute_only && missing(60)) {
    entry |= mbe ? (random_.coin() ? kExecute : kUserExecute).mask() : kExecute.mask();
  } else {
    entry |= kRead.mask() | mask_if(!missing(40), kWrite) | mask_if(!missing(20), kExecute) |
             mask_if(mbe && !missing(20), kUserExecute);
  }
  if ((context.eptp & bits(6, 6)) != 0) {
    entry |= mask_if(flag(), kAccessed) | mask_if(leaf && flag(), kDirty);
  }
  if (leaf) {
    entry |= kMemoryType.set(0, random_.pick(kTypes)) | mask_if(random_.one_in(4), kIgnorePat) |
             mask_if(level > 1, kPageSize);
  }
  return entry;
}

}  // namespace eptsim::tb
