#include "ept/table_tree.hpp"

#include <algorithm>
#include <charconv>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"

namespace eptsim::ept {
namespace {

/// Accessed flags come and go in tables, and make no two mappings differ.
constexpr std::uint64_t kAccessedFlags =
    arch::ept_entry::kAccessed.mask() | arch::guest_entry::kAccessed.mask();

}  // namespace

void RunFolder::enter(const TreeEntry& entry) {
  if (!open_.empty()) ++open_.back().entries;
  if (++tables_ > kMostTables && !is_full()) full_at_ = entry.first;
  writer_.entered(entry, depth());
  open_.push_back({entry});
}

void RunFolder::leave() {
  const unsigned entries = open_.back().entries;
  if (entries == 0) {
    flush();
    std::string& remark = open_.back().entry.remark;
    if (remark.empty()) remark = "empty";
    write_open_tables();
  }
  open_.pop_back();
  writer_.left(entries);
}

void RunFolder::mention(const TreeEntry& entry) {
  ++open_.back().entries;
  flush();
  write_open_tables();
  if (take_room(entry)) writer_.table(entry, depth());
}

void RunFolder::page(const TreeEntry& entry) {
  ++open_.back().entries;
  if (is_full()) return;
  if (run_ && entry.level == run_->first.level &&
      entry.first == run_->first.first + run_->bytes() &&
      entry.target == run_->first.target + run_->bytes() && entry.flags() == run_->first.flags() &&
      entry.remark == run_->first.remark && (open_.back().written || path() == run_path_)) {
    ++run_->pages;
    if (entry.index == 0) ++run_->tables;
    run_->last_index = entry.index;
    return;
  }
  flush();
  write_open_tables();
  if (!take_room(entry)) return;
  run_ = TreeRun{entry, entry.index, 1, 1};
  run_path_ = path();
  run_depth_ = depth();
}

RunFolder::Path RunFolder::path() const {
  Path flags;
  for (const OpenTable& table : open_) flags.push_back(table.entry.flags() & ~kAccessedFlags);
  return flags;
}

bool RunFolder::take_room(const TreeEntry& entry) {
  if (is_full()) return false;
  if (room_ == 0) {
    full_at_ = entry.first;
    return false;
  }
  --room_;
  return true;
}

void RunFolder::write_open_tables() {
  for (unsigned level = 0; level < depth(); ++level) {
    OpenTable& table = open_[level];
    if (table.written) continue;
    if (!take_room(table.entry)) return;
    writer_.table(table.entry, level);
    table.written = true;
  }
}

void RunFolder::flush() {
  if (run_) writer_.run(*run_, run_depth_);
  run_.reset();
}

std::string tree_hex(std::uint64_t value, unsigned digits) {
  std::array<char, 16> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value, 16);
  const std::string plain(text.data(), result.ptr);
  return "0x" + std::string(digits > plain.size() ? digits - plain.size() : 0, '0') + plain;
}

}  // namespace eptsim::ept
