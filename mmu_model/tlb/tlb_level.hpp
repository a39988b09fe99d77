#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ept/arch/page_size.hpp"
#include "mmu_model/counters.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/tlb/tlb_array.hpp"
#include "mmu_model/tlb/tlb_query.hpp"

namespace eptsim::mmu {

/// One TLB level: an array for each page size, one for all, or one for 4 KiB and 2 MiB pages and
/// one for 1 GiB. A page too large for the arrays that there are is held in pieces of the largest
/// size that fits; one that fits nowhere is not held.
class TlbLevel {
 public:
  TlbLevel(const TlbSettings& settings, std::uint64_t seed);

  /// No array has entries: the level is not there.
  bool is_off() const { return arrays_.empty(); }
  unsigned hit_cycles() const { return hit_cycles_; }
  /// Until a walk is asked for.
  unsigned miss_cycles() const { return miss_cycles_; }
  /// A level that is off counts nothing.
  TlbCounters counters() const {
    return {.accesses = hits_ + misses_, .hits = hits_, .misses = misses_};
  }
  void reset_counters() { hits_ = misses_ = 0; }

  /// The entry through which `request` passes, or nullptr. An entry that `request` may not use
  /// counts as a miss. Valid until the level next changes.
  const TlbEntry* lookup(const TlbQuery& query, const Request& request) {
    const TlbEntry* const entry = lookup_hit(query, request);
    if (entry == nullptr) count_miss();
    return entry;
  }
  /// The same, but a miss doesn't count, and so has changed nothing.
  const TlbEntry* lookup_hit(const TlbQuery& query, const Request& request) {
    for (unsigned i = 0; i < kSizes.size(); ++i) {
      TlbArray* const array = array_of_[i];
      if (array == nullptr || !array->has(kSizes[i])) continue;
      const TlbArray::Found found = array->find(query.space, request.address, kSizes[i]);
      if (found.entry == nullptr) continue;
      if (!query.may_use(*found.entry, request)) break;
      array->use(found);
      if (kSizes[i] == arch::PageSize::k4K) array->remember(found, request.address);
      ++hits_;
      return found.entry;
    }
    return nullptr;
  }
  /// The same again, if it is sure to be a hit and to change nothing but that it counts as one
  /// (TlbArray::again). Otherwise nullptr.
  const TlbEntry* lookup_again(const Request& request) {
    if (array_of_[0] == nullptr) return nullptr;
    const TlbEntry* const entry = array_of_[0]->again(request.address, allowed_bit(request));
    hits_ += entry != nullptr;
    return entry;
  }
  /// Look-ups to come are in another space, or under other rights.
  void forget() {
    for (TlbArray& array : arrays_) array.forget();
  }

  /// A look-up of what the last one found, with nothing changed since, tells nothing new.
  void count_hit() { ++hits_; }
  /// An access for which there was nothing to look up.
  void count_miss() {
    if (!is_off()) ++misses_;
  }

  /// The last look-up is not to count: the access had been looked up before.
  void discount(bool hit) {
    if (!is_off()) --(hit ? hits_ : misses_);
  }

  /// Holds `entry`, or its piece that maps `linear`, in place of whatever mapped `linear` there.
  void fill(std::uint16_t vpid, std::uint64_t linear, const TlbEntry& entry);

  void invalidate(const InvalidationScope& scope);

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    for (TlbArray& array : arrays_) archive(array);
    archive(hits_, misses_);
  }

 private:
  static constexpr std::array kSizes = {arch::PageSize::k4K, arch::PageSize::k2M,
                                        arch::PageSize::k1G};

  TlbLevel(const TlbLevel&) = delete;  // array_of_ points into arrays_
  TlbLevel& operator=(const TlbLevel&) = delete;

  std::vector<TlbArray> arrays_;
  /// By index in kSizes: the array that holds the size, if any.
  std::array<TlbArray*, 3> array_of_{};
  unsigned hit_cycles_;
  unsigned miss_cycles_;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

}  // namespace eptsim::mmu
