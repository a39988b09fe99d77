#include "testbench/stimulus/context_builder.hpp"

#include <algorithm>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/memory_type.hpp"
#include "ept/arch/registers.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {
namespace {

using namespace arch;

constexpr std::array<MemoryType, 6> kPatTypes{MemoryType::kUC, MemoryType::kWC,
                                              MemoryType::kWT, MemoryType::kWP,
                                              MemoryType::kWB, MemoryType::kUCMinus};

std::uint64_t random_pat(Random& random) {
  if (random.one_in(4)) return kResetPat;
  std::uint64_t pat = 0;
  for (unsigned index = 0; index < 8; ++index) {
    pat |= static_cast<std::uint64_t>(random.pick(kPatTypes)) << (8 * index);
  }
  return pat;
}

unsigned random_width(Random& random) {
  constexpr std::array<unsigned, 8> kWidths{52, 52, 48, 46, 39, 36, 33, 32};
  return random.coin() ? random.pick(kWidths) : 32 + static_cast<unsigned>(random.below(21));
}

std::uint32_t random_keys(Random& random) {
  if (random.coin()) return 0;
  const std::uint64_t sparse = random.next() & random.next();
  return static_cast<std::uint32_t>(random.coin() ? sparse : sparse & 0xaaaaaaaa & random.next());
}

mmu::Capabilities random_capabilities(Random& random, Features features) {
  mmu::Capabilities cpu;
  cpu.maxphyaddr = random_width(random);
  cpu.execute_only = features.has(Feature::kExecuteOnly) && !random.one_in(4);
  cpu.page_2m = !random.one_in(8);
  cpu.page_1g = !random.one_in(8);
  cpu.guest_page_1g = !random.one_in(4);
  cpu.advanced_exit_info = features.has(Feature::kAdvancedExitInfo) && random.coin();
  cpu.supervisor_shadow_stack = random.coin();
  return cpu;
}

/// Registers that paging looks at, in the mode that `levels` asks for.
void set_registers(Random& random, Features features, Levels levels, mmu::Context& context) {
  const auto maybe = [&](BitField bit, bool wanted) { return wanted ? bit.mask() : 0; };
  constexpr std::uint64_t kCr0 =
      cr0::kPe.mask() | cr0::kWp.mask() | cr0::kCd.mask() | cr0::kPg.mask();
  constexpr std::uint64_t kCr4 = cr4::kPae.mask() | cr4::kLa57.mask() | cr4::kSmep.mask() |
                                 cr4::kSmap.mask() | cr4::kPke.mask() | cr4::kPks.mask() |
                                 cr4::kCet.mask() | cr4::kLass.mask() | cr4::kLamSup.mask();
  constexpr std::uint64_t kEfer = efer::kLme.mask() | efer::kLma.mask() | efer::kNxe.mask();
  const bool paging = levels.guest != 0;
  const bool long_mode = levels.guest >= 4;

  const bool shadow_stacks = features.has(Feature::kShadowStacks);
  const bool types = features.has(Feature::kMemoryTypes);
  const bool write_protect = shadow_stacks || !random.one_in(3);
  context.cr0 = (random.next() & 0xffffffff & ~kCr0) | maybe(cr0::kPe, paging || random.coin()) |
                maybe(cr0::kWp, write_protect) | maybe(cr0::kCd, types && random.one_in(10)) |
                maybe(cr0::kPg, paging);
  const bool keys = features.has(Feature::kProtectionKeys);
  const bool pae = long_mode || levels.pae || (!paging && random.coin());
  context.cr4 = (random.next() & 0xffffffff & ~kCr4) | maybe(cr4::kPae, pae) |
                maybe(cr4::kLa57, levels.guest == 5 || (!long_mode && random.coin())) |
                maybe(cr4::kSmep, features.has(Feature::kSmep) && random.one_in(3)) |
                maybe(cr4::kSmap, features.has(Feature::kSmap) && random.one_in(3)) |
                maybe(cr4::kPke, keys && random.one_in(3)) |
                maybe(cr4::kPks, keys && random.one_in(3)) |
                maybe(cr4::kCet, shadow_stacks || (write_protect && random.one_in(4))) |
                maybe(cr4::kLass, features.has(Feature::kLass) && random.one_in(4));
  context.efer = (random.next() & 0xffff & ~kEfer) |
                 maybe(efer::kLme, long_mode || (!paging && random.coin())) |
                 maybe(efer::kLma, long_mode) | maybe(efer::kNxe, !random.one_in(4));
  context.pkru = random_keys(random);
  context.pkrs = random_keys(random);
  if (types) context.pat = random_pat(random);
  context.rflags_ac = random.coin();
}

/// Where guest tables begin.
void set_roots(Random& random, Levels levels, mmu::Context& context) {
  const unsigned width = guest_physical_width(context, levels);
  context.cr3 = random_frame(random, width) | (random.next() & 0xfff);
  // Of what the older modes ignore, VM entry looks at the bits that no address has.
  const bool upper = levels.legacy() && context.cpu.maxphyaddr > 32 && random.coin();
  if (levels.legacy()) context.cr3 &= 0xffffffff;
  if (upper) context.cr3 |= random.next() & bits(context.cpu.maxphyaddr - 1, 32);
  if (!levels.pae || !context.ept_enabled) return;
  context.pdptes.emplace();
  for (std::uint64_t& pdpte : *context.pdptes) {
    pdpte = random_pdpte(random, context, levels, !random.one_in(16));
  }
}

/// VM-execution controls, and what they need beside them.
void set_controls(Random& random, Features features, Levels levels, mmu::Context& context) {
  const unsigned width = context.cpu.maxphyaddr;
  mmu::Controls& controls = context.controls;
  // What belongs to controls that are off means nothing.
  context.sppt_pointer = random.next();
  context.pml_address = random.next();
  context.pml_index = static_cast<std::uint16_t>(random.next());
  context.ve_info_address = random.next();
  context.eptp_index = static_cast<std::uint16_t>(random.next());
  context.hlat_pointer = random.next();
  context.hlat_prefix_size = static_cast<std::uint16_t>(random.next());

  controls.ept_violation_ve = features.has(Feature::kVirtualizationExceptions);
  if (controls.ept_violation_ve) context.ve_info_address = random_frame(random, width);
  if (!context.ept_enabled) return;
  controls.mode_based_execute = features.has(Feature::kModeBasedExecute) && random.one_in(3);
  if (features.has(Feature::kPml)) {
    constexpr std::array<std::uint16_t, 8> kIndexes{511, 511, 256, 3, 1, 0, 0, 512};
    controls.pml = true;
    context.pml_address = random_frame(random, width);
    context.pml_index =
        random.one_in(4) ? static_cast<std::uint16_t>(random.below(512)) : random.pick(kIndexes);
    if (random.one_in(16)) context.pml_index = static_cast<std::uint16_t>(random.next());
  }
  if (features.has(Feature::kGuestPagingVerification)) {
    controls.guest_paging_verification = true;
    controls.paging_write = !random.one_in(8);
  }
  if (features.has(Feature::kPagingWrite)) controls.paging_write = true;
  if (features.has(Feature::kHlat) && (levels.guest >= 4 || random.one_in(4))) {
    controls.hlat = true;
    context.hlat_pointer =
        random_frame(random, guest_physical_width(context, levels)) | (random.next() & bits(4, 3));
    context.hlat_prefix_size =
        random.one_in(3) ? 0 : static_cast<std::uint16_t>(random.coin() ? 1 : random.next());
  }
  if (features.has(Feature::kSubPages)) {
    controls.sub_page_permission = true;
    context.sppt_pointer = random_frame(random, width);
  }
}

void set_eptp(Random& random, Features features, Levels levels, mmu::Context& context) {
  context.ept_enabled = levels.ept != 0;
  if (!context.ept_enabled) {
    context.eptp = random.next();
    return;
  }
  const bool flags = features.has(Feature::kEptAccessedDirty) &&
                     (features.has(Feature::kPml) ? !random.one_in(8) : random.coin());
  if (features.has(Feature::kShadowStacks) && random.coin()) {
    context.cpu.supervisor_shadow_stack = true;
    context.eptp |= eptp::kSupervisorShadowStack.mask();
  }
  context.eptp |= random_frame(random, context.cpu.maxphyaddr) |
                  eptp::kWalkLength.set(0, levels.ept - 1) | (random.coin() ? 6 : 0) |
                  (flags ? eptp::kAccessedDirty.mask() : 0);
}

}  // namespace

std::uint64_t random_address(Random& random, unsigned width) {
  const std::uint64_t all = ~std::uint64_t{0} >> (64 - width);
  switch (random.below(16)) {
    case 0: return all & ~random.below(0x10000);
    case 1: return random.below(0x1000000);
    case 2: return random.bit_of(all) | random.below(0x1000);
    default: return random.next() & all;
  }
}

std::uint64_t random_frame(Random& random, unsigned width) {
  return random_address(random, width) & bits(51, 12);
}

std::uint64_t random_pdpte(Random& random, const mmu::Context& context, Levels levels,
                           bool present) {
  if (!present) return random.next() & ~std::uint64_t{1};
  return random_frame(random, guest_physical_width(context, levels)) |
         (random.next() & (bits(11, 9) | bits(4, 3))) | 1;
}

unsigned guest_physical_width(const mmu::Context& context, Levels levels) {
  const unsigned width =
      levels.ept == 4 ? std::min(context.cpu.maxphyaddr, 48u) : context.cpu.maxphyaddr;
  return levels.narrow() ? std::min(width, 32u) : width;
}

Levels random_levels(Random& random, Features features) {
  const bool five = features.has(Feature::kFiveLevel);
  Levels levels;
  levels.guest = five && random.one_in(4) ? 5 : random.one_in(12) ? 0 : 4;
  // HLAT paging has 4 or 5 levels.
  if (features.has(Feature::kLegacyPaging) && !(features.has(Feature::kHlat) && random.coin())) {
    levels.guest = 2;
    levels.pae = random.coin();
  }
  levels.ept = five && random.one_in(4) ? 5 : 4;
  if (!features.has(Feature::kEpt) || random.one_in(12)) levels.ept = 0;
  return levels;
}

mmu::Context random_context(Random& random, Features features, Levels levels) {
  return random_context(random, features, levels, random_capabilities(random, features));
}

mmu::Context random_context(Random& random, Features features, Levels levels,
                            const mmu::Capabilities& cpu) {
  mmu::Context context;
  context.cpu = cpu;
  set_eptp(random, features, levels, context);
  set_registers(random, features, levels, context);
  set_roots(random, levels, context);
  set_controls(random, features, levels, context);
  context.vpid = static_cast<std::uint16_t>(random.next() | 1);
  return context;
}

}  // namespace eptsim::tb
