#include "testbench/scoreboard/mismatch_text.hpp"

#include <algorithm>
#include <array>

#include "ept/arch/access.hpp"

namespace eptsim::tb {

namespace {

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

/// An object on one line, member by member.
class Object {
 public:
  void text(std::string_view key, const std::string& value) { add(key, '"' + value + '"'); }
  void hex(std::string_view key, std::uint64_t value) { text(key, tb::hex(value)); }
  void plain(std::string_view key, const std::string& value) { add(key, value); }
  void flag(std::string_view key, bool value) { add(key, value ? "true" : "false"); }
  /// Only if it isn't the default.
  void flag(std::string_view key, bool value, bool otherwise) {
    if (value != otherwise) flag(key, value);
  }
  std::string str() const { return "{" + members_ + "}"; }
  bool empty() const { return members_.empty(); }

 private:
  void add(std::string_view key, const std::string& value) {
    if (!members_.empty()) members_ += ", ";
    members_ += '"' + std::string(key) + "\": " + value;
  }
  std::string members_;
};

std::string cpu_text(const mmu::Capabilities& cpu) {
  const mmu::Capabilities plain;
  Object object;
  object.plain("maxphyaddr", std::to_string(cpu.maxphyaddr));
  object.flag("execute_only", cpu.execute_only, plain.execute_only);
  object.flag("page_1g", cpu.page_1g, plain.page_1g);
  object.flag("page_2m", cpu.page_2m, plain.page_2m);
  object.flag("guest_page_1g", cpu.guest_page_1g, plain.guest_page_1g);
  object.flag("advanced_exit_info", cpu.advanced_exit_info, plain.advanced_exit_info);
  object.flag("supervisor_shadow_stack", cpu.supervisor_shadow_stack,
              plain.supervisor_shadow_stack);
  return object.str();
}

std::string controls_text(const mmu::Controls& controls) {
  Object object;
  object.flag("mode_based_execute", controls.mode_based_execute, false);
  object.flag("sub_page_permission", controls.sub_page_permission, false);
  object.flag("ept_violation_ve", controls.ept_violation_ve, false);
  object.flag("pml", controls.pml, false);
  object.flag("paging_write", controls.paging_write, false);
  object.flag("guest_paging_verification", controls.guest_paging_verification, false);
  object.flag("hlat", controls.hlat, false);
  return object.str();
}

std::string pdptes_text(const std::array<std::uint64_t, 4>& pdptes) {
  std::string text;
  for (const std::uint64_t pdpte : pdptes) {
    text += (text.empty() ? "[\"" : ", \"") + hex(pdpte) + '"';
  }
  return text + "]";
}

std::string planted_text(const TestCase& test) {
  std::string text(test.origin);
  for (const PlantedFault& fault : test.planted) {
    text += ", planted " + std::string(name(fault.kind));
    if (fault.kind < FaultKind::kPdpteNotPresent) text += " at " + name(fault.place);
  }
  return text;
}

}  // namespace

std::string difference_table(const Finding& finding) {
  const std::vector<Difference>& differences = finding.differences;
  std::size_t field = 5;
  std::size_t expected = finding.expected.size() + 11;
  for (const Difference& difference : differences) {
    field = std::max(field, difference.field.size());
    expected = std::max(expected, difference.expected.size());
  }
  std::string text = "  " + padded("field", field) + "  " +
                     padded("expected (" + finding.expected + ")", expected) + "  got (" +
                     finding.got + ")\n";
  for (const Difference& difference : differences) {
    text += "  " + padded(difference.field, field) + "  " + padded(difference.expected, expected) +
            "  " + difference.got + "\n";
  }
  return text;
}

std::string context_text(const mmu::Context& context) {
  Object object;
  if (context.ept_enabled) object.hex("eptp", context.eptp);
  object.hex("cr0", context.cr0);
  object.hex("cr3", context.cr3);
  object.hex("cr4", context.cr4);
  object.hex("efer", context.efer);
  if (context.pkru != 0) object.hex("pkru", context.pkru);
  if (context.pkrs != 0) object.hex("pkrs", context.pkrs);
  if (context.pat != arch::kResetPat) object.hex("pat", context.pat);
  object.flag("rflags_ac", context.rflags_ac, false);
  object.plain("cpu", cpu_text(context.cpu));
  if (context.pdptes) object.plain("pdptes", pdptes_text(*context.pdptes));
  const mmu::Controls& controls = context.controls;
  if (const std::string text = controls_text(controls); text != "{}") {
    object.plain("controls", text);
  }
  // What belongs to controls that are off means nothing.
  if (controls.sub_page_permission) object.hex("sppt_pointer", context.sppt_pointer);
  if (controls.pml) {
    object.hex("pml_address", context.pml_address);
    object.plain("pml_index", std::to_string(context.pml_index));
  }
  if (controls.ept_violation_ve) {
    object.hex("ve_info_address", context.ve_info_address);
    object.plain("eptp_index", std::to_string(context.eptp_index));
  }
  if (controls.hlat) {
    object.hex("hlat_pointer", context.hlat_pointer);
    object.plain("hlat_prefix_size", std::to_string(context.hlat_prefix_size));
  }
  return object.str();
}

std::string request_text(const mmu::Request& request) {
  Object object;
  object.hex(request.linear ? "gva" : "gpa", request.address);
  object.text("access", std::string(arch::name(request.access)));
  object.flag("user", request.user, false);
  object.flag("implicit", request.implicit, false);
  if (request.size != 1) object.plain("size", std::to_string(request.size));
  return object.str();
}

std::string walk_text(const mmu::Recording& recording) {
  std::string text;
  for (std::size_t i = 0; i < recording.references.size(); ++i) {
    const mmu::Reference& reference = recording.references[i];
    text += "  " + padded(std::to_string(i + 1), 4) + padded(name(reference.place), 24) +
            padded(hex(reference.address), 18) + hex(reference.value) + "\n";
  }
  for (const mmu::MemoryWrite& write : recording.writes) {
    text += "  " + padded("written", 28) + padded(hex(write.address), 18) + hex(write.value) +
            (write.size == 8 ? "\n" : ", " + std::to_string(write.size) + " bytes\n");
  }
  return text;
}

std::string case_text(const TestCase& test) {
  std::string text = "  context  " + context_text(test.context) + "\n  request  " +
                     request_text(test.request) + "\n";
  if (test.store) {
    text += "  store    before memory request " + std::to_string(test.store->before) + ": " +
            hex(test.store->word.address) + " = " + hex(test.store->word.value) + "\n";
  }
  std::vector<Word> image = test.image;
  std::ranges::sort(image, {}, &Word::address);
  text += "  memory   " + std::to_string(image.size()) + " words, all others 0\n";
  for (const Word& word : image) {
    text += "           " + padded(hex(word.address), 18) + hex(word.value) + "\n";
  }
  return text;
}

std::string mismatch_text(const Mismatch& mismatch, const std::string& replay) {
  const Finding& finding = mismatch.finding;
  std::string text = "MISMATCH in walk " + std::to_string(mismatch.number) + " (" +
                     planted_text(mismatch.test) + "): " + finding.got + " against " +
                     finding.expected;
  if (finding.cycle) text += ", cycle " + std::to_string(*finding.cycle) + " of the walk";
  text += "\n\n" + difference_table(finding);
  text += "\nThe walk so far:\n" + walk_text(finding.so_far);
  text += "\nThe case:\n" + case_text(mismatch.test);
  if (mismatch.smallest) {
    text += "\nThe least that still shows it:\n" + case_text(*mismatch.smallest);
  } else {
    text += "\nAlone, this walk shows nothing: it takes the walks before it.\n";
  }
  return text + "\nAgain: " + replay + "\n";
}

}  // namespace eptsim::tb
