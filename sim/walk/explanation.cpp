#include "sim/walk/explanation.hpp"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <span>
#include <string_view>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/fault.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::sim {
namespace {

using arch::BitField;

/// Marks text for a terminal, or leaves it.
class Palette {
 public:
  explicit Palette(bool colour) : colour_(colour) {}
  std::string guest(std::string_view text) const { return paint("36", text); }
  std::string ept(std::string_view text) const { return paint("33", text); }
  std::string good(std::string_view text) const { return paint("1;32", text); }
  std::string bad(std::string_view text) const { return paint("1;31", text); }
  std::string faint(std::string_view text) const { return paint("2", text); }

 private:
  std::string paint(std::string_view code, std::string_view text) const {
    return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  }
  bool colour_;
};

/// A flag and how a line of the walk shows it.
struct Flag {
  BitField bit;
  std::string_view shown;
};

constexpr Flag kEptFlags[] = {
    {arch::ept_entry::kRead, "R"},     {arch::ept_entry::kWrite, "W"},
    {arch::ept_entry::kExecute, "X"},  {arch::ept_entry::kUserExecute, "XU"},
    {arch::ept_entry::kAccessed, "A"},
};
constexpr Flag kEptLeafFlags[] = {
    {arch::ept_entry::kDirty, "D"},
    {arch::ept_entry::kIgnorePat, "IPAT"},
    {arch::ept_entry::kVerify, "VGP"},
    {arch::ept_entry::kPagingWriteAccess, "PW"},
    {arch::ept_entry::kSupervisorShadowStack, "SSS"},
    {arch::ept_entry::kSubpageWritePermission, "SPP"},
    {arch::ept_entry::kSuppressVe, "SVE"},
};
constexpr Flag kGuestFlags[] = {
    {arch::guest_entry::kPresent, "P"},
    {arch::guest_entry::kWritable, "W"},
    {arch::guest_entry::kUser, "U"},
    {arch::guest_entry::kWriteThrough, "PWT"},
    {arch::guest_entry::kCacheDisable, "PCD"},
    {arch::guest_entry::kAccessed, "A"},
    {arch::guest_entry::kExecuteDisable, "XD"},
};
constexpr Flag kGuestLeafFlags[] = {
    {arch::guest_entry::kDirty, "D"},
    {arch::guest_entry::kGlobal, "G"},
};

void append_flags(std::string& out, std::span<const Flag> flags, std::uint64_t entry) {
  for (const Flag& flag : flags) {
    if (flag.bit.any(entry)) fmt::format_to(std::back_inserter(out), " {}", flag.shown);
  }
}

std::string_view entry_name(unsigned level) {
  constexpr std::array<std::string_view, 6> kNames = {"", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
  return level < kNames.size() ? kNames[level] : "?";
}

/// Whether a present entry maps a page.
bool is_leaf(unsigned level, std::uint64_t entry) {
  return level == 1 || (level <= 3 && arch::ept_entry::kPageSize.any(entry));
}

std::string flags_of(const mmu::Reference& reference, bool mode_based_execute) {
  const bool guest = reference.place.is_guest_entry();
  const unsigned level = guest ? reference.place.guest_level : reference.place.ept_level;
  const std::uint64_t entry = reference.value;
  const std::uint64_t present = guest ? entry & 1 : entry & (mode_based_execute ? 0x407u : 0x7u);
  if (present == 0) return " not present";
  const bool leaf = is_leaf(level, entry);
  std::string out;
  append_flags(out, guest ? std::span<const Flag>(kGuestFlags) : kEptFlags, entry);
  if (leaf)
    append_flags(out, guest ? std::span<const Flag>(kGuestLeafFlags) : kEptLeafFlags, entry);
  if (leaf && !guest) {
    const std::uint64_t type = arch::ept_entry::kMemoryType.get(entry);
    fmt::format_to(std::back_inserter(out), " {}",
                   arch::is_valid_ept_memory_type(type)
                       ? std::string(arch::name(static_cast<arch::MemoryType>(type)))
                       : fmt::format("memory type {}", type));
  }
  if (leaf) {
    fmt::format_to(std::back_inserter(out), ", maps a {} page",
                   arch::name(arch::page_of_level(level)));
  }
  return out;
}

std::string_view reason_in_words(mmu::Reason reason) {
  using mmu::Reason;
  switch (reason) {
    case Reason::kNone: return "";
    case Reason::kNotCanonical: return "the linear address is not canonical";
    case Reason::kLass: return "linear-address-space separation refuses the access";
    case Reason::kGuestNotPresent: return "the guest entry is not present";
    case Reason::kGuestReservedBit: return "a reserved bit is set in the guest entry";
    case Reason::kGuestNotWritable: return "the guest's page is read-only";
    case Reason::kGuestSupervisorPage: return "the guest's page belongs to the supervisor";
    case Reason::kGuestExecuteDisable: return "the guest's page is execute-disable";
    case Reason::kGuestSmep: return "SMEP: a supervisor fetch from a user page";
    case Reason::kGuestSmap: return "SMAP: a supervisor data access to a user page";
    case Reason::kGuestProtectionKey: return "the page's protection key denies the access";
    case Reason::kGuestShadowStack: return "the page is no shadow stack for this access";
    case Reason::kEptNotPresent: return "the EPT entry is not present";
    case Reason::kEptAddressTooWide:
      return "the guest-physical address is wider than a 4-level EPT translates";
    case Reason::kEptNotReadable: return "an EPT entry of the walk lacks READ";
    case Reason::kEptNotWritable: return "an EPT entry of the walk lacks WRITE";
    case Reason::kEptNotExecutable: return "an EPT entry of the walk lacks EXECUTE";
    case Reason::kEptShadowStack: return "the EPT refuses the supervisor shadow-stack access";
    case Reason::kEptPagingVerification: return "guest-paging verification failed";
    case Reason::kEptWriteWithoutRead: return "the EPT entry has WRITE without READ";
    case Reason::kEptExecuteOnlyUnsupported:
      return "the EPT entry is execute-only, which this processor lacks";
    case Reason::kEptPagingWriteWithoutRead:
      return "the EPT entry has PAGING_WRITE_ACCESS without READ";
    case Reason::kEptReservedBit: return "a reserved bit is set in the EPT entry";
    case Reason::kEptMemoryType: return "the EPT entry has a reserved memory type";
    case Reason::kPmlIndex: return "the page-modification log is full";
    case Reason::kSppMiss: return "the sub-page permission table has no entry";
    case Reason::kSppMisconfiguration: return "the sub-page permission table is misconfigured";
  }
  return "";
}

/// The set bits of `word`, by the names of `fields`.
template <std::size_t N>
std::string names_of(const arch::FieldFact (&fields)[N], std::uint64_t word) {
  std::string out;
  for (const arch::FieldFact& field : fields) {
    if (field.bits.any(word)) out += fmt::format("{}{}", out.empty() ? "" : " ", field.name);
  }
  return out;
}

std::string in_words(const mmu::Outcome& outcome, std::uint64_t address, const Palette& palette) {
  using mmu::OutcomeKind;
  std::string out;
  const auto put = std::back_inserter(out);
  switch (outcome.kind) {
    case OutcomeKind::kTranslated:
      fmt::format_to(put, "{} {:#x}", palette.good("translated to host-physical"), outcome.hpa);
      if (outcome.ept_page_size) {
        fmt::format_to(put, " ({} EPT page)", arch::name(*outcome.ept_page_size));
      }
      fmt::format_to(put, ", guest-physical {:#x}", outcome.gpa);
      if (outcome.guest_page_size) {
        fmt::format_to(put, " ({} guest page)", arch::name(*outcome.guest_page_size));
      }
      fmt::format_to(put, "\na TLB entry covers {}; memory type {}", arch::name(outcome.page_size),
                     arch::name(outcome.memory_type));
      return out;
    case OutcomeKind::kPageFault:
      fmt::format_to(put, "{} at {:#x}, error code {:#x} ({})", palette.bad("page fault"), address,
                     outcome.error_code,
                     outcome.error_code == 0
                         ? "supervisor read of an absent page"
                         : names_of(arch::error_code::kFields, outcome.error_code));
      break;
    case OutcomeKind::kGeneralProtection:
      fmt::format_to(put, "{} at {:#x}", palette.bad("general-protection fault"), address);
      break;
    case OutcomeKind::kEptViolation:
      fmt::format_to(put, "{} at guest-physical {:#x}, qualification {:#x} ({})",
                     palette.bad("EPT violation (exit 48)"), outcome.gpa, outcome.qualification,
                     names_of(arch::qualification::kFields, outcome.qualification));
      break;
    case OutcomeKind::kEptMisconfiguration:
      fmt::format_to(put, "{} at guest-physical {:#x}",
                     palette.bad("EPT misconfiguration (exit 49)"), outcome.gpa);
      break;
    case OutcomeKind::kPmlFull:
      fmt::format_to(put, "{} at guest-physical {:#x}", palette.bad("PML full (exit 62)"),
                     outcome.gpa);
      break;
    case OutcomeKind::kSppEvent:
      fmt::format_to(put, "{} at guest-physical {:#x}", palette.bad("SPP event (exit 66)"),
                     outcome.gpa);
      break;
    case OutcomeKind::kVirtualizationException:
      fmt::format_to(put, "{} at guest-physical {:#x}, qualification {:#x}",
                     palette.bad("virtualization exception"), outcome.gpa, outcome.qualification);
      break;
  }
  if (outcome.reason != mmu::Reason::kNone) {
    fmt::format_to(put, "\n{}", reason_in_words(outcome.reason));
    const unsigned level =
        outcome.place.is_guest_entry() ? outcome.place.guest_level : outcome.place.ept_level;
    if (outcome.entry_address != 0) {
      fmt::format_to(put, ": {} {} at {:#x} is {:#x}",
                     outcome.place.is_guest_entry() ? "guest" : "EPT", entry_name(level),
                     outcome.entry_address, outcome.entry);
    }
  }
  return out;
}

}  // namespace

std::string explain(const mmu::Context& context, const mmu::Request& request,
                    const WalkAnswer& answer, bool colour) {
  const Palette palette(colour);
  std::string out;
  const auto put = std::back_inserter(out);
  fmt::format_to(put, "{} of {} byte{} at {} {:#x}, {}\n\n", arch::name(request.access),
                 request.size, request.size == 1 ? "" : "s",
                 request.linear ? "linear" : "guest-physical", request.address,
                 request.user && !request.implicit ? "user" : "supervisor");
  unsigned number = 0;
  for (const mmu::Reference& reference : answer.recording.references) {
    const bool guest = reference.place.is_guest_entry();
    const unsigned level = guest ? reference.place.guest_level : reference.place.ept_level;
    const std::string head =
        fmt::format("{:>5} level {} {:<5}", guest ? "guest" : "EPT", level, entry_name(level));
    fmt::format_to(put, "{:>3}  {}  at {:#014x}  {:#018x} {}\n", ++number,
                   guest ? palette.guest(head) : palette.ept("  " + head.substr(0, head.size())),
                   reference.address, reference.value,
                   flags_of(reference, context.controls.mode_based_execute));
  }
  if (!answer.recording.references.empty()) out += '\n';
  for (const mmu::MemoryWrite& write : answer.recording.writes) {
    fmt::format_to(put, "{}\n",
                   palette.faint(fmt::format("written: {:#x} = {:#x} ({} bytes)", write.address,
                                             write.value, write.size)));
  }
  fmt::format_to(put, "{}\n", in_words(answer.outcome, answer.address, palette));
  if (answer.second) {
    fmt::format_to(put, "second page: {}\n",
                   in_words(*answer.second, (request.address | 0xfff) + 1, palette));
  }
  fmt::format_to(put, "{} references, {} cycles\n", answer.recording.references.size(),
                 answer.cycles);
  return out;
}

}  // namespace eptsim::sim
