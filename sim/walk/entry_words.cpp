#include "sim/walk/entry_words.hpp"

#include <fmt/format.h>

#include <iterator>
#include <span>
#include <string_view>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/memory_type.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::sim {
namespace {

using arch::BitField;

/// A flag and how a line of the walk shows it.
struct Flag {
  BitField bit;
  std::string_view shown;
};

// Rights stand in columns of their own, `-` where one is missing; other flags only where set.
constexpr Flag kEptRights[] = {{arch::ept_entry::kRead, "R"},
                               {arch::ept_entry::kWrite, "W"},
                               {arch::ept_entry::kExecute, "X"}};
constexpr Flag kEptFlags[] = {{arch::ept_entry::kAccessed, "A"}};
constexpr Flag kEptLeafFlags[] = {
    {arch::ept_entry::kDirty, "D"},
    {arch::ept_entry::kIgnorePat, "IPAT"},
    {arch::ept_entry::kVerify, "VGP"},
    {arch::ept_entry::kPagingWriteAccess, "PW"},
    {arch::ept_entry::kSupervisorShadowStack, "SSS"},
    {arch::ept_entry::kSubpageWritePermission, "SPP"},
};
constexpr Flag kGuestRights[] = {{arch::guest_entry::kPresent, "P"},
                                 {arch::guest_entry::kWritable, "W"},
                                 {arch::guest_entry::kUser, "U"}};
constexpr Flag kGuestFlags[] = {
    {arch::guest_entry::kExecuteDisable, "XD"},
    {arch::guest_entry::kAccessed, "A"},
    {arch::guest_entry::kWriteThrough, "PWT"},
    {arch::guest_entry::kCacheDisable, "PCD"},
};
constexpr Flag kGuestLeafFlags[] = {
    {arch::guest_entry::kDirty, "D"},
    {arch::guest_entry::kGlobal, "G"},
};

std::string rights_text(std::span<const Flag> rights, std::uint64_t entry) {
  std::string out;
  for (const Flag& right : rights) {
    fmt::format_to(std::back_inserter(out), "{} ", right.bit.any(entry) ? right.shown : "-");
  }
  return out;
}

std::string flags_text(std::span<const Flag> flags, std::uint64_t entry) {
  std::string out;
  for (const Flag& flag : flags) {
    if (flag.bit.any(entry)) fmt::format_to(std::back_inserter(out), "{} ", flag.shown);
  }
  return out;
}

std::string guest_flags(const mmu::Context& context, const Visit& visit) {
  const std::uint64_t entry = visit.reference.value;
  std::string out = rights_text(kGuestRights, entry) + flags_text(kGuestFlags, entry);
  if (visit.leaf) {
    out += flags_text(kGuestLeafFlags, entry);
    const std::uint64_t key = arch::guest_entry::kProtectionKey.get(entry);
    if (key != 0 && arch::efer::kLma.any(context.efer)) out += fmt::format("key {} ", key);
  }
  return out;
}

std::string ept_flags(const mmu::Context& context, const Visit& visit) {
  const std::uint64_t entry = visit.reference.value;
  std::string out = rights_text(kEptRights, entry);
  if (context.controls.mode_based_execute) {
    out += arch::ept_entry::kUserExecute.any(entry) ? "XU " : "-  ";
  }
  out += flags_text(kEptFlags, entry);
  if (!visit.leaf) return out;
  out += flags_text(kEptLeafFlags, entry);
  if (context.controls.ept_violation_ve) {
    out += arch::ept_entry::kSuppressVe.any(entry) ? "SVE " : "";
  }
  const std::uint64_t type = arch::ept_entry::kMemoryType.get(entry);
  return out + (arch::is_valid_ept_memory_type(type)
                    ? std::string(arch::name(static_cast<arch::MemoryType>(type)))
                    : fmt::format("memory type {}", type));
}

}  // namespace

EntryWords entry_in_words(const mmu::Context& context, const Visit& visit) {
  if (visit.table == TableKind::kSpp) {
    if (!visit.present) return {"not valid", ""};
    if (visit.leaf) return {"one bit in two allows writes to 128 bytes", ""};
    return {"valid", fmt::format("table {:#x}", visit.target)};
  }
  if (!visit.present) return {"not present", ""};
  EntryWords words{visit.is_guest() ? guest_flags(context, visit) : ept_flags(context, visit), ""};
  while (words.flags.ends_with(' ')) words.flags.pop_back();
  if (visit.table == TableKind::kHlat && arch::guest_entry::kRestart.any(visit.reference.value)) {
    words.leads = "restart from CR3";
    return words;
  }
  const std::string_view space = visit.is_guest() && context.ept_enabled ? "guest-physical " : "";
  words.leads = visit.page
                    ? fmt::format("{} page {}{:#x}", arch::name(*visit.page), space, visit.target)
                    : fmt::format("table {}{:#x}", space, visit.target);
  return words;
}

}  // namespace eptsim::sim
