#include "testbench/oracle/tests/world.hpp"

namespace eptsim::oracle::test {
namespace {

constexpr std::uint64_t kFrame = 0x000ffffffffff000;

std::uint64_t index_in_bytes(std::uint64_t address, unsigned level) {
  return ((address >> (3 + 9 * level)) & 0x1ff) * 8;
}

}  // namespace

World::World(unsigned guest_levels, unsigned ept_levels, unsigned ept_page_level)
    : guest_levels_(guest_levels), ept_levels_(ept_levels), ept_page_level_(ept_page_level) {
  state.cr0 = guest_levels == 0 ? 1 : kCr0;
  state.efer = guest_levels == 0 ? 0 : kEferLong;
  state.cr4 = guest_levels == 5 ? kCr4Pae | kCr4La57 : kCr4Pae;
  if (ept_levels != 0) {
    state.eptp = next_ept_table_ | ((ept_levels - 1) << 3) | 6;
    next_ept_table_ += 0x1000;
  }
  if (guest_levels != 0) state.cr3 = new_guest_table();
}

std::uint64_t World::new_guest_table() {
  const std::uint64_t table = next_guest_table_;
  next_guest_table_ += 0x1000;
  if (ept_levels_ != 0) {
    const std::uint64_t page = std::uint64_t{0x1000} << (9 * (ept_page_level_ - 1));
    map_ept(table & ~(page - 1), (table & ~(page - 1)) + kShift, ept_page_level_);
  }
  return table;
}

void World::map_ept(std::uint64_t gpa, std::uint64_t hpa, unsigned level, std::uint64_t flags) {
  std::uint64_t table = *state.eptp & kFrame;
  for (unsigned at_level = ept_levels_; at_level > level; --at_level) {
    const std::uint64_t address = table + index_in_bytes(gpa, at_level);
    if (at(address) == 0) {
      put(address, next_ept_table_ | 7 | (state.controls.mode_based_execute ? 0x400U : 0U));
      next_ept_table_ += 0x1000;
    }
    table = at(address) & kFrame;
  }
  put(table + index_in_bytes(gpa, level), hpa | flags | (level > 1 ? 0x80U : 0U));
}

void World::map_guest(std::uint64_t gva, std::uint64_t gpa, unsigned level, std::uint64_t flags) {
  map_guest_under(state.cr3, gva, gpa, level, flags);
}

void World::map_guest_under(std::uint64_t root, std::uint64_t gva, std::uint64_t gpa,
                            unsigned level, std::uint64_t flags) {
  std::uint64_t table = root;
  for (unsigned at_level = guest_levels_; at_level > level; --at_level) {
    const std::uint64_t address = host(table) + index_in_bytes(gva, at_level);
    if (at(address) == 0) put(address, new_guest_table() | 0x27);
    table = at(address) & kFrame;
  }
  put(host(table) + index_in_bytes(gva, level), gpa | flags | (level > 1 ? 0x80U : 0U));
}

void World::map_data(unsigned guest_level, unsigned ept_level) {
  if (guest_levels_ != 0)
    map_guest(kGva & ~((std::uint64_t{0x1000} << (9 * (guest_level - 1))) - 1), kGpa, guest_level);
  if (ept_levels_ == 0) return;
  const std::uint64_t page = std::uint64_t{0x1000} << (9 * (guest_level - 1));
  const std::uint64_t gpa = kGpa + (kGva & (page - 1));
  const std::uint64_t ept_page = std::uint64_t{0x1000} << (9 * (ept_level - 1));
  const std::uint64_t base = gpa & ~(ept_page - 1);
  map_ept(base, base + kShift, ept_level);
}

std::uint64_t World::ept_entry(std::uint64_t gpa, unsigned level) const {
  std::uint64_t table = *state.eptp & kFrame;
  for (unsigned at_level = ept_levels_; at_level > level; --at_level) {
    table = at(table + index_in_bytes(gpa, at_level)) & kFrame;
  }
  return table + index_in_bytes(gpa, level);
}

std::uint64_t World::guest_entry_gpa(std::uint64_t gva, unsigned level) const {
  return guest_entry_gpa(gva, level, state.cr3);
}

std::uint64_t World::guest_entry_gpa(std::uint64_t gva, unsigned level, std::uint64_t root) const {
  std::uint64_t table = root;
  for (unsigned at_level = guest_levels_; at_level > level; --at_level) {
    table = at(host(table) + index_in_bytes(gva, at_level)) & kFrame;
  }
  return table + index_in_bytes(gva, level);
}

std::uint64_t World::guest_entry(std::uint64_t gva, unsigned level) const {
  return host(guest_entry_gpa(gva, level));
}

std::uint64_t World::at(std::uint64_t address) const {
  const auto found = memory_.find(address);
  return found == memory_.end() ? 0 : found->second;
}

Memory World::memory() {
  return {.read64 = [this](std::uint64_t address) { return at(address); },
          .write64 = [this](std::uint64_t address, std::uint64_t value) { put(address, value); }};
}

Result World::run(const Access& access) { return translate(state, access, memory()); }

Result World::run(Kind kind, bool user, std::uint64_t offset) {
  return run(Access{.address = kGva + offset, .kind = kind, .user = user});
}

}  // namespace eptsim::oracle::test
