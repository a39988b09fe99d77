#include "testbench/oracle/oracle.hpp"

#include <algorithm>

#include "testbench/oracle/ept_walk.hpp"
#include "testbench/oracle/guest_rights.hpp"
#include "testbench/oracle/guest_walk.hpp"
#include "testbench/oracle/journal.hpp"
#include "testbench/oracle/memory_type.hpp"
#include "testbench/oracle/registers.hpp"
#include "testbench/oracle/stop.hpp"

namespace eptsim::oracle {
namespace {

// The smallest of the sizes that are not 0, and 4 KBytes if all are.
std::uint64_t smallest_page(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  std::uint64_t smallest = 0;
  for (const std::uint64_t size : {a, b, c}) {
    if (size != 0 && (smallest == 0 || size < smallest)) smallest = size;
  }
  return smallest == 0 ? 0x1000 : smallest;
}

GuestPhysicalAccess final_access(const Access& access, std::uint64_t gpa, unsigned size) {
  GuestPhysicalAccess result;
  result.gpa = gpa;
  result.size = size;
  result.read = access.kind == Kind::kRead || access.kind == Kind::kReadModifyWrite ||
                access.kind == Kind::kShadowStackRead;
  result.write = is_write(access.kind);
  result.fetch = is_fetch(access.kind);
  result.shadow_stack = is_shadow_stack(access.kind);
  result.supervisor_shadow_stack = is_shadow_stack(access.kind) && !is_user(access);
  return result;
}

// Translates the bytes of the access that lie in the page of this address.
Page translate_page(const State& state, const Access& access, std::uint64_t address, unsigned size,
                    Journal& journal, EptWalk& ept) {
  Page page;
  GuestMapping guest;
  GuestPhysicalAccess last;
  if (access.linear) {
    guest = GuestWalk(state, access, address, journal, ept).translate();
    last = final_access(access, guest.gpa, size);
    last.linear = GuestPhysicalAccess::Linear{
        .gva = address,
        .user_mode = guest.rights.user,
        .writable = guest.rights.writable,
        .execute_disable = guest.rights.execute_disable,
        .tables_verified = guest.tables_verified,
    };
  } else {
    guest.gpa = address;
    guest.pat = kPatWb;
    last = final_access(access, guest.gpa, size);
  }
  const EptMapping mapping = ept.translate(last);
  const std::uint64_t* ept_leaf = ept_on(state) ? &mapping.entries.back().value : nullptr;
  page.gpa = guest.gpa;
  page.hpa = mapping.hpa;
  page.guest_page_size = guest.page_size;
  page.ept_page_size = mapping.page_size;
  page.page_size = smallest_page(guest.page_size, mapping.page_size, guest.tlb_limit);
  page.memory_type = effective_type(state, ept_leaf, guest.pat);
  return page;
}

// SDM 28.5.7: the EPT violation becomes a virtualization exception, if it may, and fills the
// information area.
void convert_violation(const State& state, Stop& stop, Journal& journal) {
  if (stop.page.outcome != Outcome::kEptViolation) return;
  if (!state.controls.ept_violation_ve || !cr0_pe(state)) return;
  if (!stop.deciding_entry || bit(*stop.deciding_entry, 63)) return;
  const std::uint64_t area = state.ve_info_address;
  if (journal.read(area + 4, 4) != 0) return;
  constexpr std::uint64_t ept_violation_reason = 48;
  journal.write(area + 0, 4, ept_violation_reason);
  journal.write(area + 4, 4, 0xffffffff);
  journal.write(area + 8, 8, stop.page.qualification);
  journal.write(area + 16, 8, stop.page.gva);
  journal.write(area + 24, 8, stop.page.gpa);
  journal.write(area + 32, 2, state.eptp_index);
  stop.page.outcome = Outcome::kVirtualizationException;
}

Page general_protection_at(std::uint64_t gva) {
  Page page;
  page.outcome = Outcome::kGeneralProtection;
  page.gva_valid = true;
  page.gva = gva;
  return page;
}

}  // namespace

Result translate(const State& state, const Access& access, const Memory& memory) {
  Result result;
  Journal journal(memory, result);
  EptWalk ept(state, journal);
  result.pml_index = state.pml_index;

  const auto to_page_end = static_cast<unsigned>(0x1000 - bits(access.address, 11, 0));
  const unsigned lower_size = std::min(access.size, to_page_end);
  const unsigned upper_size = access.size - lower_size;
  std::uint64_t upper = access.address + lower_size;
  if (access.linear && !efer_lma(state)) upper = in_place(upper, 31, 0);

  if (access.linear) {
    if (general_protection(state, access, access.address)) {
      static_cast<Page&>(result) = general_protection_at(access.address);
      return result;
    }
    if (upper_size != 0 && general_protection(state, access, upper)) {
      static_cast<Page&>(result) = general_protection_at(upper);
      return result;
    }
  }

  try {
    static_cast<Page&>(result) =
        translate_page(state, access, access.address, lower_size, journal, ept);
    if (upper_size != 0) {
      result.second = translate_page(state, access, upper, upper_size, journal, ept);
    }
  } catch (Stop& stop) {
    convert_violation(state, stop, journal);
    static_cast<Page&>(result) = stop.page;
  }
  result.pml_index = ept.pml_index();
  return result;
}

}  // namespace eptsim::oracle
