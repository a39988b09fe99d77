#include "testbench/stimulus/sparse_memory.hpp"

#include <algorithm>
#include <stdexcept>

#include "mmu_model/word_access.hpp"

namespace eptsim::tb {

using arch::Hpa;

SparseMemory::SparseMemory(unsigned slot_bits)
    : shift_(64 - slot_bits), slots_(std::size_t{1} << slot_bits) {}

void SparseMemory::load(std::span<const Word> image) {
  std::ranges::fill(slots_, Slot{});
  used_ = 0;
  for (const Word& word : image) write64(Hpa(word.address), word.value);
}

unsigned SparseMemory::slot_of(std::uint64_t address) const {
  const std::uint64_t key = address | 1;
  const auto last = static_cast<unsigned>(slots_.size() - 1);
  auto slot = static_cast<unsigned>((key * 0x9e3779b97f4a7c15) >> shift_);
  while (slots_[slot].key != key && slots_[slot].key != 0) slot = (slot + 1) & last;
  return slot;
}

std::uint64_t SparseMemory::read64(Hpa address) const {
  return slots_[slot_of(address.value())].value;
}

void SparseMemory::write64(Hpa address, std::uint64_t value) {
  Slot& slot = slots_[slot_of(address.value())];
  if (slot.key == 0) {
    if (++used_ > slots_.size() / 2) throw std::length_error("too many words for this memory");
    slot.key = address.value() | 1;
  }
  slot.value = value;
}

std::uint64_t SparseMemory::compare_exchange64(Hpa address, std::uint64_t expected,
                                               std::uint64_t desired) {
  const std::uint64_t found = read64(address);
  if (found == expected) write64(address, desired);
  return found;
}

std::optional<std::uint64_t> SparseMemory::difference(const SparseMemory& other) const {
  std::optional<std::uint64_t> lowest;
  const auto look = [&](const SparseMemory& one, const SparseMemory& two) {
    for (const Slot& slot : one.slots_) {
      if (slot.key == 0) continue;
      const std::uint64_t address = slot.key & ~std::uint64_t{1};
      if (slot.value == two.read64(Hpa(address))) continue;
      lowest = std::min(lowest.value_or(address), address);
    }
  };
  look(*this, other);
  look(other, *this);
  return lowest;
}

void SharedMemory::load(const TestCase& test) {
  words_.load(test.image);
  requests_ = 0;
  store_seen_ = false;
  store_ = test.store;
}

void SharedMemory::before_request(std::uint64_t address) const {
  if (store_) {
    if (requests_ == store_->before) words_.write64(Hpa(store_->word.address), store_->word.value);
    if (requests_ < store_->before && address == store_->word.address) store_seen_ = true;
  }
  ++requests_;
}

std::uint64_t SharedMemory::read64(Hpa address) const {
  before_request(address.value());
  return words_.read64(address);
}

void SharedMemory::write64(Hpa address, std::uint64_t value) {
  before_request(address.value());
  words_.write64(address, value);
}

std::uint64_t SharedMemory::compare_exchange64(Hpa address, std::uint64_t expected,
                                               std::uint64_t desired) {
  before_request(address.value());
  return words_.compare_exchange64(address, expected, desired);
}

std::uint64_t SharedMemory::carry_out(mmu::StepKind kind, Hpa address, std::uint8_t size,
                                      std::uint64_t expected, std::uint64_t desired) {
  switch (kind) {
    case mmu::StepKind::kCompareExchange:
      return mmu::compare_exchange(*this, address, size, expected, desired);
    case mmu::StepKind::kWrite: mmu::write(*this, address, size, desired); return 0;
    default: return mmu::read(*this, address, size);
  }
}

}  // namespace eptsim::tb
