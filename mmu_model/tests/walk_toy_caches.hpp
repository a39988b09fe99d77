#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "mmu_model/tests/walk_tables.hpp"

/// Paging-structure caches and a nested TLB for tests of the walk: a toy of each, without any limit
/// and without tags, that the test may keep from answering.
namespace eptsim::mmu::test {

class ToyCaches {
 public:
  /// Whether an entry may be used; every one by default.
  std::function<bool(const CachedEntry&)> admit = [](const CachedEntry&) { return true; };

  /// Whether `address` is one that `entry` covers.
  static bool holds(const CachedEntry& entry, std::uint64_t address, bool wide_guest = true);

  const CachedEntry* find(const WalkContext& context, LookupKind kind, std::uint64_t address) const;
  void fill(const CachedEntry& filled);
  const std::vector<CachedEntry>& entries() const { return entries_; }

 private:
  std::vector<CachedEntry> entries_;
};

struct CachedResult {
  Outcome outcome;
  unsigned references = 0;
  unsigned fills = 0;
  std::uint16_t pml_index = 0;
};

/// Translates `request`, within one page, over the memory of `tables` with the help of `caches`,
/// which take what the walk proved.
CachedResult run_cached(WalkTables& tables, const Request& request, ToyCaches& caches,
                        Walk::Lookups lookups = Walk::Lookups::kAsked);

/// Xorshift: the same numbers everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e37'79b9'7f4a'7c15 + 1) {}
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  bool one_in(unsigned n) { return next() % n == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace eptsim::mmu::test
