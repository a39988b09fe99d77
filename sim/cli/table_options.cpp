#include "sim/cli/table_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/registers.hpp"
#include "sim/image/shrinking_file.hpp"
#include "sim/walk/context_file.hpp"

namespace eptsim::sim {

using namespace arch;

void TableOptions::declare(Options& options) {
  options.texts("--memory", "FILE[@BASE]", memory_,
                "A dump of physical memory, raw (at BASE, 0 by default) or an ELF64 core; may be "
                "repeated");
  options.number("--eptp", eptp_, "The EPT pointer: root, levels, accessed and dirty flags");
  options.text("--context", "CONTEXT.json", context_,
               "Take the EPT pointer, the processor's capabilities, the controls and the registers "
               "from here; - is standard input");
  options.number("--maxphyaddr", maxphyaddr_,
                 "Bits of a physical address, 32 to 52; 46 by default");
}

void TableOptions::declare_guest(Options& options) {
  options.number("--cr3", cr3_, "The root of a guest's own tables");
  options.number(
      "--levels", levels_,
      "Of the guest's paging: 2 (32-bit), 3 (PAE), 4 or 5; 4, or what --context says, by default");
}

mmu::Context TableOptions::context() const {
  if (!eptp_ && !cr3_ && !context_) {
    throw InputError("--eptp", "is missing, expected where the tables begin");
  }
  mmu::Context context;
  if (context_) context = read_context(*context_);
  if (eptp_) {
    context.ept_enabled = true;
    context.eptp = *eptp_;
    // Without a context the processor has what the pointer asks for.
    if (!context_) {
      context.cpu.supervisor_shadow_stack = eptp::kSupervisorShadowStack.any(*eptp_);
    }
  }
  if (maxphyaddr_) {
    constexpr std::uint64_t kMost = 52;
    context.cpu.maxphyaddr = static_cast<unsigned>(std::min(*maxphyaddr_, kMost + 1));
  }
  if (cr3_) take_guest(context);
  const auto error = mmu::check(context);
  if (error && error->kind == mmu::ContextError::Kind::kRefused) {
    throw InputError("--" + error->key,
                     fmt::format("VM entry refuses {}: {}", error->key, error->text));
  }
  return context;
}

void TableOptions::take_guest(mmu::Context& context) const {
  context.cr3 = *cr3_;
  if (context_ && !levels_) return;
  context.cr0 |= cr0::kPe.mask() | cr0::kPg.mask();
  context.cr4 = 0;
  context.efer = efer::kNxe.mask();
  context.pdptes.reset();
  switch (levels_.value_or(4)) {
    case 2: context.cr4 = cr4::kPse.mask(); return;
    case 3:
      context.cr4 = cr4::kPae.mask();
      if (context.ept_enabled) context.pdptes.emplace();
      return;
    case 5: context.cr4 = cr4::kLa57.mask(); [[fallthrough]];
    case 4:
      context.cr4 |= cr4::kPae.mask();
      context.efer |= efer::kLme.mask() | efer::kLma.mask();
      return;
    default:
      throw InputError(fmt::format("--levels {}", *levels_), "unknown, expected 2, 3, 4 or 5");
  }
}

MemoryImage TableOptions::image() const {
  if (memory_.empty()) throw InputError("--memory", "is missing, expected a memory image");
  refuse_files_that_shrink();
  MemoryImage image;
  for (const std::string& file : memory_) image.add(file);
  return image;
}

ept::Settings ept_settings(const mmu::Context& context) {
  return {.maxphyaddr = context.cpu.maxphyaddr,
          .depth = static_cast<unsigned>(eptp::kWalkLength.get(context.eptp)) + 1,
          .execute_only = context.cpu.execute_only,
          .page_2m = context.cpu.page_2m,
          .page_1g = context.cpu.page_1g,
          .accessed_dirty = eptp::kAccessedDirty.any(context.eptp),
          .supervisor_shadow_stack = eptp::kSupervisorShadowStack.any(context.eptp),
          .mode_based_execute = context.controls.mode_based_execute,
          .paging_write = context.controls.paging_write,
          .advanced_exit_info = context.cpu.advanced_exit_info};
}

}  // namespace eptsim::sim
