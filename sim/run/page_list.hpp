#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "ept/arch/page_size.hpp"
#include "ept/arch/physical_memory.hpp"

namespace eptsim::sim {

/// A page and the tables of 4 levels that lead to it.
struct ListedPage {
  std::uint16_t space = 0;  ///< a guest's address space; 0 of an EPT
  std::uint64_t from = 0;   ///< the linear address, or the guest-physical one
  std::uint64_t to = 0;     ///< the guest-physical address, or the host-physical one
  arch::PageSize size = arch::PageSize::k4K;
  std::array<std::uint64_t, 4> tables{};  ///< frames by level - 1, from the root's to the leaf's
  bool accessed = true;
  bool dirty = true;

  unsigned leaf_level() const { return arch::leaf_level(size); }
  std::uint64_t root() const { return tables[3]; }
  friend bool operator==(const ListedPage&, const ListedPage&) = default;
};

/// Memory from `begin` on, before `end`.
struct FrameRange {
  std::uint64_t begin;
  std::uint64_t end;
};

/// The pages of one dimension as they are to be when a run begins. No two are of the same address,
/// and no frame is that of two tables.
using PageList = std::vector<ListedPage>;

/// Those of a virtual machine; of a program on bare metal the guest's alone, to host frames.
struct PageLists {
  PageList guest;
  PageList host;  ///< of the EPT, or of the host map under shadow paging
};

/// The frames of a list's tables and pages: ascending, none overlapping another.
std::vector<FrameRange> frames_of(const PageList& list);

/// Reads an entry at a physical address of the dimension in which tables lie; nothing where there
/// is no memory.
using ReadEntry = std::function<std::optional<std::uint64_t>(std::uint64_t address)>;

/// The pages of a guest's tables of 4 levels under `root`, ascending. A table that an entry above
/// has led to already is passed over.
PageList list_guest_tables(std::uint64_t root, unsigned maxphyaddr, std::uint16_t space,
                           const ReadEntry& read);
/// The same of an EPT of 4 levels, whose pages have no flags: they count as accessed and dirty.
PageList list_ept(std::uint64_t root, unsigned maxphyaddr, const ReadEntry& read);

}  // namespace eptsim::sim
