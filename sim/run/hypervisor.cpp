#include "sim/run/hypervisor.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "sim/run/hexadecimal.hpp"
#include "sim/run/out_of_memory.hpp"

namespace eptsim::sim {
namespace {

ept::ExtendedPageTable make_table(arch::PhysicalMemory& memory, ept::FrameAllocator& tables,
                                  const PhysicalFrames& frames, unsigned maxphyaddr) {
  auto table = ept::ExtendedPageTable::create(memory, tables, {.maxphyaddr = maxphyaddr});
  if (table) return std::move(*table);
  if (table.error() == ept::CreateError::kOutOfMemory) {
    throw out_of_memory(frames, "the EPT's root table");
  }
  throw std::logic_error("the EPT was not made: " + std::string(name(table.error())));
}

}  // namespace

Hypervisor::Hypervisor(arch::PhysicalMemory& memory, PhysicalFrames& frames, unsigned maxphyaddr,
                       PagePolicy policy)
    : frames_(frames),
      table_frames_(frames),
      policy_(policy),
      ept_(make_table(memory, table_frames_, frames, maxphyaddr)) {}

void Hypervisor::handle_violation(arch::Gpa gpa) {
  ++violations_;
  back(gpa);
}

void Hypervisor::back(arch::Gpa gpa) {
  if (make_writable(gpa)) return;
  arch::PageSize size = policy_.largest;
  while (!is_empty(gpa, size)) size = next_smaller(size);
  auto frame = frames_.take(size);
  for (; !frame && size != arch::PageSize::k4K; frame = frames_.take(size)) {
    ++no_large_frame_;
    size = next_smaller(size);
  }
  if (!frame) throw out_of_memory(frames_, "an EPT page");
  auto mapped = ept_.map(gpa.align_down(arch::bytes(size)), arch::Hpa(*frame), ept::kAllAccess,
                         {.size = size});
  if (!mapped) {
    if (mapped.error() == ept::MapError::kOutOfMemory) {
      throw out_of_memory(frames_, "an EPT table");
    }
    throw std::logic_error(
        "an EPT violation at guest-physical address " + hexadecimal(gpa.value()) +
        ", where mapping a page is refused: " + std::string(name(mapped.error())));
  }
  pending_.merge(std::move(*mapped));
  mapped_.add(size);
}

/// Whether a page of `size` around `gpa` would cover no other. The smallest never does: nothing is
/// mapped at `gpa` itself.
bool Hypervisor::is_empty(arch::Gpa gpa, arch::PageSize size) const {
  if (size == arch::PageSize::k4K) return true;
  const arch::Gpa begin = gpa.align_down(arch::bytes(size));
  const ept::Mappings around = ept_.mappings({begin, begin + arch::bytes(size)});
  return around.begin() == around.end();
}

/// Gives a write-protected page its right back, which owes nothing: one that was lacking may be
/// cached, but a violation has just removed it (SDM 31.4.3.1). Whether there was such a page.
bool Hypervisor::make_writable(arch::Gpa gpa) {
  const auto leaf = ept_.walk(gpa);
  if (!leaf || leaf->mapping.permission().write) return false;
  ++protected_writes_;
  auto changed = ept_.protect(leaf->mapping.gpa, ept::kAllAccess, leaf->mapping.size);
  pending_.merge(std::move(changed.value()));
  return true;
}

void Hypervisor::write_protect() {
  const arch::Gpa end(std::uint64_t{1} << ept_.settings().guest_physical_width());
  pending_.merge(std::move(ept_.protect_range({arch::Gpa(0), end}, ept::kReadExecute).value()));
}

std::optional<arch::Hpa> Hypervisor::host_address(arch::Gpa gpa) {
  auto leaf = ept_.walk(gpa);
  if (!leaf) {
    handle_violation(gpa);
    leaf = ept_.walk(gpa);
  }
  return leaf->hpa_of(gpa);
}

void Hypervisor::complete() { ept_.complete(std::exchange(pending_, {})); }

}  // namespace eptsim::sim
