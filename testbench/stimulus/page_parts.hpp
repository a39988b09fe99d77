#pragma once

#include <array>
#include <cstdint>

#include "ept/arch/registers.hpp"
#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"

namespace eptsim::tb {

/// The parts of an access within one 4 KiB page each: what a walker is asked for, the lower first.
struct PageParts {
  std::array<mmu::Request, 2> part;
  unsigned count = 1;
};

inline PageParts page_parts(const mmu::Context& context, const mmu::Request& request) {
  PageParts parts{.part = {request, request}};
  const unsigned room = 4096 - static_cast<unsigned>(request.address & 4095);
  if (request.size <= room) return parts;
  mmu::Request& upper = parts.part[1];
  upper.address += room;
  // Linear addresses of 32 bits wrap around.
  const bool narrow = request.linear && !arch::efer::kLma.any(context.efer);
  if (narrow) upper.address &= 0xffff'ffff;
  upper.size = static_cast<std::uint8_t>(request.size - room);
  parts.part[0].size = static_cast<std::uint8_t>(room);
  parts.count = 2;
  return parts;
}

}  // namespace eptsim::tb
