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

/// A page's address of `width` bits.
std::uint64_t random_frame(Random& random, unsigned width) {
  return random_address(random, width) & bits(51, 12);
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

  const bool write_protect = !random.one_in(3);
  context.cr0 = (random.next() & 0xffffffff & ~kCr0) | maybe(cr0::kPe, paging || random.coin()) |
                maybe(cr0::kWp, write_protect) | maybe(cr0::kCd, random.one_in(10)) |
                maybe(cr0::kPg, paging);
  const bool keys = features.has(Feature::kProtectionKeys);
  context.cr4 = (random.next() & 0xffffffff & ~kCr4) | maybe(cr4::kPae, paging || random.coin()) |
                maybe(cr4::kLa57, levels.guest == 5 || (!paging && random.coin())) |
                maybe(cr4::kSmep, features.has(Feature::kSmep) && random.one_in(3)) |
                maybe(cr4::kSmap, features.has(Feature::kSmap) && random.one_in(3)) |
                maybe(cr4::kPke, keys && random.one_in(3)) |
                maybe(cr4::kPks, keys && random.one_in(3)) |
                maybe(cr4::kCet, write_protect && random.one_in(4)) |
                maybe(cr4::kLass, features.has(Feature::kLass) && random.one_in(4));
  context.efer = (random.next() & 0xffff & ~kEfer) | maybe(efer::kLme, paging || random.coin()) |
                 maybe(efer::kLma, paging) | maybe(efer::kNxe, !random.one_in(4));
  context.cr3 =
      random_frame(random, guest_physical_width(context, levels)) | (random.next() & 0xfff);
  context.pkru = random_keys(random);
  context.pkrs = random_keys(random);
  context.pat = random_pat(random);
  context.rflags_ac = random.coin();
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

unsigned guest_physical_width(const mmu::Context& context, Levels levels) {
  return levels.ept == 4 ? std::min(context.cpu.maxphyaddr, 48u) : context.cpu.maxphyaddr;
}

Levels random_levels(Random& random, Features features) {
  const bool five = features.has(Feature::kFiveLevel);
  Levels levels;
  levels.guest = five && random.one_in(4) ? 5 : random.one_in(12) ? 0 : 4;
  levels.ept = five && random.one_in(4) ? 5 : 4;
  if (!features.has(Feature::kEpt) || random.one_in(8)) levels.ept = 0;
  return levels;
}

mmu::Context random_context(Random& random, Features features, Levels levels) {
  mmu::Context context;
  context.cpu = random_capabilities(random, features);
  context.ept_enabled = levels.ept != 0;
  if (context.ept_enabled) {
    context.eptp =
        random_frame(random, context.cpu.maxphyaddr) | eptp::kWalkLength.set(0, levels.ept - 1) |
        (random.coin() ? 6 : 0) |
        (features.has(Feature::kEptAccessedDirty) && random.coin() ? eptp::kAccessedDirty.mask()
                                                                   : 0);
    context.controls.mode_based_execute =
        features.has(Feature::kModeBasedExecute) && random.one_in(3);
  } else {
    context.eptp = random.next();
  }
  set_registers(random, features, levels, context);
  context.vpid = static_cast<std::uint16_t>(random.next() | 1);
  // Of controls that are off.
  context.sppt_pointer = random.next();
  context.pml_address = random.next();
  context.pml_index = static_cast<std::uint16_t>(random.next());
  context.ve_info_address = random.next();
  context.hlat_pointer = random.next();
  return context;
}

mmu::Request random_request(Random& random, const mmu::Context& context, Levels levels) {
  constexpr std::array<AccessKind, 4> kAccesses{AccessKind::kRead, AccessKind::kWrite,
                                                AccessKind::kFetch, AccessKind::kReadModifyWrite};
  mmu::Request request;
  request.access = random.pick(kAccesses);
  request.linear = !random.one_in(16);
  if (!request.linear) {
    request.address = random_address(random, guest_physical_width(context, levels));
  } else {
    request.user = random.coin();
    request.implicit = random.one_in(8);
    if (levels.guest == 0) {
      request.address = random_address(random, 32);
    } else {
      const unsigned width = levels.guest == 5 ? 57 : 48;
      request.address = random_address(random, width - 1);
      // With LASS the half that suits the access.
      const bool upper =
          cr4::kLass.any(context.cr4) ? !request.user || request.implicit : random.coin();
      if (upper) request.address |= ~std::uint64_t{0} << (width - 1);
    }
  }
  const std::uint64_t room = 4096 - (request.address & 4095);
  request.size = static_cast<std::uint8_t>(1 + random.below(std::min<std::uint64_t>(room, 64)));
  return request;
}

void spoil(Random& random, mmu::Context& context) {
  const std::uint64_t too_high = ~std::uint64_t{0} << context.cpu.maxphyaddr;
  constexpr std::array<std::uint64_t, 6> kBadTypes{1, 2, 3, 4, 5, 7};
  constexpr std::array<std::uint64_t, 6> kBadLengths{0, 1, 2, 5, 6, 7};
  constexpr std::array<std::uint64_t, 4> kBadPat{2, 3, 8, 0x86};
  switch (random.below(context.ept_enabled ? 8 : 4)) {
    case 0: context.cr3 |= random.bit_of(too_high & bits(60, 0)); break;
    case 1: {
      const auto at = static_cast<unsigned>(8 * random.below(8));
      context.pat = (context.pat & ~(std::uint64_t{0xff} << at)) | random.pick(kBadPat) << at;
      break;
    }
    case 2: context.efer ^= efer::kLma.mask(); break;
    case 3: context.cpu.maxphyaddr = random.coin() ? 31 : 53; break;
    case 4: context.eptp = eptp::kMemoryType.set(context.eptp, random.pick(kBadTypes)); break;
    case 5: context.eptp = eptp::kWalkLength.set(context.eptp, random.pick(kBadLengths)); break;
    case 6: context.eptp |= random.bit_of(eptp::kReserved.mask()); break;
    default: context.eptp |= random.bit_of(too_high); break;
  }
}

}  // namespace eptsim::tb
