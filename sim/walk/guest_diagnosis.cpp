#include "sim/walk/doctor.hpp"

#include <fmt/format.h>

#include "ept/arch/access.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::sim {

using mmu::Reason;

void Doctor::missing_guest_right(std::string_view why, BitChange right) {
  it_.why = why;
  for (const Visit& entry : guest_entries()) {
    if (((entry.reference.value & right.mask()) != 0) == right.to) continue;
    it_.changes.push_back(change(entry, {right}));
  }
  it_.afterwards = kNoInvlpgOwed;
}

/// A supervisor access to a page that every entry gives to the user.
void Doctor::page_of_the_user(std::string_view why, std::string_view control, unsigned bit) {
  it_.why = why;
  it_.one_is_enough = true;
  const std::vector<Visit> entries = guest_entries();
  if (!entries.empty()) it_.changes.push_back(change(entries.back(), {{2, "USER", false}}));
  it_.changes.push_back(register_change(control, bit, false));
  it_.afterwards =
      "After the change of the entry INVLPG is owed, after that of a register nothing is.";
}

void Doctor::guest_not_present(const Visit& visit) {
  it_.why =
      fmt::format("The guest has nothing mapped there: PRESENT is 0 in the {}.", visit.name());
  it_.changes.push_back(change(visit, {{0, "PRESENT", true}}));
  missing_address(visit.reference.value, visit.level, visit.level <= 3);
  it_.afterwards = kNeverCached;
}

/// PAE paging starts from a register in the place of an entry (SDM 5.4.1).
void Doctor::register_not_present() {
  const std::uint64_t pdpte = answer_.outcome.entry;
  const auto number = static_cast<unsigned>(answer_.address >> 30 & 3);
  it_.why = fmt::format(
      "The guest has nothing mapped there: PRESENT is 0 in PDPTE register {}, from which PAE "
      "paging starts. No table was read for it.",
      number);
  it_.changes.push_back(fmt::format(
      "{}: bit 0 (PRESENT) from 0 to 1, which makes it {:#x}",
      context_.ept_enabled
          ? fmt::format("PDPTE register {} (VMCS field {:#x})", number, 0x280a + 2 * number)
          : fmt::format("guest PDPTE at host-physical {:#x}",
                        (context_.cr3 & arch::cr3::kPaeAddress.mask()) + 8 * number),
      pdpte | 1));
  missing_address(pdpte, 3, false);
  if (!context_.ept_enabled) it_.afterwards = "Only MOV to CR3 loads the register anew.";
}

void Doctor::protection_key() {
  const std::vector<Visit> entries = guest_entries();
  if (entries.empty()) return;
  const auto key =
      static_cast<unsigned>(arch::guest_entry::kProtectionKey.get(entries.back().reference.value));
  const std::uint32_t rights = user_page() ? context_.pkru : context_.pkrs;
  const std::string_view name = user_page() ? "PKRU" : "IA32_PKRS";
  const bool no_access = (rights >> (2 * key) & 1) != 0;
  const bool no_writes = (rights >> (2 * key) & 2) != 0 && arch::is_write(request_.access) &&
                         (rules_.write_protect || (user_page() && user()));
  it_.why = fmt::format(
      "The page has protection key {} (bits 62:59 of the {}), and {} ({:#x}) denies {} it.", key,
      entries.back().name(), name, rights, no_access ? "every data access to" : "writes to");
  if (no_access) {
    it_.changes.push_back(register_change(fmt::format("{}.AD{}", name, key), 2 * key, false));
  }
  if (no_writes) {
    it_.changes.push_back(register_change(fmt::format("{}.WD{}", name, key), 2 * key + 1, false));
  }
  it_.afterwards = "No invalidation is owed: the keys' rights are never cached.";
}

void Doctor::guest_shadow_stack() {
  it_.why =
      "The page is no shadow stack for this access: its last entry must be read-only and dirty, "
      "all above it writable, and USER must be 1 at every level for a user access, and 0 at some "
      "level for one of the supervisor.";
  const std::vector<Visit> entries = guest_entries();
  it_.afterwards = kNoInvlpgOwed;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Visit& entry = entries[i];
    const std::uint64_t value = entry.reference.value;
    const bool leaf = i + 1 == entries.size();
    std::vector<BitChange> bits;
    if (arch::guest_entry::kWritable.any(value) == leaf) bits.push_back({1, "WRITABLE", !leaf});
    if (leaf && user_page() && !user()) bits.push_back({2, "USER", false});
    if (leaf && !arch::guest_entry::kDirty.any(value)) bits.push_back({6, "DIRTY", true});
    if (bits.empty()) continue;
    it_.changes.push_back(change(entry, bits));
    for (const BitChange& bit : bits) {
      if (!bit.to) it_.afterwards = kInvlpgOwed;
    }
  }
}

void Doctor::linear_address() {
  if (answer_.outcome.reason == Reason::kNotCanonical) {
    const unsigned width = rules_.linear_width;
    const std::uint64_t sign = answer_.address >> (width - 1) & 1;
    const std::uint64_t low = answer_.address & ((std::uint64_t{1} << width) - 1);
    it_.why = fmt::format(
        "Bits 63:{} of a linear address must be equal with {}-level paging: the address is not "
        "canonical. No table was read.",
        width - 1, width == 57 ? 5 : 4);
    it_.changes.push_back(fmt::format("the address: {:#x} is canonical",
                                      sign != 0 ? low | ~std::uint64_t{0} << width : low));
    return;
  }
  it_.why = fmt::format(
      "Linear-address-space separation (CR4.LASS) keeps {} out of the {} half of the address "
      "space. No table was read.",
      user() ? "the user" : "the supervisor", user() ? "upper" : "lower");
  it_.one_is_enough = true;
  it_.changes.push_back(register_change("CR4.LASS", arch::cr4::kLass.low, false));
  if (!user() && request_.access != arch::AccessKind::kFetch) {
    if (!request_.implicit) it_.changes.push_back(register_change("RFLAGS.AC", 18, true));
    it_.changes.push_back(register_change("CR4.SMAP", arch::cr4::kSmap.low, false));
  }
}

}  // namespace eptsim::sim
