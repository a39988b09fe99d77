#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mmu_model/invalidation_scope.hpp"
#include "mmu_model/walk/walk_context.hpp"
#include "testbench/stimulus/stream.hpp"

namespace eptsim::tb {

/// To whom a translation belongs (SDM 5.10, 31.4.1).
struct Space {
  std::uint16_t vpid = 0;
  std::uint16_t pcid = 0;
  std::optional<std::uint64_t> ept_root = {};  ///< EPTRTA; absent with EPT off
  friend bool operator==(const Space&, const Space&) = default;
};

/// What lies in one aligned block of addresses.
struct Block {
  std::uint64_t address = 0;
  unsigned offset_bits = 12;  ///< 64: all addresses
  bool covers(std::uint64_t other) const {
    return offset_bits >= 64 || (address ^ other) >> offset_bits == 0;
  }
};

/// What a walk depends on, as an uncached walk of memory shows it.
struct Footprint {
  struct Read {
    std::uint64_t word = 0;  ///< address of the eight bytes
    bool ept = false;        ///< as an EPT entry; else as a guest entry
  };

  Space space;
  unsigned guest_kind = 0;  ///< equal numbers: the same guest tables, read alike
  unsigned ept_kind = 0;
  std::optional<std::uint64_t> linear = {};
  unsigned guest_step = 9;              ///< bits of an index into a guest table
  unsigned guest_levels = 4;            ///< of guest entries that caches know
  std::vector<Read> reads = {};         ///< with EPT off, guest entries alone
  std::vector<Block> guest_pages = {};  ///< guest-physical addresses, each with its page

  bool reads_word(std::uint64_t word) const;
};

/// Kinds of mappings (SDM 31.4.2).
struct Mappings {
  bool linear = false;
  bool combined = false;
  bool guest_physical = false;
};

/// What caches may still hold of walks that were made, worked out from the walks and from what
/// invalidations must remove (SDM 5.10.4, 31.4.3) alone, and so what a processor owes before memory
/// may be relied on. No cache is looked into.
class Remembrance {
 public:
  void clear() { held_.clear(); }

  /// A walk was begun that may leave all that `footprint` names. `relied` is what `stale` said of
  /// it: a walk that may use what is stale may leave anything that is stale, from any word.
  struct Staleness {
    bool linear = false;  ///< of what is held by linear address
    bool guest_physical = false;
    bool any() const { return linear || guest_physical; }
  };
  void walked(const Footprint& footprint, Staleness relied);
  /// Whether a walk of `footprint` may use something that memory no longer bears out.
  Staleness stale(const Footprint& footprint) const;
  /// A word is being changed, from the caches' point of view: what came of it as an EPT entry, as a
  /// guest entry, or both, is stale.
  void changed(std::uint64_t word, bool as_ept, bool as_guest);
  /// A walk was overtaken by a change of what it reads, and may have gone anywhere.
  void lost_track(const Footprint& footprint);
  void invalidated(const mmu::InvalidationScope& scope);
  /// Kinds of which there may be any.
  Mappings held() const;

 private:
  /// Something that may be held.
  struct Item {
    bool linear = true;  ///< by linear address; else by guest-physical
    Block block;
    bool stale = false;
  };
  struct Held {
    Footprint footprint;
    bool of_any_word = false;
    std::vector<Item> items;
  };

  void hold(const Footprint& footprint, bool of_any_word, Staleness stale);
  static bool removes(const mmu::InvalidationScope& scope, const Space& space, const Item& item);

  std::vector<Held> held_;
};

}  // namespace eptsim::tb
