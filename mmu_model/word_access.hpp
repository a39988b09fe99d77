#pragma once

#include <cstdint>

#include "ept/arch/address.hpp"
#include "ept/arch/physical_memory.hpp"

/// Accesses of 2, 4 or 8 bytes to a memory of 8-byte words, as a walker makes them: the entries of
/// 32-bit paging are half a word wide. Little-endian; addresses are multiples of the size.
namespace eptsim::mmu {

namespace word_access {
constexpr unsigned shift(arch::Hpa address) {
  return 8 * static_cast<unsigned>(address.offset_in(8));
}
constexpr std::uint64_t mask(unsigned size) {
  return size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * size)) - 1;
}
}  // namespace word_access

inline std::uint64_t read(const arch::PhysicalMemory& memory, arch::Hpa address, unsigned size) {
  if (size == 8) return memory.read64(address);
  return (memory.read64(address.align_down(8)) >> word_access::shift(address)) &
         word_access::mask(size);
}

inline void write(arch::PhysicalMemory& memory, arch::Hpa address, unsigned size,
                  std::uint64_t value) {
  const arch::Hpa word = address.align_down(8);
  const std::uint64_t mask = word_access::mask(size) << word_access::shift(address);
  const std::uint64_t others = size == 8 ? 0 : memory.read64(word) & ~mask;
  memory.write64(word, others | ((value << word_access::shift(address)) & mask));
}

/// Compares and stores `size` bytes; what else is in the word stays. Returns what was found.
inline std::uint64_t compare_exchange(arch::PhysicalMemory& memory, arch::Hpa address,
                                      unsigned size, std::uint64_t expected,
                                      std::uint64_t desired) {
  if (size == 8) return memory.compare_exchange64(address, expected, desired);
  const std::uint64_t found = read(memory, address, size);
  if (found == (expected & word_access::mask(size))) write(memory, address, size, desired);
  return found;
}

}  // namespace eptsim::mmu
