#include "sim/run/dirty_log.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "ept/arch/ept_entry.hpp"
#include "sim/run/out_of_memory.hpp"

namespace eptsim::sim {

using arch::Gpa;
using arch::Hpa;
using arch::PageSize;
using arch::ept_entry::kEntriesPerTable;

DirtyLogCounts& DirtyLogCounts::operator+=(const DirtyLogCounts& more) {
  turns += more.turns;
  rounds += more.rounds;
  pages += more.pages;
  protected_writes += more.protected_writes;
  full_logs += more.full_logs;
  logged += more.logged;
  entries += more.entries;
  splits += more.splits;
  merges += more.merges;
  cycles += more.cycles;
  return *this;
}

DirtyLogCounts DirtyLogCounts::operator-(const DirtyLogCounts& before) const {
  return {.turns = turns - before.turns,
          .rounds = rounds - before.rounds,
          .pages = pages - before.pages,
          .protected_writes = protected_writes - before.protected_writes,
          .full_logs = full_logs - before.full_logs,
          .logged = logged - before.logged,
          .entries = entries - before.entries,
          .splits = splits - before.splits,
          .merges = merges - before.merges,
          .cycles = cycles - before.cycles};
}

void DirtyLog::begin() {
  on_ = true;
  const bool eager = settings_.split == DirtySplit::kEager;
  std::vector<ept::Mapping> large;
  for (const ept::Mapping& page : table_.mappings()) {
    if (page.size != PageSize::k4K) large.push_back(page);
  }
  for (const ept::Mapping& page : large) {
    if (eager) divide_wholly(page);
  }
  if (uses_pml()) {
    clear_dirty(everything());
    // The log would do; but the first write is to divide them.
    for (const ept::Mapping& page : large) {
      if (!eager) protect(ept::range_of(page.gpa, arch::bytes(page.size)), ept::kReadExecute);
    }
  } else {
    protect(everything(), ept::kReadExecute);
  }
  visit_all();
}

std::vector<Gpa> DirtyLog::collect() {
  std::vector<Gpa> pages = std::exchange(dirty_, {});
  std::ranges::sort(pages);
  const auto doubled = std::ranges::unique(pages);
  pages.erase(doubled.begin(), doubled.end());
  for (const Gpa page : pages) {
    const ept::GpaRange range = ept::range_of(page, arch::bytes(PageSize::k4K));
    if (uses_pml()) {
      clear_dirty(range);
    } else {
      protect(range, ept::kReadExecute);
    }
  }
  counts_.entries += pages.size();
  ++counts_.rounds;
  counts_.pages += pages.size();
  return pages;
}

void DirtyLog::end() {
  on_ = false;
  protect(everything(), ept::kAllAccess);
  visit_all();
  for (auto at = divided_.begin(); at != divided_.end();) {
    const auto& [gpa, divided] = *at;
    merge(gpa, divided.size);
    const auto leaf = table_.walk(gpa);
    const bool whole = leaf && leaf->mapping.size == divided.size;
    at = whole ? divided_.erase(at) : std::next(at);
  }
}

void DirtyLog::add(Gpa page) {
  ++counts_.logged;
  if (on_) dirty_.push_back(page);
}

/// Its own walk would set the flag and log the page.
void DirtyLog::store(ept::Leaf& leaf) {
  if (!on_ || !uses_pml() || leaf.mapping.dirty()) return;
  leaf.entry.store(leaf.entry.load() | arch::ept_entry::kDirty.mask());
  dirty_.push_back(leaf.mapping.gpa);
}

bool DirtyLog::allow_write(Gpa gpa) {
  auto leaf = table_.walk(gpa);
  if (!leaf || leaf->mapping.permission().write) return false;
  ++counts_.protected_writes;
  const Gpa page = gpa.align_down(arch::bytes(PageSize::k4K));
  for (; leaf->mapping.size != PageSize::k4K; leaf = table_.walk(gpa)) divide(leaf->mapping);
  if (uses_pml()) {
    // The log tells them apart from now on.
    constexpr std::uint64_t kTable = arch::bytes(PageSize::k2M);
    protect(ept::range_of(gpa.align_down(kTable), kTable), ept::kAllAccess);
    return true;
  }
  protect(ept::range_of(page, arch::bytes(PageSize::k4K)), ept::kAllAccess);
  dirty_.push_back(page);
  return true;
}

ept::Permission DirtyLog::new_page(Gpa page, bool write) {
  if (!on_ || uses_pml()) return ept::kAllAccess;
  if (!write) return ept::kReadExecute;
  dirty_.push_back(page);
  return ept::kAllAccess;
}

std::optional<Hpa> DirtyLog::in_divided_frame(Gpa gpa) const {
  auto after = divided_.upper_bound(gpa);
  if (after == divided_.begin()) return std::nullopt;
  const auto& [begin, divided] = *--after;
  const std::uint64_t offset = gpa - begin;
  if (offset >= arch::bytes(divided.size)) return std::nullopt;
  return divided.frame + offset;
}

void DirtyLog::divide_frame(Gpa gpa, Hpa frame, PageSize size) {
  divided_.emplace(gpa, DividedFrame{frame, size});
}

ept::GpaRange DirtyLog::everything() const {
  return {Gpa(0), Gpa(std::uint64_t{1} << table_.settings().guest_physical_width())};
}

void DirtyLog::protect(ept::GpaRange range, ept::Permission permission) {
  pending_.merge(std::move(table_.protect_range(range, permission).value()));
}

void DirtyLog::clear_dirty(ept::GpaRange range) {
  pending_.merge(std::move(table_.clear_flags(range, {.accessed = false}).pending));
}

/// Into pages of the next smaller size.
void DirtyLog::divide(const ept::Mapping& page) {
  auto pending = table_.split(page.gpa);
  if (!pending) throw out_of_memory(frames_, "an EPT table");
  pending_.merge(std::move(*pending));
  if (!in_divided_frame(page.gpa)) divide_frame(page.gpa, page.hpa, page.size);
  const PageSize smaller = next_smaller(page.size);
  mapped_.remove(page.size);
  for (unsigned piece = 0; piece < kEntriesPerTable; ++piece) mapped_.add(smaller);
  counts_.entries += kEntriesPerTable;
  ++counts_.splits;
}

void DirtyLog::divide_wholly(const ept::Mapping& page) {
  divide(page);
  for (unsigned piece = 0; page.size == PageSize::k1G && piece < kEntriesPerTable; ++piece) {
    divide(table_.walk(page.gpa + piece * arch::bytes(PageSize::k2M))->mapping);
  }
}

/// The pages of a piece of `size` into one, and those of its own pieces first. What isn't whole
/// stays as it is.
void DirtyLog::merge(Gpa gpa, PageSize size) {
  const PageSize smaller = next_smaller(size);
  for (unsigned piece = 0; smaller != PageSize::k4K && piece < kEntriesPerTable; ++piece) {
    merge(gpa + piece * arch::bytes(smaller), smaller);
  }
  auto pending = table_.merge(gpa, size);
  if (!pending) return;
  pending_.merge(std::move(*pending));
  for (unsigned piece = 0; piece < kEntriesPerTable; ++piece) mapped_.remove(smaller);
  mapped_.add(size);
  ++counts_.merges;
}

/// Software has gone through all leaves.
void DirtyLog::visit_all() {
  const ept::Mappings pages = table_.mappings();
  for (auto page = pages.begin(); page != pages.end(); ++page) ++counts_.entries;
}

}  // namespace eptsim::sim
