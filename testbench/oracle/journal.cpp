#include "testbench/oracle/journal.hpp"

namespace eptsim::oracle {
namespace {

std::uint64_t mask_of(unsigned size) {
  return size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * size)) - 1;
}

unsigned shift_of(std::uint64_t address) { return static_cast<unsigned>(address % 8) * 8; }

}  // namespace

std::uint64_t Journal::read(std::uint64_t address, unsigned size) const {
  const std::uint64_t word = memory_.read64(address - address % 8);
  return (word >> shift_of(address)) & mask_of(size);
}

std::uint64_t Journal::read_entry(Structure structure, unsigned level, std::uint64_t address,
                                  unsigned size) {
  const std::uint64_t value = read(address, size);
  result_.references.push_back({structure, level, address, value});
  return value;
}

void Journal::write(std::uint64_t address, unsigned size, std::uint64_t value) {
  const std::uint64_t aligned = address - address % 8;
  const std::uint64_t mask = mask_of(size) << shift_of(address);
  const std::uint64_t rest = size == 8 ? 0 : memory_.read64(aligned) & ~mask;
  memory_.write64(aligned, rest | ((value << shift_of(address)) & mask));
  result_.writes.push_back({address, size, value});
}

void Journal::set_flags(std::uint64_t address, unsigned size, std::uint64_t flags) {
  const std::uint64_t value = read(address, size);
  if ((value & flags) != flags) write(address, size, value | flags);
}

}  // namespace eptsim::oracle
