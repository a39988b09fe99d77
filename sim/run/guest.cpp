#include "sim/run/guest.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "sim/run/hexadecimal.hpp"
#include "sim/run/out_of_memory.hpp"

namespace eptsim::sim {

Guest::Guest(arch::PhysicalMemory& memory, ept::GuestPhysicalMap& where, PhysicalFrames& frames,
             unsigned maxphyaddr, arch::PageSize page)
    : memory_(memory),
      where_(where),
      frames_(frames),
      table_frames_(frames),
      settings_{.mode = ept::PagingMode::k4Level, .maxphyaddr = maxphyaddr},
      page_(page) {}

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
  const auto frame = frames_.take(page_);
  if (!frame) throw out_of_memory(frames_, "a guest page of " + std::string(name(page_)));
  const auto mapped =
      tables.map(arch::Gva(linear).align_down(arch::bytes(page_)), arch::Gpa(*frame),
                 {.size = page_, .accessed = true, .dirty = write});
  if (!mapped) {
    if (mapped.error() == ept::GuestMapError::kOutOfMemory) {
      throw out_of_memory(frames_, "a guest paging structure");
    }
    throw std::logic_error(
        "a page fault at " + hexadecimal(linear) +
        ", where mapping a page is refused: " + std::string(name(mapped.error())));
  }
  page_bytes_ += arch::bytes(page_);
}

void Guest::unmap(std::uint16_t asid, std::uint64_t linear) {
  const auto page = space(asid).unmap(arch::Gva(linear).align_down(arch::bytes(page_)), page_);
  if (!page) return;
  frames_.give_back(page->gpa.value(), page_);
  page_bytes_ -= arch::bytes(page_);
}

}  // namespace eptsim::sim
