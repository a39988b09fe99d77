#pragma once

#include <cstdint>

#include "ept/arch/address.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/tlb/tlb_level.hpp"

namespace eptsim::mmu {

enum class TlbHitLevel : std::uint8_t { kFirst, kSecond, kMiss };

/// What a look-up found.
struct TlbHit {
  /// The entry, until the TLBs next change; nullptr for a miss: then the access needs a walk.
  const TlbEntry* entry = nullptr;
  TlbHitLevel level = TlbHitLevel::kMiss;
  unsigned cycles = 0;  ///< added to the access; for a miss, until the walk is asked for

  explicit operator bool() const { return entry != nullptr; }
};

/// The TLBs of one logical processor: instruction and data TLBs of the first level, and a second
/// level that both share. A walk fills both levels; a hit in the second fills the first. Neither
/// level includes the other.
class TlbHierarchy {
 public:
  TlbHierarchy(const TlbSettings& l1i, const TlbSettings& l1d, const TlbSettings& l2,
               std::uint64_t seed);

  /// The context of the look-ups to come, after a change of any register or VMCS field. It is kept
  /// by reference and outlives its use. Entries of other address spaces stay; rights are judged
  /// anew. Removes nothing: what an instruction invalidates is for `invalidate`.
  void use(const WalkContext& context);

  /// Looks up the translation that `request`, a linear one, needs in the context in use. Linear
  /// addresses that do not exist miss. No kernel, no allocation.
  TlbHit lookup(const Request& request) {
    TlbLevel& first = first_of(request);
    if (const TlbEntry* entry = first.lookup_again(request)) [[likely]]
      return {entry, TlbHitLevel::kFirst, first.hit_cycles()};
    return lookup_further(first, request);
  }
  /// The same of the first level alone; a miss there doesn't count, and so has changed nothing.
  const TlbEntry* lookup_hit(const Request& request) {
    TlbLevel& first = first_of(request);
    if (const TlbEntry* const entry = first.lookup_again(request)) [[likely]]
      return entry;
    return arch::is_canonical(request.address, 57) ? first.lookup_hit(query_, request) : nullptr;
  }

  /// The last look-up, of `request`, which gave `hit`, is not to count: the access had been looked
  /// up before, and began anew.
  void discount(const Request& request, const TlbHit& hit) {
    TlbLevel& first = first_of(request);
    first.discount(hit.level == TlbHitLevel::kFirst);
    if (hit.level != TlbHitLevel::kFirst) l2_.discount(hit.level == TlbHitLevel::kSecond);
  }
  /// Counts the look-up of a fetch from the page of the fetch before, which hit in the first level,
  /// if no instruction TLB has changed since: it finds the same, and is a use of what was used
  /// last.
  void count_fetch_again() { l1i_.count_hit(); }

  /// Takes what a walk of `request` in `context` found: kTranslated makes an entry, a page fault or
  /// an EPT violation removes what they leave stale (SDM 5.10.4.1, 31.4.3.1).
  void take(const WalkContext& context, const Request& request, const Outcome& outcome);

  /// The first half of that: the entry, if there is to be one.
  void fill(const WalkContext& context, const Request& request, const Outcome& outcome);

  /// Removes what fits `scope` from every TLB.
  void invalidate(const InvalidationScope& scope);

  /// Those that a hit in one of the levels adds.
  unsigned first_level_cycles(arch::AccessKind access) const {
    return (access == arch::AccessKind::kFetch ? l1i_ : l1d_).hit_cycles();
  }
  unsigned second_level_cycles() const { return l2_.hit_cycles(); }
  TlbCounters l1i() const { return l1i_.counters(); }
  TlbCounters l1d() const { return l1d_.counters(); }
  TlbCounters l2() const { return l2_.counters(); }
  void reset_counters();

  /// What changes, for checkpoints, but for the context in use: `use` says that again.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(l1i_, l1d_, l2_, query_.space, query_.rights, query_.rights_mode);
  }

 private:
  TlbLevel& first_of(const Request& request) {
    return request.access == arch::AccessKind::kFetch ? l1i_ : l1d_;
  }
  TlbHit lookup_further(TlbLevel& first, const Request& request);
  TlbHit lookup_second(TlbLevel& first, const Request& request);
  TlbHit miss_of(TlbLevel& first);

  TlbLevel l1i_;
  TlbLevel l1d_;
  TlbLevel l2_;
  TlbQuery query_;
};

}  // namespace eptsim::mmu
