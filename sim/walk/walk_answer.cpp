#include "sim/walk/walk_answer.hpp"

#include <array>

#include "ept/arch/memory_type.hpp"
#include "ept/arch/page_size.hpp"

namespace eptsim::sim {
namespace {

/// What stands before the address of a reference.
struct ReferenceHead {
  char text[48] = {};
  std::size_t size = 0;

  constexpr void append(std::string_view more) {
    for (const char c : more) text[size++] = c;
  }
};

enum class Table : std::uint8_t { kGuest, kEpt, kHlat, kSpp };

constexpr std::array<std::array<ReferenceHead, 6>, 4> make_reference_heads() {
  constexpr std::string_view kNames[] = {"guest", "ept", "hlat", "spp"};
  std::array<std::array<ReferenceHead, 6>, 4> heads;
  for (unsigned table = 0; table < 4; ++table) {
    for (unsigned level = 0; level < 6; ++level) {
      ReferenceHead& head = heads[table][level];
      head.append("{\"kind\": \"");
      head.append(kNames[table]);
      head.append("\", \"level\": ");
      const char digit = static_cast<char>('0' + level);
      head.append({&digit, 1});
      head.append(", \"address\": \"0x");
    }
  }
  return heads;
}

constexpr auto kReferenceHeads = make_reference_heads();

const ReferenceHead& head_of(mmu::Place place) {
  const auto heads = [](Table table) -> const std::array<ReferenceHead, 6>& {
    return kReferenceHeads[static_cast<unsigned>(table)];
  };
  if (place.spp_level != 0) return heads(Table::kSpp)[place.spp_level];
  if (place.ept_level != 0) return heads(Table::kEpt)[place.ept_level];
  return heads(place.hlat ? Table::kHlat : Table::kGuest)[place.guest_level];
}

/// Bytes that are enough: for all that stands around references and writes, and for one of either.
constexpr std::size_t kRoomAround = 1024;
constexpr std::size_t kRoomOfReference = 96;
constexpr std::size_t kRoomOfWrite = 96;

void append_beginning(JsonWriter& out, std::string_view id) {
  out.text("{");
  if (id.empty()) return;
  out.text("\"id\": ");
  out.text(id);
  out.text(", ");
}

void append_hex(JsonWriter& out, std::string_view head, std::uint64_t value) {
  out.text(head);
  out.text("\"0x");
  out.hex(value);
  out.text("\"");
}

void append_name(JsonWriter& out, std::string_view head, std::string_view name) {
  out.text(head);
  out.text("\"");
  out.text(name);
  out.text("\"");
}

void append_outcome(JsonWriter& out, const mmu::Outcome& outcome, std::uint64_t address) {
  using mmu::OutcomeKind;
  append_name(out, "\"outcome\": ", name(outcome.kind));
  switch (outcome.kind) {
    case OutcomeKind::kTranslated:
      append_hex(out, ", \"gpa\": ", outcome.gpa);
      append_hex(out, ", \"hpa\": ", outcome.hpa);
      if (outcome.guest_page_size) {
        append_name(out, ", \"guest_page_size\": ", arch::name(*outcome.guest_page_size));
      }
      if (outcome.ept_page_size) {
        append_name(out, ", \"ept_page_size\": ", arch::name(*outcome.ept_page_size));
      }
      append_name(out, ", \"page_size\": ", arch::name(outcome.page_size));
      append_name(out, ", \"memory_type\": ", arch::name(outcome.memory_type));
      return;
    case OutcomeKind::kPageFault:
    case OutcomeKind::kGeneralProtection:
      append_hex(out, ", \"error_code\": ", outcome.error_code);
      append_hex(out, ", \"gva\": ", address);
      return;
    case OutcomeKind::kEptMisconfiguration: append_hex(out, ", \"gpa\": ", outcome.gpa); return;
    case OutcomeKind::kEptViolation:
    case OutcomeKind::kPmlFull:
    case OutcomeKind::kSppEvent:
    case OutcomeKind::kVirtualizationException:
      append_hex(out, ", \"qualification\": ", outcome.qualification);
      append_hex(out, ", \"gpa\": ", outcome.gpa);
      if (outcome.linear_valid && outcome.kind != OutcomeKind::kPmlFull) {
        append_hex(out, ", \"gva\": ", address);
      }
      return;
  }
}

/// Written behind each of a list: a loop without a question. It is taken back behind the last.
constexpr std::string_view kSeparator = ", ";

void append_references(JsonWriter& out, const mmu::Recording& recording) {
  if (recording.references.empty()) return;
  JsonCursor end = out.end();
  for (const mmu::Reference& reference : recording.references) {
    const ReferenceHead& head = head_of(reference.place);
    end.short_text(head.text, head.size);
    end.hex(reference.address);
    end.text("\", \"value\": \"0x");
    end.hex(reference.value);
    end.text("\"}, ");
  }
  end.drop(kSeparator.size());
  out.go_on_to(end);
}

void append_writes(JsonWriter& out, const mmu::Recording& recording) {
  if (recording.writes.empty()) return;
  JsonCursor end = out.end();
  for (const mmu::MemoryWrite& write : recording.writes) {
    end.text("{\"address\": \"0x");
    end.hex(write.address);
    end.text("\", \"size\": ");
    end.decimal(write.size);
    end.text(", \"value\": \"0x");
    end.hex(write.value);
    end.text("\"}, ");
  }
  end.drop(kSeparator.size());
  out.go_on_to(end);
}

}  // namespace

void append_done(JsonWriter& out, std::string_view id, std::string_view outcome) {
  out.reserve(kRoomAround + id.size());
  append_beginning(out, id);
  append_name(out, "\"outcome\": ", outcome);
  out.text("}\n");
}

void append_json(JsonWriter& out, std::string_view id, const WalkAnswer& answer) {
  const mmu::Recording& recording = answer.recording;
  out.reserve(kRoomAround + id.size() + kRoomOfReference * recording.references.size() +
              kRoomOfWrite * recording.writes.size());
  append_beginning(out, id);
  append_outcome(out, answer.outcome, answer.address);
  if (answer.second) {
    out.text(", \"second\": {");
    append_outcome(out, *answer.second, 0);  // it was translated: no address is named
    out.text("}");
  }
  if (answer.tlb_hit) out.text(", \"hit\": \"tlb\"");
  out.text(", \"references\": ");
  out.decimal(recording.references.size());
  out.text(", \"refs\": [");
  append_references(out, recording);
  out.text("], \"writes\": [");
  append_writes(out, recording);
  out.text("], \"cycles\": ");
  out.decimal(answer.cycles);
  out.text("}\n");
}

}  // namespace eptsim::sim
