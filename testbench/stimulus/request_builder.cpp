#include "testbench/stimulus/request_builder.hpp"

#include <algorithm>

#include "ept/arch/registers.hpp"
#include "testbench/stimulus/context_builder.hpp"

namespace eptsim::tb {
namespace {

using arch::AccessKind;

/// Features that concern one kind of access get it more often.
AccessKind random_access(Random& random, Features features) {
  constexpr std::array<AccessKind, 4> kAccesses{AccessKind::kRead, AccessKind::kWrite,
                                                AccessKind::kFetch, AccessKind::kReadModifyWrite};
  if (features.has(Feature::kShadowStacks) && !random.one_in(4)) {
    return random.coin() ? AccessKind::kShadowStackRead : AccessKind::kShadowStackWrite;
  }
  const bool writes = features.has(Feature::kSubPages) || features.has(Feature::kPml);
  if (writes && random.coin()) return AccessKind::kWrite;
  return random.pick(kAccesses);
}

std::uint64_t random_linear(Random& random, const mmu::Context& context, Levels levels,
                            bool supervisor) {
  if (levels.guest < 4) return random_address(random, 32);
  const unsigned width = levels.guest == 5 ? 57 : 48;
  const std::uint64_t address = random_address(random, width - 1);
  // The half that LASS allows, or most often the one that HLAT paging translates.
  bool upper = random.coin();
  if (arch::cr4::kLass.any(context.cr4)) {
    upper = supervisor;
  } else if (context.controls.hlat) {
    upper = !random.one_in(4);
  }
  return upper ? address | ~std::uint64_t{0} << (width - 1) : address;
}

/// Moves the address so that the access touches two sub-pages of 128 bytes.
void straddle(Random& random, mmu::Request& request) {
  constexpr std::uint64_t kLast = 127;
  if ((request.address & 4095 & ~kLast) == (4095 & ~kLast)) return;
  request.address = (request.address | kLast) - random.below(8);
  request.size = static_cast<std::uint8_t>(9 + random.below(56));
}

/// Moves the address to the end of its page, so that the access goes on in the next.
void cross(Random& random, const mmu::Context& context, mmu::Request& request) {
  constexpr std::uint64_t kLast = 4095;
  const std::uint64_t page = request.address & ~kLast;
  const std::uint64_t next = page + kLast + 1;
  if (!request.linear && next >> context.cpu.maxphyaddr != 0) return;
  const std::uint64_t lower = 1 + random.below(63);
  const std::uint64_t upper = 1 + random.below(64 - lower);
  request.address = next - lower;
  request.size = static_cast<std::uint8_t>(lower + upper);
}

}  // namespace

mmu::Request random_request(Random& random, Features features, const mmu::Context& context,
                            Levels levels) {
  mmu::Request request;
  request.access = random_access(random, features);
  request.linear = !(features.has(Feature::kGuestPhysical) && random.one_in(16));
  if (request.linear) {
    request.user = random.coin();
    request.implicit = features.has(Feature::kImplicit) && random.one_in(8);
    request.address = random_linear(random, context, levels, !request.user || request.implicit);
  } else {
    request.address = random_address(random, guest_physical_width(context, levels));
  }
  const std::uint64_t room = 4096 - (request.address & 4095);
  request.size = static_cast<std::uint8_t>(1 + random.below(std::min<std::uint64_t>(room, 64)));
  if (features.has(Feature::kSubPages) && random.coin()) straddle(random, request);
  if (features.has(Feature::kPageCrossing) && random.one_in(8)) cross(random, context, request);
  return request;
}

}  // namespace eptsim::tb
