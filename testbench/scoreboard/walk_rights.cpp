#include "testbench/scoreboard/walk_rights.hpp"

#include <vector>

#include "ept/arch/access.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/registers.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {

namespace {

using Entries = std::vector<std::uint64_t>;

constexpr bool has(std::uint64_t entry, unsigned bit) { return (entry >> bit & 1) != 0; }

bool all_have(const Entries& entries, unsigned bit) {
  for (const std::uint64_t entry : entries) {
    if (!has(entry, bit)) return false;
  }
  return true;
}

bool one_has(const Entries& entries, unsigned bit) {
  for (const std::uint64_t entry : entries) {
    if (has(entry, bit)) return true;
  }
  return false;
}

}  // namespace

void compare_rights_with_entries(const mmu::Context& context, const mmu::Request& request,
                                 const mmu::Recording& recording, const mmu::Outcome& outcome,
                                 Differences& differences) {
  if (outcome.kind != mmu::OutcomeKind::kTranslated) return;
  Entries guest;
  Entries ept;
  bool hlat = false;
  for (const mmu::Reference& reference : recording.references) {
    const mmu::Place place = reference.place;
    if (place.spp_level != 0) continue;
    if (place.is_guest_entry()) {
      // What HLAT tables said before the restart counts no more.
      if (hlat && !place.hlat) guest.clear();
      hlat = place.hlat;
      guest.push_back(reference.value);
    } else if (place.guest_level == 0) {
      ept.push_back(reference.value);
    }
  }
  const bool writes = arch::is_write(request.access);
  bool dirty = true;

  const bool long_mode = arch::efer::kLma.any(context.efer);
  const bool wide = long_mode || arch::cr4::kPae.any(context.cr4);
  const bool walked = !guest.empty();
  const std::uint64_t page = walked ? guest.back() : 0;
  const bool execute_disable = wide && arch::efer::kNxe.any(context.efer) && one_has(guest, 63);
  if (walked) dirty = has(page, 6) || writes;
  differences.flag("guest_rights.write, by the entries", all_have(guest, 1),
                   outcome.guest_rights.write);
  differences.flag("guest_rights.user, by the entries", all_have(guest, 2),
                   outcome.guest_rights.user);
  differences.flag("guest_rights.execute, by the entries", !execute_disable,
                   outcome.guest_rights.execute);
  differences.flag("global, by the entries",
                   walked && has(page, 8) && arch::cr4::kPge.any(context.cr4), outcome.global);
  differences.number("protection_key, by the entries", long_mode ? page >> 59 & 15 : 0,
                     outcome.protection_key);
  // SDM 5.6: read-only and dirty, under entries that allow writes.
  bool shadow_stack = walked && !has(page, 1) && dirty;
  for (std::size_t i = 0; i + 1 < guest.size(); ++i) {
    shadow_stack = shadow_stack && has(guest[i], 1);
  }
  differences.flag("shadow_stack, by the entries", shadow_stack, outcome.shadow_stack);

  if (!ept.empty() && arch::eptp::kAccessedDirty.any(context.eptp)) {
    dirty = dirty && (has(ept.back(), 9) || writes);
  }
  differences.flag("dirty, by the entries", dirty, outcome.dirty);
  const bool execute = all_have(ept, 2);
  differences.flag("ept_rights.read, by the entries", all_have(ept, 0), outcome.ept_rights.read);
  differences.flag("ept_rights.write, by the entries", all_have(ept, 1), outcome.ept_rights.write);
  differences.flag("ept_rights.execute, by the entries", execute, outcome.ept_rights.execute);
  differences.flag("ept_rights.user_execute, by the entries",
                   context.controls.mode_based_execute ? all_have(ept, 10) : execute,
                   outcome.ept_rights.user_execute);
}

}  // namespace eptsim::tb
