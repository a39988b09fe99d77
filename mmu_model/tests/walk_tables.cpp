#include "mmu_model/tests/walk_tables.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace eptsim::mmu::test {
namespace {
constexpr std::uint64_t kFrame = 0x000f'ffff'ffff'f000;
constexpr std::uint64_t kRegion = 1ull << 30;

std::uint64_t index_bytes(std::uint64_t address, unsigned level) {
  return ((address >> (12 + 9 * (level - 1))) & 511) * 8;
}
unsigned level_of(PageSize page) {
  return page == PageSize::k1G ? 3 : page == PageSize::k2M ? 2 : 1;
}
}  // namespace

std::uint64_t WordMemory::read64(arch::Hpa address) const {
  const auto found = words.find(address.value());
  return found == words.end() ? 0 : found->second;
}
void WordMemory::write64(arch::Hpa address, std::uint64_t value) { words[address.value()] = value; }
std::uint64_t WordMemory::compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                             std::uint64_t desired) {
  if (before_swap) before_swap(address.value());
  const std::uint64_t found = read64(address);
  if (found == expected) write64(address, desired);
  return found;
}

WalkTables::WalkTables(unsigned guest_levels, unsigned ept_levels, std::uint64_t seed)
    : guest_levels_(guest_levels), ept_levels_(ept_levels), random_(seed) {
  context.cr0 = guest_levels == 0 ? 0x1 : 0x80010001;
  context.cr4 = guest_levels == 0 ? 0 : guest_levels == 5 ? 0x1020 : 0x20;
  context.efer = guest_levels == 0 ? 0 : 0xd00;
  context.ept_enabled = ept_levels != 0;
  if (ept_levels != 0) {
    context.eptp =
        (region(hpa_regions_) | (random() & (kRegion - 1) & kFrame)) | (ept_levels - 1) << 3 | 6;
  }
  if (guest_levels != 0) context.cr3 = 0;
}

/// SplitMix64.
std::uint64_t WalkTables::random() {
  random_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = random_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::uint64_t WalkTables::region(std::set<std::uint64_t>& used) {
  for (;;) {
    const std::uint64_t address =
        (random() & ((1ull << context.cpu.maxphyaddr) - 1)) & ~(kRegion - 1);
    if (used.insert(address).second) return address;
  }
}

std::uint64_t WalkTables::new_guest_table(PageSize ept_page) {
  const std::uint64_t offset = random() & (kRegion - 1) & kFrame;
  const std::uint64_t hpa = region(hpa_regions_) | offset;
  const std::uint64_t gpa = ept_levels_ == 0 ? hpa : region(gpa_regions_) | offset;
  if (ept_levels_ != 0) map_ept(gpa, hpa, ept_page);
  table_hpa_[gpa] = hpa;
  return gpa;
}

void WalkTables::map_ept(std::uint64_t gpa, std::uint64_t hpa, PageSize page) {
  std::uint64_t table = context.eptp & kFrame;
  for (unsigned level = ept_levels_;; --level) {
    const std::uint64_t entry = table | index_bytes(gpa, level);
    if (level == level_of(page)) {
      const std::uint64_t frame = hpa & ~(arch::bytes(page) - 1);
      memory.put(entry, frame | kR | kW | kX | kXu | kTypeWb | (level > 1 ? kLarge : 0));
      return;
    }
    if (memory.at(entry) == 0) {
      const std::uint64_t next = region(hpa_regions_) | (random() & (kRegion - 1) & kFrame);
      memory.put(entry, next | kR | kW | kX | kXu);
    }
    table = memory.at(entry) & kFrame;
  }
}

PageAddress WalkTables::map(std::uint64_t gva, PageSize guest_page, PageSize ept_page,
                            PageSize table_ept_page) {
  // The page's own region; offsets in it are those of gva where a large page fixes them.
  PageAddress page{.gva = gva};
  const std::uint64_t inside = arch::bytes(guest_page) - 1;
  const std::uint64_t offset = ((random() & ~inside) | (gva & inside)) & (kRegion - 1);
  page.hpa = region(hpa_regions_) | offset;
  if (guest_levels_ == 0) {
    page.gpa = gva;
    page.hpa = (page.hpa & ~(arch::bytes(ept_page) - 1)) | (gva & (arch::bytes(ept_page) - 1));
  } else {
    page.gpa = ept_levels_ == 0 ? page.hpa : region(gpa_regions_) | offset;
  }
  if (ept_levels_ != 0) map_ept(page.gpa, page.hpa, ept_page);
  if (guest_levels_ == 0) return page;

  if ((context.cr3 & kFrame) == 0) context.cr3 |= new_guest_table(table_ept_page);
  std::uint64_t table = context.cr3 & kFrame;
  for (unsigned level = guest_levels_;; --level) {
    const std::uint64_t entry = table_hpa_.at(table) | index_bytes(gva, level);
    if (level == level_of(guest_page)) {
      memory.put(entry, (page.gpa & ~inside) | kP | kGuestW | kU | (level > 1 ? kLarge : 0));
      return page;
    }
    if (memory.at(entry) == 0)
      memory.put(entry, new_guest_table(table_ept_page) | kP | kGuestW | kU);
    table = memory.at(entry) & kFrame;
  }
}

std::uint64_t WalkTables::ept_entry(std::uint64_t gpa, unsigned level) const {
  std::uint64_t table = context.eptp & kFrame;
  for (unsigned at = ept_levels_; at > level; --at) {
    table = memory.at(table | index_bytes(gpa, at)) & kFrame;
  }
  return table | index_bytes(gpa, level);
}

std::uint64_t WalkTables::guest_entry_gpa(std::uint64_t gva, unsigned level) const {
  std::uint64_t table = context.cr3 & kFrame;
  for (unsigned at = guest_levels_; at > level; --at) {
    table = memory.at(table_hpa_.at(table) | index_bytes(gva, at)) & kFrame;
  }
  return table | index_bytes(gva, level);
}

std::uint64_t WalkTables::guest_entry(std::uint64_t gva, unsigned level) const {
  const std::uint64_t gpa = guest_entry_gpa(gva, level);
  return table_hpa_.at(gpa & kFrame) | (gpa & 0xfff);
}

void WalkTables::set(std::uint64_t address, std::uint64_t bits) {
  memory.put(address, memory.at(address) | bits);
}
void WalkTables::clear(std::uint64_t address, std::uint64_t bits) {
  memory.put(address, memory.at(address) & ~bits);
}

TranslateResult WalkTables::run(const Request& request) {
  recording = {};
  for (const auto& error : {check(context), check(context, request)}) {
    if (!error) continue;
    ADD_FAILURE() << error->key << ": " << error->text;
    return {};
  }
  WalkContext decoded(context);
  if (const auto error = load_pdptes(decoded, memory)) {
    ADD_FAILURE() << error->key << ": " << error->text;
    return {};
  }
  return translate(decoded, request, memory, recording);
}

WalkTables thirty_two_bit_page() {
  WalkTables tables(0, 0);
  tables.context.cr0 = 0x8001'0001;
  tables.context.cr3 = 0x2000;
  // The second entry of either table is the upper half of its first word.
  tables.memory.put(0x2000, (0x3000 | kP | kGuestW | kU) << 32);
  tables.memory.put(0x3000, (0x5000 | kP | kGuestW | kU) << 32);
  return tables;
}

Request access(AccessKind kind, std::uint64_t gva, bool user) {
  return {.address = gva, .access = kind, .user = user};
}

std::string describe(const Outcome& o) {
  std::ostringstream text;
  text << std::hex << "kind " << int(o.kind) << " gpa " << o.gpa << " hpa " << o.hpa << " sizes "
       << (o.guest_page_size ? int(*o.guest_page_size) : 0) << ' '
       << (o.ept_page_size ? int(*o.ept_page_size) : 0) << ' ' << int(o.page_size) << " type "
       << int(o.memory_type) << " guest " << o.guest_rights.write << o.guest_rights.user
       << o.guest_rights.execute << " ept " << o.ept_rights.read << o.ept_rights.write
       << o.ept_rights.execute << o.ept_rights.user_execute << o.ept_rights.paging_write
       << o.ept_rights.supervisor_shadow_stack << " dirty " << o.dirty << " stack "
       << o.shadow_stack << " global " << o.global << " key " << int(o.protection_key)
       << " qualification " << o.qualification << " code " << o.error_code << " linear "
       << o.linear_valid << " reason " << int(o.reason) << " place " << int(o.place.guest_level)
       << ',' << int(o.place.ept_level) << ',' << o.place.hlat << ',' << int(o.place.spp_level)
       << " entry " << o.entry_address << '=' << o.entry;
  return text.str();
}

}  // namespace eptsim::mmu::test
