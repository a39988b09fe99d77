#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include "mmu_model/replacement/fifo.hpp"
#include "mmu_model/replacement/lru.hpp"
#include "mmu_model/replacement/random.hpp"
#include "mmu_model/replacement/srrip.hpp"
#include "mmu_model/replacement/tree_plru.hpp"
#include "mmu_model/settings.hpp"

namespace eptsim::mmu {

/// Which way of a full set makes room. The policy is chosen once, when the array is made, and held
/// by value: a use is a switch that always goes the same way, then the policy's own code inline.
class ReplacementState {
 public:
  ReplacementState(Replacement kind, unsigned sets, unsigned ways, std::uint64_t seed)
      : policy_(make(kind, sets, ways, seed)) {}

  void used(std::size_t set, unsigned way) {
    if (Lru* const lru = std::get_if<Lru>(&policy_)) [[likely]]
      return lru->used(set, way);
    std::visit([=](auto& policy) { policy.used(set, way); }, policy_);
  }
  void filled(std::size_t set, unsigned way) {
    std::visit([=](auto& policy) { policy.filled(set, way); }, policy_);
  }
  /// Has the host bring what the set's victim is chosen by.
  void prefetch(std::size_t set) const {
    if (const Lru* const lru = std::get_if<Lru>(&policy_)) lru->prefetch(set);
  }
  /// The way to evict, filled at once; every way of `set` is occupied.
  unsigned replace(std::size_t set) {
    if (Lru* const lru = std::get_if<Lru>(&policy_)) [[likely]]
      return lru->replace(set);
    const unsigned way = victim(set);
    filled(set, way);
    return way;
  }
  /// The way to evict; every way of `set` is occupied.
  unsigned victim(std::size_t set) {
    return std::visit([=](auto& policy) { return policy.victim(set); }, policy_);
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    std::visit([&](auto& policy) { archive(policy); }, policy_);
  }

 private:
  using Policy = std::variant<Lru, TreePlru, Fifo, RandomReplacement, Srrip>;
  static Policy make(Replacement kind, unsigned sets, unsigned ways, std::uint64_t seed) {
    switch (kind) {
      case Replacement::kTreePlru: return TreePlru(sets, ways);
      case Replacement::kFifo: return Fifo(sets, ways);
      case Replacement::kRandom: return RandomReplacement(ways, seed);
      case Replacement::kSrrip: return Srrip(sets, ways);
      case Replacement::kLru: break;
    }
    return Lru(sets, ways);
  }
  Policy policy_;
};

}  // namespace eptsim::mmu
