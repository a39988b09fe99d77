#include "sim/walk/walk_grid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "sim/output/style.hpp"
#include "sim/report/bars.hpp"
#include "sim/report/table.hpp"

namespace eptsim::sim {
namespace {

using report::element;
using report::Html;

/// A row of the grid, from the top: the levels of the EPT, the guest's own entry, and the tables
/// of sub-page permissions, which the last column alone may come to.
struct Row {
  TableKind table = TableKind::kEpt;  ///< kGuest: of guest and HLAT
  unsigned level = 0;                 ///< 0 of the guest's own entry

  friend bool operator==(const Row&, const Row&) = default;
  friend bool operator<(const Row& a, const Row& b) {
    return a.table != b.table ? rank(a.table) < rank(b.table) : a.level > b.level;
  }
  static int rank(TableKind table) {
    return table == TableKind::kEpt ? 0 : (table == TableKind::kSpp ? 2 : 1);
  }
};

Row row_of(const Visit& visit) {
  if (visit.is_guest()) return {TableKind::kGuest, 0};
  return {visit.table, visit.level};
}

std::string css_class(TableKind table) {
  switch (table) {
    case TableKind::kEpt: return "ept";
    case TableKind::kSpp: return "spp";
    default: return "guest";
  }
}

std::string_view in_words(mmu::MemoryLevel level) {
  switch (level) {
    case mmu::MemoryLevel::kL1d: return "L1D";
    case mmu::MemoryLevel::kL2: return "L2";
    case mmu::MemoryLevel::kL3: return "L3";
    case mmu::MemoryLevel::kDram: break;
  }
  return "DRAM";
}

/// The walk of one page.
class Grid {
 public:
  /// `first`: the number of its first reference in the walk.
  Grid(const WalkAccount& account, std::span<const WalkAccount::Column> columns, std::size_t first,
       const Verdict* verdict, const MachineWalk* machine)
      : account_(account), columns_(columns), first_(first), verdict_(verdict), machine_(machine) {
    for (const WalkAccount::Column& column : columns) {
      for (const WalkAccount::Entry& entry : column.entries) rows_.insert(row_of(entry.visit));
    }
    if (machine == nullptr) return;
    for (const auto& read : machine->reads) {
      if (read) longest_ = std::max(longest_, read->cycles);
    }
  }

  Html html(const std::string& caption) const {
    Html head = element("td", "");
    for (const WalkAccount::Column& column : columns_) {
      Html text = element("b", column.leads_to);
      if (account_.nested) text += element("code", fmt::format("{:#x}", column.gpa));
      head += element("th", {{"scope", "col"}}, text);
    }
    Html body;
    for (const Row& row : rows_) {
      Html cells = element("th", {{"scope", "row"}}, row_name(row));
      std::size_t number = first_;
      for (const WalkAccount::Column& column : columns_) {
        cells += cell(column, row, number);
        number += column.entries.size();
      }
      body += element("tr", cells) + "\n";
    }
    return report::scrolling(caption, element("table", {{"class", "map walk"}},
                                              element("caption", caption) + "\n" +
                                                  element("thead", element("tr", head)) + "\n" +
                                                  element("tbody", body)));
  }

 private:
  std::string row_name(const Row& row) const {
    if (row.table == TableKind::kGuest) return account_.nested ? "its entry" : "entry";
    return Visit{.table = row.table, .level = row.level}.name();
  }

  /// `number`: of the column's first reference.
  Html cell(const WalkAccount::Column& column, const Row& row, std::size_t number) const {
    for (const WalkAccount::Entry& entry : column.entries) {
      if (row_of(entry.visit) == row) return entry_cell(entry, number);
      ++number;
    }
    const bool is_data = row.table == TableKind::kGuest && column.leads_to == "the access itself";
    if (is_data && verdict_ != nullptr && verdict_->translated) {
      return element("td", {{"class", "end"}}, "the data");
    }
    return element("td", {{"class", "none"}}, "");
  }

  Html entry_cell(const WalkAccount::Entry& entry, std::size_t number) const {
    const Visit& visit = entry.visit;
    const MachineWalk::Read* read = nullptr;
    if (machine_ != nullptr && machine_->reads.at(number)) read = &*machine_->reads[number];
    std::string classes = css_class(visit.table);
    if (entry.decides) classes += " decides";
    if (machine_ != nullptr && read == nullptr) classes += " spared";
    const double heat =
        read != nullptr ? static_cast<double>(read->cycles) / static_cast<double>(longest_) : 0;
    Html text = element("i", std::to_string(number + 1)) +
                element("code", fmt::format("{:#x}", visit.reference.address)) +
                element("span", fmt::format("[{}] = ", visit.index) +
                                    element("code", fmt::format("{:#x}", visit.reference.value))) +
                element("span", {{"class", "flags"}}, entry.words.flags);
    if (!entry.words.leads.empty()) text += element("span", "→ " + entry.words.leads);
    if (entry.outside) text += element("span", "outside the image: reads as zero");
    if (entry.decides) text += element("strong", "decides: " + verdict_->headline);
    if (read != nullptr) {
      text += element("b", served_by_in_words(*read) + ", " + grouped(read->cycles) + " cycles");
    } else if (machine_ != nullptr) {
      text += element("span", "spared by a structure cache");
    }
    return element("td", {{"class", classes}, {"style", fmt::format("--heat:{:.3f}", heat)}}, text);
  }

  const WalkAccount& account_;
  std::span<const WalkAccount::Column> columns_;
  std::size_t first_;
  const Verdict* verdict_;
  const MachineWalk* machine_;
  std::set<Row> rows_;
  mmu::Cycle longest_ = 1;
};

}  // namespace

Html walk_grids(const WalkAccount& account, const MachineWalk* machine) {
  const std::span<const WalkAccount::Column> columns = account.columns;
  Html out;
  std::size_t number = 0;
  std::size_t page = 0;
  for (std::size_t begin = 0; begin < columns.size();) {
    std::size_t end = begin + 1;
    while (end < columns.size() && !columns[end].begins_page) ++end;
    // A refusal of the second page is all that the account says of the access.
    const Verdict* verdict =
        page < account.verdicts.size() ? &account.verdicts[page] : &account.verdicts.back();
    const auto of_page = columns.subspan(begin, end - begin);
    out += Grid(account, of_page, number, verdict, machine)
               .html(page == 0 ? "The entries, in the order of their numbers"
                               : "The second page: its entries, in the order of their numbers");
    for (const WalkAccount::Column& column : of_page) number += column.entries.size();
    begin = end;
    ++page;
  }
  return out;
}

std::string served_by_in_words(const MachineWalk::Read& read) {
  std::string words;
  for (const mmu::MemoryLevel level : read.served_by) {
    if (!words.empty()) words += ", then ";
    words += in_words(level);
  }
  return words;
}

}  // namespace eptsim::sim
