#include "sim/run/guest.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "sim/run/hexadecimal.hpp"
#include "sim/run/out_of_memory.hpp"

namespace eptsim::sim {

Guest::Guest(arch::PhysicalMemory& memory, ept::GuestPhysicalMap& where, PhysicalFrames& frames,
             unsigned maxphyaddr, PagePolicy policy, LinearAreas areas)
    : memory_(memory),
      where_(where),
      frames_(frames),
      table_frames_(frames),
      settings_{.mode = ept::PagingMode::k4Level, .maxphyaddr = maxphyaddr},
      policy_(policy),
      areas_(std::move(areas)) {}

ept::GuestState Guest::state(std::uint16_t asid) { return space(asid).state(); }

ept::GuestTables& Guest::space(std::uint16_t asid) {
  const auto known = spaces_.find(asid);
  if (known != spaces_.end()) return known->second;
  auto tables = ept::GuestTables::create(memory_, where_, table_frames_, settings_);
  if (!tables) {
    if (tables.error() == ept::GuestCreateError::kOutOfMemory) {
      throw out_of_memory(frames_, "an address space's first paging structure");
    }
    throw std::logic_error("an address space was not made: " + std::string(name(tables.error())));
  }
  return spaces_.emplace(asid, std::move(*tables)).first->second;
}

void Guest::handle_page_fault(std::uint16_t asid, std::uint64_t linear, bool write) {
  ept::GuestTables& tables = space(asid);
  arch::PageSize size =
      smaller(wanted_size(linear), tables.room_at(arch::Gva(linear)).value_or(arch::PageSize::k4K));
  auto frame = frames_.take(size);
  for (; !frame && size != arch::PageSize::k4K; frame = frames_.take(size)) {
    ++no_large_frame_;
    size = next_smaller(size);
  }
  if (!frame) throw out_of_memory(frames_, "a guest page");
  const auto mapped = tables.map(arch::Gva(linear).align_down(arch::bytes(size)), arch::Gpa(*frame),
                                 {.size = size, .accessed = true, .dirty = write});
  if (!mapped) {
    if (mapped.error() == ept::GuestMapError::kOutOfMemory) {
      throw out_of_memory(frames_, "a guest paging structure");
    }
    throw std::logic_error(
        "a page fault at " + hexadecimal(linear) +
        ", where mapping a page is refused: " + std::string(name(mapped.error())));
  }
  mapped_.add(size);
}

/// What the policy gives where nothing is in the way.
arch::PageSize Guest::wanted_size(std::uint64_t linear) const {
  if (!policy_.transparent) return policy_.largest;
  const std::uint64_t bytes = arch::bytes(policy_.largest);
  return areas_.contain(linear & ~(bytes - 1), bytes) ? policy_.largest : arch::PageSize::k4K;
}

std::optional<ept::GuestLeaf> Guest::unmap(std::uint16_t asid, std::uint64_t linear) {
  ept::GuestTables& tables = space(asid);
  const auto page = tables.walk(arch::Gva(linear));
  if (!page || !tables.unmap(page->gva, page->size)) return std::nullopt;
  frames_.give_back(page->gpa.value(), page->size);
  mapped_.remove(page->size);
  return *page;
}

}  // namespace eptsim::sim
