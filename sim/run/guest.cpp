#include "sim/run/guest.hpp"

#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

#include "sim/run/hexadecimal.hpp"
#include "sim/run/out_of_memory.hpp"

namespace eptsim::sim {

Guest::Guest(arch::PhysicalMemory& memory, ept::GuestPhysicalMap& where, PhysicalFrames& frames,
             unsigned maxphyaddr, PagePolicy policy, const MergeSettings& merging,
             LinearAreas areas)
    : memory_(memory),
      where_(where),
      frames_(frames),
      table_frames_(frames),
      settings_{.mode = ept::PagingMode::k4Level, .maxphyaddr = maxphyaddr},
      policy_(policy),
      areas_(std::move(areas)),
      merge_settings_(merging) {}

ept::GuestState Guest::state(std::uint16_t asid) { return space(asid).state(); }

ept::GuestTables& Guest::space(std::uint16_t asid) {
  const auto known = spaces_.find(asid);
  if (known != spaces_.end()) return known->second;
  auto tables = ept::GuestTables::create(memory_, where_, table_frames_, settings_);
  if (!tables) {
    if (tables.error() == ept::GuestCreateError::kOutOfMemory) {
      throw out_of_memory(frames_, "an address space's first paging structure");
    }
    throw std::logic_error("an address space was not made: " + std::string(name(tables.error())));
  }
  return spaces_.emplace(asid, std::move(*tables)).first->second;
}

void Guest::map(const PageList& list) {
  std::unordered_set<std::uint64_t> there;
  for (const ListedPage& page : list) {
    if (there.insert(page.root()).second) table_frames_.prescribe(arch::Gpa(page.root()));
    ept::GuestTables& tables = space(page.space);
    for (unsigned level = page.leaf_level(); level < page.tables.size(); ++level) {
      const std::uint64_t table = page.tables.at(level - 1);
      if (there.insert(table).second) table_frames_.prescribe(arch::Gpa(table));
    }
    const auto mapped =
        tables.map(arch::Gva(page.from), arch::Gpa(page.to),
                   {.size = page.size, .accessed = page.accessed, .dirty = page.dirty});
    if (!mapped || !table_frames_.is_as_prescribed()) {
      throw std::logic_error(
          "a listed page at " + hexadecimal(page.from) + " was not mapped as it " +
          "is listed: " + (mapped ? "tables were left over" : std::string(name(mapped.error()))));
    }
    mapped_.add(page.size);
  }
}

PageList Guest::list() const {
  PageList all;
  for (const auto& [asid, tables] : spaces_) {
    const PageList own = list_guest_tables(
        tables.root().value(), settings_.maxphyaddr, asid,
        [this](std::uint64_t address) -> std::optional<std::uint64_t> {
          const auto host = where_.host_address(arch::Gpa(address), arch::AccessKind::kRead);
          if (!host) return std::nullopt;
          return memory_.read64(*host);
        });
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

void Guest::handle_page_fault(std::uint16_t asid, std::uint64_t linear, bool write) {
  ept::GuestTables& tables = space(asid);
  arch::PageSize size =
      smaller(wanted_size(linear), tables.room_at(arch::Gva(linear)).value_or(arch::PageSize::k4K));
  auto frame = frames_.take(size);
  for (; !frame && size != arch::PageSize::k4K; frame = frames_.take(size)) {
    ++no_large_frame_;
    size = next_smaller(size);
  }
  if (!frame) throw out_of_memory(frames_, "a guest page");
  const auto mapped = tables.map(arch::Gva(linear).align_down(arch::bytes(size)), arch::Gpa(*frame),
                                 {.size = size, .accessed = true, .dirty = write});
  if (!mapped) {
    if (mapped.error() == ept::GuestMapError::kOutOfMemory) {
      throw out_of_memory(frames_, "a guest paging structure");
    }
    throw std::logic_error(
        "a page fault at " + hexadecimal(linear) +
        ", where mapping a page is refused: " + std::string(name(mapped.error())));
  }
  mapped_.add(size);
  if (size == arch::PageSize::k4K && merge_settings_.interval != 0) pieces_.add(asid, linear);
}

/// What the policy gives where nothing is in the way.
arch::PageSize Guest::wanted_size(std::uint64_t linear) const {
  if (!policy_.transparent) return policy_.largest;
  const std::uint64_t bytes = arch::bytes(policy_.largest);
  return areas_.contain(linear & ~(bytes - 1), bytes) ? policy_.largest : arch::PageSize::k4K;
}

std::optional<ept::GuestLeaf> Guest::unmap(std::uint16_t asid, std::uint64_t linear) {
  if (is_being_merged(asid, linear)) merge_->gone = true;
  ept::GuestTables& tables = space(asid);
  const auto page = tables.walk(arch::Gva(linear));
  if (!page || !tables.unmap(page->gva, page->size)) return std::nullopt;
  frames_.give_back(page->gpa.value(), page->size);
  mapped_.remove(page->size);
  return *page;
}

bool Guest::begin_merge(std::size_t& looks) {
  for (; looks != 0; --looks) {
    const auto piece = pieces_.next();
    if (!piece) return false;
    const arch::Gva begin(piece->begin);
    ept::GuestTables& tables = space(piece->asid);
    const auto table = tables.last_table(begin);
    const bool fits = areas_.contain(piece->begin, arch::bytes(kMergedPage));
    if (!table || table->pages.empty() || !fits) {
      pieces_.remove(*piece);
      continue;
    }
    if (table->pages.size() + merge_settings_.most_absent < kMergedPieces) continue;
    const auto frame = frames_.take(kMergedPage);
    if (!frame) {
      ++merging_.refused;
      continue;
    }
    merge_ = {.asid = piece->asid,
              .begin = begin,
              .table = tables.take_last_table(begin).value(),
              .frame = arch::Gpa(*frame)};
    for (std::size_t page = 0; page < table->pages.size(); ++page) {
      mapped_.remove(arch::PageSize::k4K);
    }
    --looks;
    return true;
  }
  return false;
}

void Guest::fill_merged() {
  for (unsigned page = 0; page < kMergedPieces; ++page) {
    const arch::Gpa gpa = merge_->frame + page * arch::bytes(arch::PageSize::k4K);
    if (!where_.host_address(gpa, arch::AccessKind::kWrite)) {
      throw std::logic_error("a guest's frame is not backed: " + hexadecimal(gpa.value()));
    }
  }
}

void Guest::finish_merge() {
  const Merge merge = *std::exchange(merge_, std::nullopt);
  table_frames_.free(merge.table.frame);
  for (const ept::GuestLeaf& page : merge.table.pages) {
    frames_.give_back(page.gpa.value(), page.size);
  }
  pieces_.remove({.asid = merge.asid, .begin = merge.begin.value()});
  if (merge.gone) {
    frames_.give_back(merge.frame.value(), kMergedPage);
    return;
  }
  const auto mapped =
      space(merge.asid)
          .map(merge.begin, merge.frame, {.size = kMergedPage, .accessed = true, .dirty = true});
  if (!mapped) {
    throw std::logic_error("a merged page at " + hexadecimal(merge.begin.value()) +
                           " is refused: " + std::string(name(mapped.error())));
  }
  mapped_.add(kMergedPage);
  ++merging_.merges;
  merging_.pages += merge.table.pages.size();
}

}  // namespace eptsim::sim
