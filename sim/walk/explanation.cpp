#include "sim/walk/explanation.hpp"

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/fault.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/arch/registers.hpp"
#include "sim/walk/diagnosis.hpp"
#include "sim/walk/palette.hpp"
#include "sim/walk/walk_path.hpp"

namespace eptsim::sim {
namespace {

using arch::BitField;
using mmu::OutcomeKind;

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

class Explanation {
 public:
  Explanation(const mmu::Context& context, const mmu::Request& request, const WalkAnswer& answer,
              const MemoryImage& image, bool colour)
      : context_(context),
        request_(request),
        answer_(answer),
        image_(image),
        palette_(colour),
        path_(walk_path(context, request, answer.recording)) {}

  std::string text() {
    write_question();
    write_walk();
    write_writes();
    write_outcome(answer_.outcome, answer_.address);
    if (answer_.second) {
      line("");
      line("And the second page, from {:#x} on:", (request_.address | 0xfff) + 1);
      write_outcome(*answer_.second, 0);
    }
    line("");
    const std::size_t references = answer_.recording.references.size();
    line("{}", palette_.faint(answer_.judged_only ? fmt::format("{} references", references)
                                                  : fmt::format("{} references, {} cycles",
                                                                references, answer_.cycles)));
    return out_;
  }

 private:
  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Arguments>(arguments)...);
    out_ += '\n';
  }

  void write_question();
  void write_walk();
  void write_column_head(const WalkColumn& column);
  void write_visit(const Visit& visit);
  std::string entry_text(const Visit& visit) const;
  void write_writes();
  std::string write_text(const mmu::MemoryWrite& write) const;
  void write_outcome(const mmu::Outcome& outcome, std::uint64_t address);
  void write_translation(const mmu::Outcome& outcome);
  void write_diagnosis();
  template <std::size_t N>
  void write_bits(std::string_view name, const arch::FieldFact (&fields)[N], std::uint64_t word);

  bool decides(const Visit& visit) const {
    const mmu::Outcome& outcome = answer_.outcome;
    return outcome.kind != OutcomeKind::kTranslated && outcome.reason != mmu::Reason::kNone &&
           visit.reference.address == outcome.entry_address &&
           visit.reference.place == outcome.place;
  }

  const mmu::Context& context_;
  const mmu::Request& request_;
  const WalkAnswer& answer_;
  const MemoryImage& image_;
  Palette palette_;
  std::vector<WalkColumn> path_;
  unsigned number_ = 0;
  std::string out_;
};

std::string_view paging_mode(const mmu::Context& context) {
  if (!arch::cr0::kPg.any(context.cr0)) return "no guest paging";
  if (!arch::cr4::kPae.any(context.cr4)) return "32-bit guest paging";
  if (!arch::efer::kLma.any(context.efer)) return "PAE guest paging";
  return arch::cr4::kLa57.any(context.cr4) ? "5-level guest paging" : "4-level guest paging";
}

std::string_view access_in_words(arch::AccessKind access) {
  switch (access) {
    case arch::AccessKind::kRead: return "Read";
    case arch::AccessKind::kWrite: return "Write";
    case arch::AccessKind::kFetch: return "Instruction fetch";
    case arch::AccessKind::kReadModifyWrite: return "Read-modify-write";
    case arch::AccessKind::kShadowStackRead: return "Shadow-stack read";
    case arch::AccessKind::kShadowStackWrite: return "Shadow-stack write";
  }
  return "Access";
}

void Explanation::write_question() {
  std::string who;
  if (request_.linear) {
    who = request_.implicit ? ", implicitly by the supervisor"
                            : (request_.user ? ", user mode (CPL 3)" : ", supervisor mode");
  }
  line("{}", palette_.heading(fmt::format(
                 "{} of {} byte{} at {} address {:#x}{}", access_in_words(request_.access),
                 request_.size, request_.size == 1 ? "" : "s",
                 request_.linear ? "linear" : "guest-physical", request_.address, who)));
  std::string mode;
  if (request_.linear) {
    mode = fmt::format("{}{}; ", paging_mode(context_),
                       arch::cr0::kPg.any(context_.cr0) ? fmt::format(" (CR3 {:#x})", context_.cr3)
                                                        : std::string());
  }
  if (context_.ept_enabled) {
    mode += fmt::format("{}-level EPT (EPTP {:#x}), accessed and dirty flags {}",
                        arch::eptp::kWalkLength.get(context_.eptp) + 1, context_.eptp,
                        arch::eptp::kAccessedDirty.any(context_.eptp) ? "on" : "off");
  } else {
    mode += "EPT off: guest-physical addresses are host-physical";
  }
  line("{}", mode);
}

void Explanation::write_walk() {
  if (path_.empty()) return;
  line("");
  line("{}", palette_.faint("  #  entry             host-physical   value               "
                            "flags, and where it leads"));
  for (const WalkColumn& column : path_) {
    write_column_head(column);
    for (const Visit& visit : column.visits) write_visit(visit);
  }
}

void Explanation::write_column_head(const WalkColumn& column) {
  if (!context_.ept_enabled) return;  // each column is one guest entry
  std::string text;
  if (column.guest_level == 0) {
    text = fmt::format("to the access itself at guest-physical {:#x}", column.gpa);
  } else {
    const Visit entry{.table = column.table, .level = column.guest_level};
    text = fmt::format("to the {} at guest-physical {:#x}", entry.name(), column.gpa);
  }
  line("     {}", palette_.faint(text));
}

void Explanation::write_visit(const Visit& visit) {
  const std::string head = fmt::format("{:<11} [{:>4}]", visit.name(), visit.index);
  const std::string painted = visit.table == TableKind::kSpp ? palette_.sub_page(head)
                              : visit.is_guest()             ? palette_.guest(head)
                                                             : palette_.ept(head);
  std::string text = entry_text(visit);
  if (!image_.holds(arch::Hpa(visit.reference.address))) {
    text += "  (outside the image: reads as zero)";
  }
  line("{:>3}  {}  {:#014x}  {:#018x}  {}{}", ++number_, painted, visit.reference.address,
       visit.reference.value, text, decides(visit) ? palette_.bad("  <-- decides") : "");
}

std::string Explanation::entry_text(const Visit& visit) const {
  const std::uint64_t entry = visit.reference.value;
  if (!visit.present) return visit.table == TableKind::kSpp ? "not valid" : "not present";
  std::string out;
  if (visit.table == TableKind::kSpp) {
    return visit.leaf ? "one bit in two allows writes to 128 bytes"
                      : fmt::format("valid  -> table {:#x}", visit.target);
  }
  if (visit.is_guest()) {
    out = rights_text(kGuestRights, entry) + flags_text(kGuestFlags, entry);
    if (visit.leaf) {
      out += flags_text(kGuestLeafFlags, entry);
      const std::uint64_t key = arch::guest_entry::kProtectionKey.get(entry);
      if (key != 0 && arch::efer::kLma.any(context_.efer)) out += fmt::format("key {} ", key);
    }
    if (visit.table == TableKind::kHlat && arch::guest_entry::kRestart.any(entry)) {
      return out + " -> restart from CR3";
    }
  } else {
    out = rights_text(kEptRights, entry);
    if (context_.controls.mode_based_execute) {
      out += arch::ept_entry::kUserExecute.any(entry) ? "XU " : "-  ";
    }
    out += flags_text(kEptFlags, entry);
    if (visit.leaf) {
      out += flags_text(kEptLeafFlags, entry);
      if (context_.controls.ept_violation_ve) {
        out += arch::ept_entry::kSuppressVe.any(entry) ? "SVE " : "";
      }
      const std::uint64_t type = arch::ept_entry::kMemoryType.get(entry);
      out += arch::is_valid_ept_memory_type(type)
                 ? std::string(arch::name(static_cast<arch::MemoryType>(type)))
                 : fmt::format("memory type {}", type);
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  const std::string_view space = visit.is_guest() && context_.ept_enabled ? "guest-physical " : "";
  return out + (visit.page ? fmt::format("  -> {} page {}{:#x}", arch::name(*visit.page), space,
                                         visit.target)
                           : fmt::format("  -> table {}{:#x}", space, visit.target));
}

void Explanation::write_writes() {
  if (answer_.recording.writes.empty()) return;
  line("");
  line("Written on the way:");
  for (const mmu::MemoryWrite& write : answer_.recording.writes) {
    line("     {:#014x}  {:#018x}  {}", write.address, write.value, write_text(write));
  }
}

/// What a write was for: flags of an entry that was read, the log, or the exception's information.
std::string Explanation::write_text(const mmu::MemoryWrite& write) const {
  const Visit* entry = nullptr;
  std::uint64_t before = 0;
  for (const WalkColumn& column : path_) {
    for (const Visit& visit : column.visits) {
      if (visit.reference.address != write.address) continue;
      entry = &visit;
      before = visit.reference.value;
    }
  }
  if (entry != nullptr) {
    for (const mmu::MemoryWrite& earlier : answer_.recording.writes) {
      if (&earlier == &write) break;
      if (earlier.address == write.address) before = earlier.value;
    }
    const std::uint64_t set = write.value & ~before;
    const bool guest = entry->is_guest();
    const bool accessed =
        (guest ? arch::guest_entry::kAccessed : arch::ept_entry::kAccessed).any(set);
    const bool dirty = (guest ? arch::guest_entry::kDirty : arch::ept_entry::kDirty).any(set);
    return fmt::format(
        "{} of the {}",
        accessed && dirty ? "accessed and dirty flags" : (dirty ? "dirty flag" : "accessed flag"),
        entry->name());
  }
  if (context_.controls.pml && write.address - context_.pml_address < 0x1000) {
    return fmt::format("page-modification log, entry {}", (write.address & 0xfff) / 8);
  }
  if (context_.controls.ept_violation_ve) {
    switch (write.address - context_.ve_info_address) {
      case 0: return "#VE information: exit reason";
      case 4: return "#VE information: busy, until the guest clears it";
      case 8: return "#VE information: qualification";
      case 16: return "#VE information: linear address";
      case 24: return "#VE information: guest-physical address";
      case 32: return "#VE information: EPTP index";
    }
  }
  return fmt::format("{} bytes", write.size);
}

template <std::size_t N>
void Explanation::write_bits(std::string_view name, const arch::FieldFact (&fields)[N],
                             std::uint64_t word) {
  line("{} {:#x}", name, word);
  for (const arch::FieldFact& field : fields) {
    if (field.bits.any(word))
      line("     bit {:>2}  {:<24} {}", field.bits.low, field.name, field.meaning);
  }
}

void Explanation::write_translation(const mmu::Outcome& outcome) {
  line("{}", palette_.good(fmt::format("Translated to host-physical {:#x}", outcome.hpa)));
  std::string pages = fmt::format("guest-physical {:#x}", outcome.gpa);
  if (outcome.guest_page_size) {
    pages += fmt::format(", a {} page of the guest", arch::name(*outcome.guest_page_size));
  }
  if (outcome.ept_page_size) {
    pages += fmt::format(" on a {} page of the EPT", arch::name(*outcome.ept_page_size));
  }
  line("{}; memory type {}", pages, arch::name(outcome.memory_type));
  if (!request_.linear || answer_.recording.references.empty() || answer_.judged_only) return;
  std::string rights =
      fmt::format("A TLB entry of it covers {} and allows: guest {}, {}, {}",
                  arch::name(outcome.page_size), outcome.guest_rights.user ? "user" : "supervisor",
                  outcome.guest_rights.write ? "read/write" : "read-only",
                  outcome.guest_rights.execute ? "executable" : "no execution");
  if (context_.ept_enabled) {
    const mmu::EptRights& ept = outcome.ept_rights;
    rights += fmt::format("; EPT {} {} {}", ept.read ? "R" : "-", ept.write ? "W" : "-",
                          ept.execute ? "X" : "-");
    if (context_.controls.mode_based_execute) rights += ept.user_execute ? " XU" : " -";
  }
  line("{}", rights);
}

void Explanation::write_outcome(const mmu::Outcome& outcome, std::uint64_t address) {
  line("");
  const auto refused = [this](std::string_view what) { line("{}", palette_.bad(what)); };
  const auto where = [&](std::string_view cause) {
    line("{}guest-physical {:#x}{}", cause, outcome.gpa,
         outcome.linear_valid ? fmt::format(", linear {:#x}", address) : "");
  };
  switch (outcome.kind) {
    case OutcomeKind::kTranslated: write_translation(outcome); return;
    case OutcomeKind::kPageFault:
      refused("Page fault: #PF, exception 14, to the guest");
      line("CR2 {:#x}", address);
      write_bits("Error code", arch::error_code::kFields, outcome.error_code);
      if (!arch::error_code::kPresent.any(outcome.error_code)) {
        line("     bit  0  clear                    an entry was not present");
      }
      break;
    case OutcomeKind::kGeneralProtection:
      refused("General-protection fault: #GP(0), exception 13, to the guest");
      line("linear {:#x}", address);
      break;
    case OutcomeKind::kEptViolation:
      refused("EPT violation: VM exit 48");
      where("");
      write_bits("Exit qualification", arch::qualification::kFields, outcome.qualification);
      break;
    case OutcomeKind::kEptMisconfiguration:
      refused("EPT misconfiguration: VM exit 49");
      where("");
      break;
    case OutcomeKind::kPmlFull:
      refused("Page-modification log full: VM exit 62");
      where("");
      break;
    case OutcomeKind::kSppEvent:
      refused(fmt::format("SPP-related event: VM exit 66, a {}",
                          outcome.qualification != 0 ? "miss" : "misconfiguration"));
      where("");
      break;
    case OutcomeKind::kVirtualizationException:
      refused("Virtualization exception: #VE, exception 20, to the guest");
      where("An EPT violation that the guest itself is told of; ");
      write_bits("Exit qualification", arch::qualification::kFields, outcome.qualification);
      break;
  }
  write_diagnosis();
}

void Explanation::write_diagnosis() {
  line("");
  if (answer_.judged_only) {
    line("{}", palette_.faint("The oracle gives no reason; each of the other engines does."));
    return;
  }
  const Diagnosis diagnosis = diagnose(context_, request_, answer_, path_);
  line("{} {}", palette_.heading("Why:"), diagnosis.why);
  if (diagnosis.changes.empty()) return;
  line("{}", palette_.heading(diagnosis.changes.size() == 1 ? "What would have to change:"
                              : diagnosis.one_is_enough     ? "What would have to change, one of:"
                                                            : "What would have to change:"));
  for (const std::string& change : diagnosis.changes) line("  - {}", change);
  if (!diagnosis.afterwards.empty()) line("{}", palette_.faint(diagnosis.afterwards));
}

}  // namespace

std::string explain(const mmu::Context& context, const mmu::Request& request,
                    const WalkAnswer& answer, const MemoryImage& image, bool colour) {
  return Explanation(context, request, answer, image, colour).text();
}

}  // namespace eptsim::sim
