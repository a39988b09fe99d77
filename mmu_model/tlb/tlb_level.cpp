#include "mmu_model/tlb/tlb_level.hpp"

#include <algorithm>

namespace eptsim::mmu {

TlbLevel::TlbLevel(const TlbSettings& settings, std::uint64_t seed)
    : hit_cycles_(settings.hit_cycles),
      miss_cycles_(settings.miss_cycles != 0 ? settings.miss_cycles : settings.hit_cycles) {
  arrays_.reserve(kSizes.size());  // array_of_ points into it
  const auto add = [&](const TlbGeometry& geometry) -> TlbArray* {
    if (geometry.entries == 0) return nullptr;
    return &arrays_.emplace_back(geometry, settings.coalesce, settings.replacement,
                                 seed + arrays_.size());
  };
  if (settings.split && settings.shares_4k_2m) {
    TlbArray* const small = add(settings.k4_m2);
    array_of_ = {small, small, add(settings.g1)};
  } else if (settings.split) {
    array_of_ = {add(settings.k4), add(settings.m2), add(settings.g1)};
  } else {
    array_of_.fill(add(settings.unified));
  }
}

void TlbLevel::fill(std::uint16_t vpid, std::uint64_t linear, const TlbEntry& entry) {
  unsigned held = 0;  // one more than the index of the size that is held
  for (unsigned i = 0; i < kSizes.size(); ++i) {
    if (array_of_[i] != nullptr && kSizes[i] <= entry.size) held = i + 1;
  }
  if (held == 0) return;
  const arch::PageSize size = kSizes[held - 1];
  // Never two entries of different sizes for one address in one space: a stale one could go on
  // refusing what the new one allows.
  for (unsigned i = 0; i < kSizes.size(); ++i) {
    if (kSizes[i] != size && array_of_[i] != nullptr) {
      array_of_[i]->drop(vpid, linear, kSizes[i], entry);
    }
  }
  TlbArray& array = *array_of_[held - 1];
  array.fill(vpid, linear, array.fitted(entry, linear, size));
}

void TlbLevel::invalidate(const InvalidationScope& scope) {
  for (TlbArray& array : arrays_) array.invalidate(scope);
}

}  // namespace eptsim::mmu
