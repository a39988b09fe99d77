#include "testbench/conformance/machine_state.hpp"

#include <algorithm>
#include <stdexcept>

namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

constexpr std::uint64_t kTableShift = std::uint64_t{1} << 36;  // host tables of the guest
constexpr std::uint64_t kEptTables = std::uint64_t{1} << 37;   // the EPT
constexpr std::uint64_t kPage = std::uint64_t{1} << 38;        // 1 GiB of memory for the page

// Present, R/W, U/S, accessed; dirty in a leaf.
constexpr std::uint64_t kGuestTable = 0x27;
constexpr std::uint64_t kGuestLeaf = 0x67;
constexpr std::uint64_t kGuestLarge = 0xe7;

constexpr std::uint64_t kEptWriteBack = 0x30;
constexpr std::uint64_t kEptLarge = 0x80;

unsigned levels_of(Guest guest) {
  switch (guest) {
    case Guest::kNone: return 0;
    case Guest::k32Bit:
    case Guest::kPae: return 2;
    case Guest::k4Level: return 4;
    case Guest::k5Level: return 5;
  }
  return 0;
}

/// Bytes that a leaf entry of the guest maps.
std::uint64_t guest_page(Guest guest, unsigned level) {
  if (guest == Guest::k32Bit && level == 2) return std::uint64_t{1} << 22;
  return std::uint64_t{1} << (12 + 9 * (level - 1));
}

}  // namespace

void Image::put(std::uint64_t address, std::uint64_t value, unsigned size) {
  const std::uint64_t word = address & ~std::uint64_t{7};
  auto at = std::find_if(words_.begin(), words_.end(),
                         [word](const Word& one) { return one.address == word; });
  if (at == words_.end()) at = words_.insert(at, {word, 0});
  if (size == 8) {
    at->value = value;
    return;
  }
  const unsigned shift = 8 * static_cast<unsigned>(address & 7);
  const std::uint64_t mask = ((std::uint64_t{1} << (8 * size)) - 1) << shift;
  at->value = (at->value & ~mask) | ((value << shift) & mask);
}

std::uint64_t Image::at(std::uint64_t address, unsigned size) const {
  for (const Word& word : words_) {
    if (word.address != (address & ~std::uint64_t{7})) continue;
    if (size == 8) return word.value;
    return (word.value >> (8 * (address & 7))) & ((std::uint64_t{1} << (8 * size)) - 1);
  }
  return 0;
}

std::string_view name(Guest guest) {
  switch (guest) {
    case Guest::kNone: return "no paging";
    case Guest::k32Bit: return "32-bit";
    case Guest::kPae: return "PAE";
    case Guest::k4Level: return "4-level";
    case Guest::k5Level: return "5-level";
  }
  return "?";
}

MachineState::MachineState(const Layout& layout)
    : layout_(layout), guest_levels_(levels_of(layout.guest)) {
  // Indices other than 0 at every level.
  linear_ = 0x56789000;
  if (layout.guest == Guest::k4Level) linear_ = 0x0000'1234'5678'9000;
  if (layout.guest == Guest::k5Level) linear_ = 0x0021'1234'5678'9000;

  gpa_ = std::uint64_t{1} << 39;
  if (layout.ept_levels == 5) gpa_ |= std::uint64_t{1} << 48;
  if (layout.guest == Guest::k32Bit) gpa_ = 3 * kGiB;
  if (layout.guest == Guest::kNone) gpa_ = linear_ & ~(kGiB - 1);
  if (guest_levels_ == 0) {
    gpa_ = linear_;
  } else {
    gpa_ |= linear_ & (guest_page(layout.guest, layout.guest_leaf) - 1);
  }
  hpa_ = layout.ept_levels == 0 ? gpa_ : kPage + (gpa_ & (kGiB - 1));

  context.cpu.maxphyaddr = layout.ept_levels == 5 ? 50 : 46;
  context.ept_enabled = layout.ept_levels != 0;
  if (context.ept_enabled) {
    context.eptp = kEptTables | 6 | (std::uint64_t{layout.ept_levels} - 1) << 3;
    if (layout.ept_accessed_dirty) context.eptp |= 0x40;
    context.controls.mode_based_execute = layout.mode_based_execute;
    ept_tables_.push_back({layout.ept_levels, 0, kEptTables});
    map_ept(gpa_, hpa_, layout.ept_leaf);
  }

  context.cr0 = 0x80010001;  // PG, WP, PE
  switch (layout.guest) {
    case Guest::kNone: context.cr0 = 1; break;
    case Guest::k32Bit: context.cr4 = 0x10; break;  // PSE
    case Guest::kPae:
      context.cr4 = 0x20;
      context.efer = 0x800;  // NXE
      break;
    case Guest::k4Level:
      context.cr4 = 0x20;
      context.efer = 0xd00;  // NXE, LMA, LME
      break;
    case Guest::k5Level:
      context.cr4 = 0x1020;
      context.efer = 0xd00;
      break;
  }
  if (guest_levels_ == 0) return;
  context.cr3 = table_of(guest_levels_);
  map_guest_chain(context.cr3, linear_, gpa_, layout.guest_leaf);
  if (layout.guest == Guest::kPae) {
    const std::uint64_t pdpte = context.cr3 | 1;
    const std::uint64_t index = linear_ >> 30;
    context.cr3 = 0x7fff'ffe0;
    if (context.ept_enabled) {
      context.pdptes.emplace();
      (*context.pdptes)[index] = pdpte;
    } else {
      image.put(context.cr3 + 8 * index, pdpte);
    }
  }
}

std::uint64_t MachineState::table_of(unsigned guest_level) const {
  // The root first, for a chain goes on from its root.
  return (guest_levels_ - guest_level + 1) * kGiB;
}

std::uint64_t MachineState::table_hpa(std::uint64_t gpa) { return gpa + kTableShift; }

std::uint64_t MachineState::ept_flags() const { return layout_.mode_based_execute ? 0x407 : 0x7; }

unsigned MachineState::guest_index(std::uint64_t linear, unsigned level) const {
  if (layout_.guest == Guest::k32Bit) return (linear >> (12 + 10 * (level - 1))) & 0x3ff;
  return (linear >> (12 + 9 * (level - 1))) & 0x1ff;
}

std::uint64_t MachineState::guest_entry_gpa(unsigned level) const {
  return table_of(level) + std::uint64_t{entry_size()} * guest_index(linear_, level);
}

std::uint64_t MachineState::guest_entry(unsigned level) const {
  const std::uint64_t gpa = guest_entry_gpa(level);
  return context.ept_enabled ? table_hpa(gpa) : gpa;
}

std::uint64_t MachineState::chain_entry_gpa(std::uint64_t root, std::uint64_t linear,
                                            unsigned level) const {
  return root + (guest_levels_ - level) * kGiB +
         std::uint64_t{entry_size()} * guest_index(linear, level);
}

std::uint64_t MachineState::ept_entry_of(std::uint64_t gpa, unsigned level) const {
  const unsigned covered = 12 + 9 * level;
  for (const EptTable& table : ept_tables_) {
    if (table.level == level && table.first == (gpa >> covered) << covered) {
      return table.address + 8 * ((gpa >> (covered - 9)) & 0x1ff);
    }
  }
  throw std::logic_error("no EPT table there");
}

std::uint64_t MachineState::table_ept_entry(unsigned guest_level, unsigned level) const {
  return ept_entry_of(table_of(guest_level), level);
}

void MachineState::poke(std::uint64_t address, std::uint64_t clear, std::uint64_t set) {
  image.put(address, (image.at(address) & ~clear) | set);
}

void MachineState::poke_guest(unsigned level, std::uint64_t clear, std::uint64_t set) {
  const std::uint64_t address = guest_entry(level);
  image.put(address, (image.at(address, entry_size()) & ~clear) | set, entry_size());
}

void MachineState::poke_guest_from(unsigned lowest, std::uint64_t clear, std::uint64_t set) {
  for (unsigned level = lowest; level <= guest_levels_; ++level) poke_guest(level, clear, set);
}

void MachineState::map_ept(std::uint64_t gpa, std::uint64_t hpa, unsigned leaf) {
  for (unsigned level = layout_.ept_levels; level > leaf; --level) {
    const std::uint64_t address = ept_entry_of(gpa, level);
    if (image.at(address) != 0) continue;
    const std::uint64_t table = kEptTables + 0x1000 * ept_tables_.size();
    const unsigned covered = 12 + 9 * (level - 1);
    ept_tables_.push_back({level - 1, (gpa >> covered) << covered, table});
    image.put(address, table | ept_flags());
  }
  const std::uint64_t page = std::uint64_t{1} << (12 + 9 * (leaf - 1));
  image.put(ept_entry_of(gpa, leaf),
            (hpa & ~(page - 1)) | ept_flags() | kEptWriteBack | (leaf > 1 ? kEptLarge : 0));
}

void MachineState::map_guest_chain(std::uint64_t root, std::uint64_t linear, std::uint64_t gpa,
                                   unsigned leaf) {
  for (unsigned level = guest_levels_; level >= leaf; --level) {
    const std::uint64_t entry = chain_entry_gpa(root, linear, level);
    if (context.ept_enabled) map_ept(entry, table_hpa(entry), layout_.table_leaf);
    std::uint64_t value = root + (guest_levels_ - level + 1) * kGiB + kGuestTable;
    if (level == leaf) {
      const std::uint64_t frame = gpa & ~(guest_page(layout_.guest, leaf) - 1);
      value = frame | (leaf > 1 ? kGuestLarge : kGuestLeaf);
    }
    image.put(context.ept_enabled ? table_hpa(entry) : entry, value, entry_size());
  }
}

Vector MachineState::vector(std::string name, const mmu::Request& request,
                            Expected expected) const {
  return {std::move(name), context, image.words(), request, std::move(expected)};
}

}  // namespace eptsim::tb::conformance
