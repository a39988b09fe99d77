#include "sim/run/shadow_paging.hpp"

#include <stdexcept>
#include <string>

#include "mmu_model/walk/translate.hpp"
#include "sim/run/hexadecimal.hpp"
#include "sim/run/out_of_memory.hpp"

namespace eptsim::sim {

ShadowPaging::ShadowPaging(arch::PhysicalMemory& memory, Hypervisor& host, PhysicalFrames& frames,
                           unsigned maxphyaddr)
    : memory_(memory),
      host_(host),
      frames_(frames),
      maxphyaddr_(maxphyaddr),
      table_frames_(frames) {}

arch::Hpa ShadowPaging::root(std::uint16_t asid) { return arch::Hpa(space(asid).root().value()); }

ept::GuestTables& ShadowPaging::space(std::uint16_t asid) {
  const auto known = spaces_.find(asid);
  if (known != spaces_.end()) return known->second;
  auto tables =
      ept::GuestTables::create(memory_, identity_, table_frames_,
                               {.mode = ept::PagingMode::k4Level, .maxphyaddr = maxphyaddr_});
  if (tables) return spaces_.emplace(asid, std::move(*tables)).first->second;
  if (tables.error() == ept::GuestCreateError::kOutOfMemory) {
    throw out_of_memory(frames_, "an address space's first shadow table");
  }
  throw std::logic_error("shadow tables were not made: " + std::string(name(tables.error())));
}

std::optional<std::uint32_t> ShadowPaging::handle_page_fault(std::uint16_t asid,
                                                             const mmu::WalkContext& guest,
                                                             const mmu::Request& request) {
  for (;;) {
    const mmu::Outcome walked = mmu::translate(guest, request, memory_).outcome;
    switch (walked.kind) {
      case mmu::OutcomeKind::kTranslated:
        map(asid, arch::Gva(request.address), walked);
        return std::nullopt;
      case mmu::OutcomeKind::kPageFault: return walked.error_code;
      case mmu::OutcomeKind::kEptViolation: host_.back(arch::Gpa(walked.gpa)); break;
      default:
        throw std::logic_error("a walk of linear address " + hexadecimal(request.address) +
                               " in software ended in " + std::string(name(walked.kind)));
    }
  }
}

void ShadowPaging::map(std::uint16_t asid, arch::Gva gva, const mmu::Outcome& walked) {
  ept::GuestTables& tables = space(asid);
  // Read-only until now. The fault has removed it from the TLB.
  if (const auto old = tables.walk(gva)) remove(tables, *old);
  // Where smaller pages were before, their table still is.
  const auto room = tables.room_at(gva);
  const arch::PageSize size = smaller(walked.page_size, room.value_or(arch::PageSize::k4K));
  const std::uint64_t bytes = arch::bytes(size);
  const bool writable = walked.guest_rights.write && walked.ept_rights.write && walked.dirty;
  const auto mapped =
      tables.map(gva.align_down(bytes), arch::Gpa(walked.hpa).align_down(bytes),
                 {.size = size,
                  .writable = writable,
                  .user = walked.guest_rights.user,
                  .execute_disable = !walked.guest_rights.execute || !walked.ept_rights.execute,
                  .accessed = true,
                  .dirty = writable});
  if (mapped) {
    mapped_.add(size);
    return;
  }
  if (mapped.error() == ept::GuestMapError::kOutOfMemory) {
    throw out_of_memory(frames_, "a shadow table");
  }
  throw std::logic_error("a shadow entry for linear address " + hexadecimal(gva.value()) +
                         " is refused: " + std::string(name(mapped.error())));
}

void ShadowPaging::forget(std::uint16_t asid, const ept::GuestLeaf& page) {
  ept::GuestTables& tables = space(asid);
  std::uint64_t done = 0;
  while (done < arch::bytes(page.size)) {
    const arch::Gva gva = page.gva + done;
    arch::PageSize step = tables.room_at(gva).value_or(arch::PageSize::k4K);
    if (const auto leaf = tables.walk(gva)) {
      step = leaf->size;
      remove(tables, *leaf);
      if (step != page.size) owed_ = true;
    }
    done += arch::bytes(step) - gva.offset_in(arch::bytes(step));
  }
}

void ShadowPaging::forget_table(std::uint16_t asid, arch::Gva gva) {
  const auto table = space(asid).take_last_table(gva);
  if (!table) return;
  for (const ept::GuestLeaf& page : table->pages) mapped_.remove(page.size);
  forgotten_tables_.push_back(table->frame);
  owed_ = true;
}

void ShadowPaging::free_tables() {
  for (const arch::Gpa table : std::exchange(forgotten_tables_, {})) table_frames_.free(table);
}

void ShadowPaging::remove(ept::GuestTables& tables, const ept::GuestLeaf& leaf) {
  if (!tables.unmap(leaf.gva, leaf.size)) {
    throw std::logic_error("a shadow entry for linear address " + hexadecimal(leaf.gva.value()) +
                           " is not where it was found");
  }
  mapped_.remove(leaf.size);
}

}  // namespace eptsim::sim
