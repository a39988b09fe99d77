#include "sim/walk/context_from_core.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/registers.hpp"
#include "sim/image/elf_core.hpp"
#include "sim/image/mapped_file.hpp"
#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

/// Version 1 of the note, as far as all its sizes go: later ones only add to the end.
struct Segment {
  std::uint32_t selector, limit, flags, pad;
  std::uint64_t base;
};
struct ProcessorNote {
  std::uint32_t version, size;
  std::uint64_t general[16];
  std::uint64_t rip, rflags;
  Segment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
  std::uint64_t cr[5];
};
static_assert(offsetof(ProcessorNote, cs) == 152 && offsetof(ProcessorNote, cr) == 392 &&
              sizeof(ProcessorNote) == 432);

constexpr arch::BitField kLongCode{21, 21};        // L of a segment's flags
constexpr arch::BitField kAlignmentCheck{18, 18};  // AC of RFLAGS

std::string place(const std::string& path, const CoreNote& note) {
  return fmt::format("{}: byte {}", path, note.offset);
}

ProcessorNote read_note(const CoreNote& note, const std::string& path) {
  ProcessorNote processor{};
  if (note.content.size() < sizeof processor) {
    throw InputError(place(path, note), fmt::format("a QEMU note of {} bytes, expected {} or more",
                                                    note.content.size(), sizeof processor));
  }
  std::memcpy(&processor, note.content.data(), sizeof processor);
  if (processor.version != 1) {
    throw InputError(place(path, note),
                     fmt::format("a QEMU note of version {}, expected 1", processor.version));
  }
  return processor;
}

}  // namespace

mmu::Context context_from_core(const std::string& path, std::uint64_t cpu) {
  const MappedFile file(path);
  if (!is_elf(file.bytes())) {
    throw InputError(path, "is no ELF file, expected a core made by QEMU's dump-guest-memory");
  }
  std::vector<CoreNote> notes = notes_of_core(file.bytes(), path);
  std::erase_if(notes, [](const CoreNote& note) { return note.owner != "QEMU"; });
  if (notes.empty()) {
    throw InputError(path,
                     "the core has no registers that translation needs (no note called QEMU), "
                     "expected one made by QEMU's dump-guest-memory");
  }
  if (cpu >= notes.size()) {
    throw InputError(fmt::format("--cpu {}", cpu),
                     fmt::format("{} holds {} processor{}, numbered from 0", path, notes.size(),
                                 notes.size() == 1 ? "" : "s"));
  }
  const CoreNote& note = notes[cpu];
  const ProcessorNote processor = read_note(note, path);

  using namespace arch;
  mmu::Context context;
  context.cr0 = processor.cr[0];
  context.cr3 = processor.cr[3];
  context.cr4 = processor.cr[4];
  context.rflags_ac = kAlignmentCheck.any(processor.rflags);
  const bool wide_entries = cr0::kPg.any(context.cr0) && cr4::kPae.any(context.cr4);
  const bool long_mode =
      wide_entries && (kLongCode.any(processor.cs.flags) || is_x86_64_core(file.bytes()));
  if (long_mode) context.efer |= efer::kLme.mask() | efer::kLma.mask();
  if (wide_entries) context.efer |= efer::kNxe.mask();
  for (const PhysicalSegment& memory : segments_of_core(file.bytes(), path)) {
    context.cpu.maxphyaddr =
        std::max(context.cpu.maxphyaddr,
                 static_cast<unsigned>(std::bit_width(memory.base + memory.size - 1)));
  }
  const auto error = mmu::check(context);
  if (error && error->kind == mmu::ContextError::Kind::kRefused) {
    throw InputError(place(path, note),
                     fmt::format("VM entry refuses {}: {}", error->key, error->text));
  }
  return context;
}

std::string context_as_json(const mmu::Context& context) {
  const auto hex = [](std::uint64_t value) { return fmt::format("\"{:#x}\"", value); };
  const auto truth = [](bool value) { return value ? "true" : "false"; };
  const mmu::Capabilities& cpu = context.cpu;
  const mmu::Controls& controls = context.controls;
  std::string text = fmt::format(
      "{{\n  \"eptp\": {},\n  \"cr0\": {},\n  \"cr3\": {},\n  \"cr4\": {},\n  \"efer\": {},\n"
      "  \"pkru\": {},\n  \"pkrs\": {},\n  \"pat\": {},\n  \"rflags_ac\": {},\n",
      context.ept_enabled ? hex(context.eptp) : "null", hex(context.cr0), hex(context.cr3),
      hex(context.cr4), hex(context.efer), hex(context.pkru), hex(context.pkrs), hex(context.pat),
      truth(context.rflags_ac));
  if (context.pdptes) {
    const auto& p = *context.pdptes;
    text += fmt::format("  \"pdptes\": [{}, {}, {}, {}],\n", hex(p[0]), hex(p[1]), hex(p[2]),
                        hex(p[3]));
  }
  text += fmt::format(
      "  \"vpid\": {},\n"
      "  \"cpu\": {{\"maxphyaddr\": {}, \"execute_only\": {}, \"page_1g\": {}, \"page_2m\": {},\n"
      "          \"guest_page_1g\": {}, \"advanced_exit_info\": {}, "
      "\"supervisor_shadow_stack\": {}}},\n",
      context.vpid, cpu.maxphyaddr, truth(cpu.execute_only), truth(cpu.page_1g), truth(cpu.page_2m),
      truth(cpu.guest_page_1g), truth(cpu.advanced_exit_info), truth(cpu.supervisor_shadow_stack));
  text += fmt::format(
      "  \"controls\": {{\"mode_based_execute\": {}, \"sub_page_permission\": {}, "
      "\"ept_violation_ve\": {},\n               \"pml\": {}, \"paging_write\": {}, "
      "\"guest_paging_verification\": {}, \"hlat\": {}}},\n",
      truth(controls.mode_based_execute), truth(controls.sub_page_permission),
      truth(controls.ept_violation_ve), truth(controls.pml), truth(controls.paging_write),
      truth(controls.guest_paging_verification), truth(controls.hlat));
  return text + fmt::format(
                    "  \"sppt_pointer\": {}, \"pml_address\": {}, \"pml_index\": {},\n"
                    "  \"ve_info_address\": {}, \"eptp_index\": {},\n"
                    "  \"hlat_pointer\": {}, \"hlat_prefix_size\": {}\n}}\n",
                    hex(context.sppt_pointer), hex(context.pml_address), context.pml_index,
                    hex(context.ve_info_address), context.eptp_index, hex(context.hlat_pointer),
                    context.hlat_prefix_size);
}

}  // namespace eptsim::sim
