#include "sim/run/page_list.hpp"

#include <algorithm>
#include <unordered_set>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"

namespace eptsim::sim {
namespace {

constexpr unsigned kLevels = 4;
/// Of both dimensions.
constexpr arch::BitField kLargePage = arch::guest_entry::kPageSize;
static_assert(kLargePage.mask() == arch::ept_entry::kPageSize.mask());
constexpr std::uint64_t kTableBytes = arch::bytes(arch::PageSize::k4K);

constexpr std::uint64_t bytes_of_entry(unsigned level) {
  return arch::bytes(arch::PageSize::k4K) << 9 * (level - 1);
}

/// What an entry says, in either dimension.
struct Reading {
  bool present;
  bool accessed;
  bool dirty;
};

template <class Read>
class Tour {
 public:
  Tour(unsigned maxphyaddr, std::uint16_t space, const ReadEntry& read, Read reading)
      : address_mask_(((std::uint64_t{1} << maxphyaddr) - 1) & ~(kTableBytes - 1)),
        space_(space),
        read_(read),
        reading_(reading) {}

  PageList run(std::uint64_t root) {
    visit(root, kLevels, 0);
    return std::move(pages_);
  }

 private:
  void visit(std::uint64_t table, unsigned level, std::uint64_t from) {
    if (!seen_.insert(table).second) return;
    tables_.at(level - 1) = table;
    for (unsigned index = 0; index < kTableBytes / 8; ++index) {
      const auto entry = read_(table + 8 * index);
      if (!entry || !reading_(*entry).present) continue;
      const std::uint64_t here = from + index * bytes_of_entry(level);
      if (level > 1 && (level == kLevels || !kLargePage.any(*entry))) {
        visit(*entry & address_mask_, level - 1, here);
      } else {
        add(*entry, level, here);
      }
    }
    tables_.at(level - 1) = 0;
  }

  void add(std::uint64_t entry, unsigned level, std::uint64_t from) {
    const Reading said = reading_(entry);
    ListedPage& page = pages_.emplace_back();
    page.space = space_;
    page.from = from;
    page.size = arch::page_of_level(level);
    page.to = entry & address_mask_ & ~(arch::bytes(page.size) - 1);
    page.tables = tables_;
    page.accessed = said.accessed;
    page.dirty = said.dirty;
  }

  std::uint64_t address_mask_;
  std::uint16_t space_;
  const ReadEntry& read_;
  Read reading_;
  std::array<std::uint64_t, kLevels> tables_{};  ///< on the way here
  std::unordered_set<std::uint64_t> seen_;
  PageList pages_;
};

}  // namespace

std::vector<FrameRange> frames_of(const PageList& list) {
  std::unordered_set<std::uint64_t> tables;
  std::vector<FrameRange> all;
  for (const ListedPage& page : list) {
    all.push_back({page.to, page.to + arch::bytes(page.size)});
    for (unsigned level = page.leaf_level(); level <= kLevels; ++level) {
      const std::uint64_t table = page.tables.at(level - 1);
      if (tables.insert(table).second) all.push_back({table, table + kTableBytes});
    }
  }
  std::ranges::sort(all, {}, &FrameRange::begin);
  std::vector<FrameRange> joined;
  for (const FrameRange& range : all) {
    if (joined.empty() || range.begin > joined.back().end) {
      joined.push_back(range);
    } else {
      joined.back().end = std::max(joined.back().end, range.end);
    }
  }
  return joined;
}

PageList list_guest_tables(std::uint64_t root, unsigned maxphyaddr, std::uint16_t space,
                           const ReadEntry& read) {
  using namespace arch::guest_entry;
  PageList pages = Tour(maxphyaddr, space, read, [](std::uint64_t entry) {
                     return Reading{.present = kPresent.any(entry),
                                    .accessed = kAccessed.any(entry),
                                    .dirty = kDirty.any(entry)};
                   }).run(root);
  // The upper half of the address space.
  constexpr std::uint64_t kSign = std::uint64_t{1} << 47;
  for (ListedPage& page : pages) {
    if ((page.from & kSign) != 0) page.from |= ~(kSign - 1);
  }
  return pages;
}

PageList list_ept(std::uint64_t root, unsigned maxphyaddr, const ReadEntry& read) {
  using namespace arch::ept_entry;
  constexpr std::uint64_t kRights = kRead.mask() | kWrite.mask() | kExecute.mask();
  return Tour(maxphyaddr, 0, read,
              [](std::uint64_t entry) {
                return Reading{.present = (entry & kRights) != 0, .accessed = true, .dirty = true};
              })
      .run(root);
}

}  // namespace eptsim::sim
