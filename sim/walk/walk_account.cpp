#include "sim/walk/walk_account.hpp"

#include <fmt/format.h>

#include <utility>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/fault.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::sim {
namespace {

using mmu::OutcomeKind;

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

std::string question(const mmu::Request& request) {
  std::string who;
  if (request.linear) {
    who = request.implicit ? ", implicitly by the supervisor"
                           : (request.user ? ", user mode (CPL 3)" : ", supervisor mode");
  }
  return fmt::format("{} of {} byte{} at {} address {:#x}{}", access_in_words(request.access),
                     request.size, request.size == 1 ? "" : "s",
                     request.linear ? "linear" : "guest-physical", request.address, who);
}

std::string paging(const mmu::Context& context, const mmu::Request& request) {
  std::string mode;
  if (request.linear) {
    mode = fmt::format(
        "{}{}; ", paging_mode(context),
        arch::cr0::kPg.any(context.cr0) ? fmt::format(" (CR3 {:#x})", context.cr3) : std::string());
  }
  if (!context.ept_enabled) return mode + "EPT off: guest-physical addresses are host-physical";
  return mode + fmt::format("{}-level EPT (EPTP {:#x}), accessed and dirty flags {}",
                            arch::eptp::kWalkLength.get(context.eptp) + 1, context.eptp,
                            arch::eptp::kAccessedDirty.any(context.eptp) ? "on" : "off");
}

template <std::size_t N>
Verdict::Word word(std::string name, const arch::FieldFact (&fields)[N], std::uint64_t value) {
  Verdict::Word out{std::move(name), value, {}};
  for (const arch::FieldFact& field : fields) {
    if (field.bits.any(value)) out.bits.push_back({field.bits.low, field.name, field.meaning});
  }
  return out;
}

/// Writes the account of one answer.
class Accountant {
 public:
  Accountant(const mmu::Context& context, const mmu::Request& request, const WalkAnswer& answer,
             const MemoryImage& image)
      : context_(context),
        request_(request),
        answer_(answer),
        image_(image),
        path_(walk_path(context, request, answer.recording)) {}

  WalkAccount account() const {
    WalkAccount out;
    out.question = question(request_);
    out.paging = paging(context_, request_);
    out.nested = context_.ept_enabled;
    out.columns = columns();
    for (const mmu::MemoryWrite& write : answer_.recording.writes) {
      out.writes.push_back({write, purpose(write)});
    }
    out.verdicts.push_back(verdict(answer_.outcome, answer_.address));
    if (answer_.second) {
      out.verdicts.push_back(verdict(*answer_.second, 0));
      out.verdicts.back().page =
          fmt::format("the second page, from {:#x} on", (request_.address | 0xfff) + 1);
    }
    out.judged_only = answer_.judged_only;
    if (out.refused() && !out.judged_only) {
      out.diagnosis = diagnose(context_, request_, answer_, path_);
    }
    out.references = answer_.recording.references.size();
    out.cycles = answer_.cycles;
    return out;
  }

 private:
  std::vector<WalkAccount::Column> columns() const {
    std::vector<WalkAccount::Column> out;
    const WalkColumn* before = nullptr;
    for (const WalkColumn& column : path_) {
      const Visit located{.table = column.table, .level = column.guest_level};
      out.push_back({.leads_to = column.guest_level == 0 ? "the access itself" : located.name(),
                     .gpa = column.gpa,
                     .begins_page = before == nullptr ||
                                    (request_.linear ? column.linear != before->linear : true),
                     .entries = {}});
      for (const Visit& visit : column.visits) {
        out.back().entries.push_back({.visit = visit,
                                      .words = entry_in_words(context_, visit),
                                      .outside = !image_.holds(arch::Hpa(visit.reference.address)),
                                      .decides = decides(visit)});
      }
      before = &column;
    }
    return out;
  }

  bool decides(const Visit& visit) const {
    const mmu::Outcome& outcome = answer_.outcome;
    return outcome.kind != OutcomeKind::kTranslated && outcome.reason != mmu::Reason::kNone &&
           visit.reference.address == outcome.entry_address &&
           visit.reference.place == outcome.place;
  }

  std::string purpose(const mmu::MemoryWrite& write) const;
  std::string flags_set(const Visit& entry, std::uint64_t before,
                        const mmu::MemoryWrite& write) const;
  Verdict verdict(const mmu::Outcome& outcome, std::uint64_t address) const;
  Verdict translation(const mmu::Outcome& outcome) const;

  const mmu::Context& context_;
  const mmu::Request& request_;
  const WalkAnswer& answer_;
  const MemoryImage& image_;
  std::vector<WalkColumn> path_;
};

/// What a write was for: flags of an entry that was read, the log, or the exception's information.
std::string Accountant::purpose(const mmu::MemoryWrite& write) const {
  const Visit* entry = nullptr;
  for (const WalkColumn& column : path_) {
    for (const Visit& visit : column.visits) {
      if (visit.reference.address == write.address) entry = &visit;
    }
  }
  if (entry != nullptr) {
    std::uint64_t before = entry->reference.value;
    for (const mmu::MemoryWrite& earlier : answer_.recording.writes) {
      if (&earlier == &write) break;
      if (earlier.address == write.address) before = earlier.value;
    }
    return flags_set(*entry, before, write);
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

std::string Accountant::flags_set(const Visit& entry, std::uint64_t before,
                                  const mmu::MemoryWrite& write) const {
  const std::uint64_t set = write.value & ~before;
  const bool guest = entry.is_guest();
  const bool accessed =
      (guest ? arch::guest_entry::kAccessed : arch::ept_entry::kAccessed).any(set);
  const bool dirty = (guest ? arch::guest_entry::kDirty : arch::ept_entry::kDirty).any(set);
  const char* const flags =
      accessed && dirty ? "accessed and dirty flags" : (dirty ? "dirty flag" : "accessed flag");
  return fmt::format("{} of the {}", flags, entry.name());
}

Verdict Accountant::translation(const mmu::Outcome& outcome) const {
  Verdict out{.page = {},
              .translated = true,
              .headline = fmt::format("Translated to host-physical {:#x}", outcome.hpa),
              .remarks = {},
              .words = {}};
  std::string pages = fmt::format("guest-physical {:#x}", outcome.gpa);
  if (outcome.guest_page_size) {
    pages += fmt::format(", a {} page of the guest", arch::name(*outcome.guest_page_size));
  }
  if (outcome.ept_page_size) {
    pages += fmt::format(" on a {} page of the EPT", arch::name(*outcome.ept_page_size));
  }
  out.remarks.push_back(fmt::format("{}; memory type {}", pages, arch::name(outcome.memory_type)));
  if (!request_.linear || answer_.recording.references.empty() || answer_.judged_only) return out;
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
  out.remarks.push_back(rights);
  return out;
}

Verdict Accountant::verdict(const mmu::Outcome& outcome, std::uint64_t address) const {
  const auto refused = [](std::string headline, std::string remark) {
    return Verdict{.page = {},
                   .translated = false,
                   .headline = std::move(headline),
                   .remarks = {std::move(remark)},
                   .words = {}};
  };
  const auto where = [&](std::string_view cause = "") {
    return fmt::format("{}guest-physical {:#x}{}", cause, outcome.gpa,
                       outcome.linear_valid ? fmt::format(", linear {:#x}", address) : "");
  };
  switch (outcome.kind) {
    case OutcomeKind::kTranslated: return translation(outcome);
    case OutcomeKind::kPageFault: {
      Verdict out =
          refused("Page fault: #PF, exception 14, to the guest", fmt::format("CR2 {:#x}", address));
      out.words.push_back(word("Error code", arch::error_code::kFields, outcome.error_code));
      if (!arch::error_code::kPresent.any(outcome.error_code)) {
        out.words.back().bits.push_back({0, "clear", "an entry was not present"});
      }
      return out;
    }
    case OutcomeKind::kGeneralProtection:
      return refused("General-protection fault: #GP(0), exception 13, to the guest",
                     fmt::format("linear {:#x}", address));
    case OutcomeKind::kEptViolation: {
      Verdict out = refused("EPT violation: VM exit 48", where());
      out.words.push_back(
          word("Exit qualification", arch::qualification::kFields, outcome.qualification));
      return out;
    }
    case OutcomeKind::kEptMisconfiguration:
      return refused("EPT misconfiguration: VM exit 49", where());
    case OutcomeKind::kPmlFull: return refused("Page-modification log full: VM exit 62", where());
    case OutcomeKind::kSppEvent:
      return refused(fmt::format("SPP-related event: VM exit 66, a {}",
                                 outcome.qualification != 0 ? "miss" : "misconfiguration"),
                     where());
    case OutcomeKind::kVirtualizationException: {
      Verdict out = refused("Virtualization exception: #VE, exception 20, to the guest",
                            where("An EPT violation that the guest itself is told of; "));
      out.words.push_back(
          word("Exit qualification", arch::qualification::kFields, outcome.qualification));
      return out;
    }
  }
  return {};
}

}  // namespace

WalkAccount account_of(const mmu::Context& context, const mmu::Request& request,
                       const WalkAnswer& answer, const MemoryImage& image) {
  return Accountant(context, request, answer, image).account();
}

}  // namespace eptsim::sim
