#include "sim/run/hypervisor.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

#include "sim/run/hexadecimal.hpp"
#include "sim/run/out_of_memory.hpp"

namespace eptsim::sim {
namespace {

ept::ExtendedPageTable make_table(arch::PhysicalMemory& memory, TableFrames<arch::Hpa>& tables,
                                  const PhysicalFrames& frames, unsigned maxphyaddr,
                                  bool dirty_flags, const PageList& list) {
  if (!list.empty()) tables.prescribe(arch::Hpa(list.front().root()));
  auto table = ept::ExtendedPageTable::create(
      memory, tables, {.maxphyaddr = maxphyaddr, .accessed_dirty = dirty_flags});
  if (table) return std::move(*table);
  if (table.error() == ept::CreateError::kOutOfMemory) {
    throw out_of_memory(frames, "the EPT's root table");
  }
  throw std::logic_error("the EPT was not made: " + std::string(name(table.error())));
}

}  // namespace

Hypervisor::Hypervisor(arch::PhysicalMemory& memory, PhysicalFrames& frames, unsigned maxphyaddr,
                       PagePolicy policy, const MergeSettings& merging,
                       const DirtyLogSettings& dirty_log, const PageList& list)
    : memory_(memory),
      frames_(frames),
      table_frames_(frames),
      policy_(policy),
      ept_(make_table(memory, table_frames_, frames, maxphyaddr,
                      dirty_log.tracking == DirtyTracking::kPml, list)),
      dirty_log_(ept_, frames, mapped_, dirty_log),
      merge_settings_(merging) {
  map(list);
}

void Hypervisor::map(const PageList& list) {
  std::unordered_set<std::uint64_t> there;
  for (const ListedPage& page : list) {
    for (unsigned level = page.leaf_level(); level < page.tables.size(); ++level) {
      const std::uint64_t table = page.tables.at(level - 1);
      if (there.insert(table).second) table_frames_.prescribe(arch::Hpa(table));
    }
    map(arch::Gpa(page.from), arch::Hpa(page.to), page.size, false);
    if (!table_frames_.is_as_prescribed()) {
      throw std::logic_error("a listed page at " + hexadecimal(page.from) +
                             " was not mapped as it is listed");
    }
  }
}

PageList Hypervisor::list() const {
  return list_ept(ept_.root().value(), ept_.settings().maxphyaddr,
                  [this](std::uint64_t address) { return memory_.read64(arch::Hpa(address)); });
}

void Hypervisor::handle_violation(arch::Gpa gpa, bool write) {
  ++violations_;
  back(gpa, write);
}

void Hypervisor::back(arch::Gpa gpa, bool write) {
  if (dirty_log_.allow_write(gpa)) return;
  const arch::Gpa small = gpa.align_down(arch::bytes(arch::PageSize::k4K));
  if (const auto frame = dirty_log_.in_divided_frame(small)) {
    map(small, *frame, arch::PageSize::k4K, write);
    return;
  }
  arch::PageSize size = policy_.largest;
  while (!is_empty(gpa, size)) size = next_smaller(size);
  auto frame = frames_.take(size);
  for (; !frame && size != arch::PageSize::k4K; frame = frames_.take(size)) {
    ++no_large_frame_;
    size = next_smaller(size);
  }
  if (!frame) throw out_of_memory(frames_, "an EPT page");
  const arch::Gpa page = gpa.align_down(arch::bytes(size));
  if (dirty_log_.is_on() && size != arch::PageSize::k4K) {
    dirty_log_.divide_frame(page, arch::Hpa(*frame), size);
    map(small, arch::Hpa(*frame) + (small - page), arch::PageSize::k4K, write);
  } else {
    map(page, arch::Hpa(*frame), size, write);
  }
}

void Hypervisor::map(arch::Gpa gpa, arch::Hpa hpa, arch::PageSize size, bool write) {
  auto mapped = ept_.map(gpa, hpa, dirty_log_.new_page(gpa, write), {.size = size});
  if (!mapped) {
    if (mapped.error() == ept::MapError::kOutOfMemory) {
      throw out_of_memory(frames_, "an EPT table");
    }
    throw std::logic_error(
        "an EPT violation at guest-physical address " + hexadecimal(gpa.value()) +
        ", where mapping a page is refused: " + std::string(name(mapped.error())));
  }
  pending_.merge(std::move(*mapped));
  mapped_.add(size);
  if (size == arch::PageSize::k4K && merge_settings_.interval != 0) pieces_.add(0, gpa.value());
}

/// Whether a page of `size` around `gpa` would cover no other. The smallest never does: nothing is
/// mapped at `gpa` itself.
bool Hypervisor::is_empty(arch::Gpa gpa, arch::PageSize size) const {
  if (size == arch::PageSize::k4K) return true;
  const arch::Gpa begin = gpa.align_down(arch::bytes(size));
  const ept::Mappings around = ept_.mappings({begin, begin + arch::bytes(size)});
  return around.begin() == around.end();
}

std::optional<arch::Hpa> Hypervisor::host_address(arch::Gpa gpa, arch::AccessKind access) {
  const bool write = arch::is_write(access);
  if (is_being_merged(gpa)) return merged_address(gpa);
  auto leaf = ept_.walk(gpa);
  if (!leaf || (write && !leaf->mapping.permission().write)) {
    handle_violation(gpa, write);
    leaf = ept_.walk(gpa);
  }
  if (write) dirty_log_.store(*leaf);
  return leaf->hpa_of(gpa);
}

ept::PendingInvalidation Hypervisor::take_pending() {
  pending_.merge(dirty_log_.take_pending());
  return std::exchange(pending_, {});
}

bool Hypervisor::begin_merge(std::size_t& looks) {
  if (dirty_log_.is_on()) return false;
  for (; looks != 0; --looks) {
    const auto piece = pieces_.next();
    if (!piece) return false;
    const ept::GpaRange range = ept::range_of(arch::Gpa(piece->begin), arch::bytes(kMergedPage));
    std::vector<ept::Mapping> pages = mergeable(range);
    if (pages.empty()) {
      pieces_.remove(*piece);
      continue;
    }
    if (pages.size() + merge_settings_.most_absent < kMergedPieces) continue;
    const auto frame = frames_.take(kMergedPage);
    if (!frame) {
      ++merging_.refused;
      continue;
    }
    auto unmapped = ept_.unmap_range(range);
    pending_.merge(std::move(unmapped.value().pending));
    pending_.merge(ept_.clean_up(range));
    for (std::size_t page = 0; page < pages.size(); ++page) mapped_.remove(arch::PageSize::k4K);
    merge_ = {.begin = range.begin, .pages = std::move(pages), .frame = arch::Hpa(*frame)};
    --looks;
    return true;
  }
  return false;
}

/// The small pages of a piece; none if it is a large one, or a large frame of which dirty logging
/// has divided the page.
std::vector<ept::Mapping> Hypervisor::mergeable(ept::GpaRange range) const {
  std::vector<ept::Mapping> pages;
  if (dirty_log_.in_divided_frame(range.begin)) return pages;
  for (const ept::Mapping& page : ept_.mappings(range)) {
    if (page.size != arch::PageSize::k4K) return {};
    pages.push_back(page);
  }
  return pages;
}

/// Where software finds what is being merged: a small page where it was until it is copied, and
/// what wasn't mapped in the new frame.
arch::Hpa Hypervisor::merged_address(arch::Gpa gpa) const {
  const arch::Gpa small = gpa.align_down(arch::bytes(arch::PageSize::k4K));
  const auto page = std::ranges::find(merge_->pages, small, &ept::Mapping::gpa);
  if (page != merge_->pages.end()) return page->hpa + (gpa - small);
  return merge_->frame + (gpa - merge_->begin);
}

void Hypervisor::finish_merge() {
  const Merge merge = *std::exchange(merge_, std::nullopt);
  for (const ept::Mapping& page : merge.pages) {
    const arch::Hpa to = merge.frame + (page.gpa - merge.begin);
    for (std::uint64_t offset = 0; offset < arch::bytes(page.size); offset += 8) {
      // What was never written takes no memory.
      const std::uint64_t word = memory_.read64(page.hpa + offset);
      if (word != memory_.read64(to + offset)) memory_.write64(to + offset, word);
    }
    frames_.give_back(page.hpa.value(), page.size);
  }
  map(merge.begin, merge.frame, kMergedPage, false);
  pieces_.remove({.asid = 0, .begin = merge.begin.value()});
  ++merging_.merges;
  merging_.pages += merge.pages.size();
}
}  // namespace eptsim::sim
