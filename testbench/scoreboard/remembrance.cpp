#include "testbench/scoreboard/remembrance.hpp"

#include <algorithm>

namespace eptsim::tb {

namespace {

constexpr Block kAll{.address = 0, .offset_bits = 64};

}  // namespace

bool Footprint::reads_word(std::uint64_t word) const {
  return std::ranges::any_of(reads, [&](const Read& read) { return read.word == word; });
}

void Remembrance::hold(const Footprint& footprint, bool of_any_word, Staleness stale) {
  Held held{.footprint = footprint, .of_any_word = of_any_word, .items = {}};
  if (footprint.linear) {
    for (unsigned level = 2; level <= footprint.guest_levels; ++level) {
      held.items.push_back({.linear = true,
                            .block = {*footprint.linear, 12 + footprint.guest_step * (level - 1)},
                            .stale = stale.linear});
    }
  }
  if (footprint.space.ept_root) {
    if (of_any_word) {
      held.items.push_back({.linear = false, .block = kAll, .stale = stale.guest_physical});
    } else {
      for (const Block& page : footprint.guest_pages) {
        for (const unsigned bits : {page.offset_bits, 21u, 30u, 39u}) {
          held.items.push_back(
              {.linear = false, .block = {page.address, bits}, .stale = stale.guest_physical});
        }
      }
    }
  }
  held_.push_back(std::move(held));
}

// What is held by linear address came by way of guest-physical ones.
void Remembrance::walked(const Footprint& footprint, Staleness relied) {
  hold(footprint, relied.any(), {.linear = relied.any(), .guest_physical = relied.guest_physical});
}

void Remembrance::lost_track(const Footprint& footprint) {
  hold(footprint, true, {.linear = true, .guest_physical = true});
}

Remembrance::Staleness Remembrance::stale(const Footprint& footprint) const {
  Staleness result;
  bool stale_root = false;
  for (const Held& held : held_) {
    const Footprint& other = held.footprint;
    const bool same_space = other.space == footprint.space;
    const bool same_root =
        footprint.space.ept_root && other.space.ept_root == footprint.space.ept_root;
    if (!same_space && !same_root) continue;
    for (const Item& item : held.items) {
      if (item.linear) {
        if (!same_space || !footprint.linear || !item.block.covers(*footprint.linear)) continue;
        result.linear = result.linear || item.stale || other.guest_kind != footprint.guest_kind ||
                        other.ept_kind != footprint.ept_kind;
      } else if (same_root && (item.stale || other.ept_kind != footprint.ept_kind)) {
        stale_root = true;
        result.guest_physical =
            result.guest_physical ||
            std::ranges::any_of(footprint.guest_pages, [&](const Block& page) {
              return item.block.covers(page.address) ||
                     Block{page.address, page.offset_bits}.covers(item.block.address);
            });
      }
    }
  }
  // To which guest-physical address a stale entry would lead, nobody knows.
  if (result.linear && stale_root) result.guest_physical = true;
  return result;
}

void Remembrance::changed(std::uint64_t word, bool as_ept, bool as_guest) {
  for (Held& held : held_) {
    bool ept = held.of_any_word && as_ept;
    bool guest = held.of_any_word && as_guest;
    for (const Footprint::Read& read : held.footprint.reads) {
      if (read.word != word) continue;
      ept = ept || (read.ept && as_ept);
      guest = guest || (!read.ept && as_guest);
    }
    if (!ept && !guest) continue;
    for (Item& item : held.items) item.stale = item.stale || item.linear || ept;
  }
}

void Remembrance::invalidated(const mmu::InvalidationScope& scope) {
  for (Held& held : held_) {
    std::erase_if(held.items,
                  [&](const Item& item) { return removes(scope, held.footprint.space, item); });
  }
  std::erase_if(held_, [](const Held& held) { return held.items.empty(); });
}

Mappings Remembrance::held() const {
  Mappings kinds;
  for (const Held& held : held_) {
    for (const Item& item : held.items) {
      bool& kind = !item.linear                    ? kinds.guest_physical
                   : held.footprint.space.ept_root ? kinds.combined
                                                   : kinds.linear;
      kind = true;
    }
  }
  return kinds;
}

/// Whether the structure caches must let go of this, were it there.
bool Remembrance::removes(const mmu::InvalidationScope& scope, const Space& space,
                          const Item& item) {
  if (!item.linear) {
    if (!scope.guest_physical_mappings) return false;
    if (scope.ept_root && scope.ept_root != space.ept_root) return false;
    // Of what may be anywhere, what is at one address is not all.
    return !scope.gpa || (item.block.offset_bits < 64 && item.block.covers(*scope.gpa));
  }
  if (!(space.ept_root ? scope.combined_mappings : scope.linear_mappings)) return false;
  if (scope.vpid && *scope.vpid != space.vpid) return false;
  if (scope.keep_vpid_zero && space.vpid == 0) return false;
  if (scope.pcid && *scope.pcid != space.pcid) return false;
  if (scope.ept_root && scope.ept_root != space.ept_root) return false;
  return !scope.linear || !scope.structures_of_address_alone || item.block.covers(*scope.linear);
}

}  // namespace eptsim::tb
