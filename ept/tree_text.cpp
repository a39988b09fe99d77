#include <ostream>
#include <utility>

#include "ept/tree_writers.hpp"

namespace eptsim::ept {
namespace {

constexpr const char* kPlain = "";
constexpr const char* kBold = "\x1b[1m";
constexpr const char* kCyan = "\x1b[36m";
constexpr const char* kRed = "\x1b[31m";
constexpr const char* kReset = "\x1b[0m";

/// "[511]..[511]" below four tables.
constexpr std::size_t kTreeWidth = 21;
/// "68,719,476,736 x 4K" and less.
constexpr std::size_t kPagesWidth = 16;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string aligned_right(const std::string& text, std::size_t width) {
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + text;
}

std::string grouped(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t place = digits.size(); place > 3;) digits.insert(place -= 3, 1, ',');
  return digits;
}

std::string size_name(std::uint64_t bytes) {
  constexpr std::string_view kUnits = "KMG";
  std::size_t unit = 0;
  for (bytes /= 1024; bytes >= 1024 && unit + 1 < kUnits.size(); ++unit) bytes /= 1024;
  return std::to_string(bytes) + kUnits.at(unit);
}

std::string index_text(unsigned index) { return "[" + std::to_string(index) + "]"; }

}  // namespace

TreeText::TreeText(std::ostream& out, const Notation& notation, Shape shape)
    : out_(out), notation_(notation), shape_(std::move(shape)) {
  write({"table or entries",
         shape_.addresses,
         shape_.targets,
         "pages",
         "rights",
         "type",
         "flags",
         {}},
        kBold);
}

void TreeText::table(const TreeEntry& entry, unsigned depth) {
  const std::string name(notation_.table_name(entry.level - 1));
  Line line;
  line.tree =
      std::string(2 * depth, ' ') + (depth == 0 ? name : index_text(entry.index) + ' ' + name);
  line.target = tree_hex(entry.target, shape_.target_digits);
  if (depth > 0) {
    line.addresses = tree_hex(entry.first, shape_.address_digits);
    line.rights = notation_.rights(entry);
    line.rest = rest_of(entry);
  }
  line.remark = entry.remark;
  write(line, kCyan);
}

void TreeText::run(const TreeRun& run, unsigned depth) {
  const TreeEntry& first = run.first;
  Line line;
  line.tree = std::string(2 * depth, ' ');
  if (run.pages == 1) {
    line.tree += index_text(first.index);
  } else if (run.tables == 1 && run.last_index > first.index) {
    line.tree += "[" + std::to_string(first.index) + ".." + std::to_string(run.last_index) + "]";
  } else {
    line.tree += index_text(first.index) + ".." + index_text(run.last_index);
  }
  line.addresses = tree_hex(first.first, shape_.address_digits) + ".." +
                   tree_hex(first.first + run.bytes() - 1, shape_.address_digits);
  line.target = tree_hex(first.target, shape_.target_digits);
  line.pages = grouped(run.pages) + " x " + size_name(first.bytes);
  line.rights = notation_.rights(first);
  line.memory_type = notation_.memory_type(first);
  line.rest = rest_of(first);
  line.remark = first.remark;
  if (run.tables > 1) {
    line.remark += (line.remark.empty() ? "in " : ", in ") + grouped(run.tables) + " tables";
  }
  write(line, kPlain);
}

std::string TreeText::rest_of(const TreeEntry& entry) const {
  std::string text;
  for (const std::string& flag : notation_.flags(entry)) text += (text.empty() ? "" : " ") + flag;
  return text;
}

void TreeText::write(const Line& line, const char* colour) {
  const std::size_t address_width = shape_.address_digits + 2;
  std::string text =
      padded(line.tree, kTreeWidth) + ' ' + padded(line.addresses, 2 * address_width + 2) + "  " +
      padded(line.target, shape_.target_digits + 2) + ' ' + aligned_right(line.pages, kPagesWidth) +
      "  " + padded(line.rights, 6) + "  " + padded(line.memory_type, 8) + "  " + line.rest;
  const char* reset = shape_.colour && *colour != '\0' ? kReset : "";
  std::string remark = line.remark;
  if (!remark.empty()) {
    if (!line.rest.empty()) text += ' ';
    const bool wrong = remark.starts_with("misconfigured") || remark.starts_with("reserved");
    if (shape_.colour && wrong) remark = std::string(reset) + kRed + remark + kReset;
    if (shape_.colour && wrong) reset = "";
  }
  text += remark;
  text.erase(text.find_last_not_of(' ') + 1);
  out_ << (shape_.colour ? colour : "") << text << reset << '\n';
}

}  // namespace eptsim::ept
