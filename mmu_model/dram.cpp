#include "mmu_model/dram.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <stdexcept>

namespace eptsim::mmu {

namespace {

constexpr std::size_t kFirstSlots = 64;

std::size_t word_of(arch::Hpa address) { return (address.value() >> 3) & 511; }

}  // namespace

Dram::Dram(std::uint64_t bytes)
    : bytes_(bytes), slots_(kFirstSlots), shift_(64u - std::countr_zero(kFirstSlots)) {}

std::size_t Dram::position_of(std::uint64_t number) const {
  constexpr std::uint64_t kGoldenRatio = 0x9E37'79B9'7F4A'7C15;
  std::size_t position = (number * kGoldenRatio) >> shift_;
  while (slots_[position].number != number && slots_[position].number != kNoPage) {
    position = (position + 1) & (slots_.size() - 1);
  }
  return position;
}

const Dram::Page* Dram::find(arch::Hpa address) const {
  return slots_[position_of(address.value() >> 12)].page.get();
}

Dram::Page& Dram::resident(arch::Hpa address) {
  if (address.value() >= bytes_) {
    char text[96];
    std::snprintf(text, sizeof text, "store to 0x%llx, beyond the end of memory at 0x%llx",
                  static_cast<unsigned long long>(address.value()),
                  static_cast<unsigned long long>(bytes_));
    throw std::out_of_range(text);
  }
  const std::uint64_t number = address.value() >> 12;
  std::size_t position = position_of(number);
  if (slots_[position].number == kNoPage) {
    if (2 * (pages_ + 1) > slots_.size()) {
      grow();
      position = position_of(number);
    }
    slots_[position] = {number, std::make_unique<Page>()};
    ++pages_;
  }
  return *slots_[position].page;
}

void Dram::grow() {
  std::vector<Slot> old(2 * slots_.size());
  old.swap(slots_);
  --shift_;
  for (Slot& slot : old) {
    if (slot.number != kNoPage) slots_[position_of(slot.number)] = std::move(slot);
  }
}

std::uint64_t Dram::read64(arch::Hpa address) const {
  const Page* page = find(address);
  return page == nullptr ? 0 : (*page)[word_of(address)];
}

void Dram::write64(arch::Hpa address, std::uint64_t value) {
  resident(address)[word_of(address)] = value;
}

std::uint64_t Dram::compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                       std::uint64_t desired) {
  const std::uint64_t found = read64(address);
  if (found == expected) write64(address, desired);
  return found;
}

std::span<std::uint64_t> Dram::table_view(arch::Hpa address) {
  if (address.value() >= bytes_) return {};
  return resident(address);
}

std::vector<arch::Hpa> Dram::resident_pages() const {
  std::vector<arch::Hpa> pages;
  for (const Slot& slot : slots_) {
    if (slot.number != kNoPage) pages.emplace_back(slot.number << 12);
  }
  std::ranges::sort(pages);
  return pages;
}

std::uint64_t Dram::resident_bytes() const {
  return pages_ * sizeof(Page) + slots_.size() * sizeof(Slot);
}

}  // namespace eptsim::mmu
