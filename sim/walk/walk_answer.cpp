#include "sim/walk/walk_answer.hpp"

#include <charconv>
#include <string_view>

#include "ept/arch/memory_type.hpp"
#include "ept/arch/page_size.hpp"

namespace eptsim::sim {
namespace {

std::string_view outcome_name(mmu::OutcomeKind kind) {
  switch (kind) {
    case mmu::OutcomeKind::kTranslated: return "translated";
    case mmu::OutcomeKind::kPageFault: return "page_fault";
    case mmu::OutcomeKind::kEptViolation: return "ept_violation";
    case mmu::OutcomeKind::kEptMisconfiguration: return "ept_misconfig";
    case mmu::OutcomeKind::kPmlFull: return "pml_full";
    case mmu::OutcomeKind::kSppEvent: return "spp_event";
    case mmu::OutcomeKind::kVirtualizationException: return "virtualization_exception";
    case mmu::OutcomeKind::kGeneralProtection: return "general_protection";
  }
  return "?";
}

/// Writes members of one JSON object. Batches print a million lines a second: no formatting library
/// on this path.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) { out_ += '{'; }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;
  ~Members() { out_ += '}'; }

  std::string& key(std::string_view name) {
    if (!first_) out_ += ", ";
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\": ";
    return out_;
  }
  void text(std::string_view name, std::string_view value) {
    key(name);
    out_ += '"';
    out_ += value;
    out_ += '"';
  }
  void hex(std::string_view name, std::uint64_t value) { number(name, value, 16, "\"0x", "\""); }
  void count(std::string_view name, std::uint64_t value) { number(name, value, 10, "", ""); }

 private:
  void number(std::string_view name, std::uint64_t value, int base, std::string_view before,
              std::string_view after) {
    key(name);
    out_ += before;
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
    out_.append(digits, end);
    out_ += after;
  }

  std::string& out_;
  bool first_ = true;
};

void append_outcome(Members& members, const mmu::Outcome& outcome, std::uint64_t address) {
  using mmu::OutcomeKind;
  switch (outcome.kind) {
    case OutcomeKind::kTranslated:
      members.hex("gpa", outcome.gpa);
      members.hex("hpa", outcome.hpa);
      if (outcome.guest_page_size) {
        members.text("guest_page_size", arch::name(*outcome.guest_page_size));
      }
      if (outcome.ept_page_size) members.text("ept_page_size", arch::name(*outcome.ept_page_size));
      members.text("page_size", arch::name(outcome.page_size));
      members.text("memory_type", arch::name(outcome.memory_type));
      return;
    case OutcomeKind::kPageFault:
    case OutcomeKind::kGeneralProtection:
      members.hex("error_code", outcome.error_code);
      members.hex("gva", address);
      return;
    case OutcomeKind::kEptMisconfiguration: members.hex("gpa", outcome.gpa); return;
    case OutcomeKind::kEptViolation:
    case OutcomeKind::kPmlFull:
    case OutcomeKind::kSppEvent:
    case OutcomeKind::kVirtualizationException:
      members.hex("qualification", outcome.qualification);
      members.hex("gpa", outcome.gpa);
      if (outcome.linear_valid) members.hex("gva", address);
      return;
  }
}

void append_references(std::string& out, const mmu::Recording& recording) {
  out += '[';
  bool first = true;
  for (const mmu::Reference& reference : recording.references) {
    if (!first) out += ", ";
    first = false;
    const bool guest = reference.place.is_guest_entry();
    Members members(out);
    members.text("kind", guest ? "guest" : "ept");
    members.count("level", guest ? reference.place.guest_level : reference.place.ept_level);
    members.hex("address", reference.address);
    members.hex("value", reference.value);
  }
  out += ']';
}

void append_writes(std::string& out, const mmu::Recording& recording) {
  out += '[';
  bool first = true;
  for (const mmu::MemoryWrite& write : recording.writes) {
    if (!first) out += ", ";
    first = false;
    Members members(out);
    members.hex("address", write.address);
    members.count("size", write.size);
    members.hex("value", write.value);
  }
  out += ']';
}

}  // namespace

void append_json(std::string& line, const std::string& id, const mmu::Request& request,
                 const WalkAnswer& answer) {
  {
    Members members(line);
    if (!id.empty()) members.key("id") += id;
    members.text("outcome", outcome_name(answer.outcome.kind));
    append_outcome(members, answer.outcome, answer.address);
    if (answer.second) {
      std::string& out = members.key("second");
      Members second(out);
      second.text("outcome", outcome_name(answer.second->kind));
      append_outcome(second, *answer.second, (request.address | 0xfff) + 1);
    }
    members.count("references", answer.recording.references.size());
    append_references(members.key("refs"), answer.recording);
    append_writes(members.key("writes"), answer.recording);
    members.count("cycles", answer.cycles);
  }
  line += '\n';
}

}  // namespace eptsim::sim
