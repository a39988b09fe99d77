#include "sim/walk/walk_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "sim/output/style.hpp"
#include "sim/report/bars.hpp"
#include "sim/report/page.hpp"
#include "sim/report/sections.hpp"
#include "sim/report/table.hpp"
#include "sim/version.hpp"
#include "sim/walk/walk_grid.hpp"

namespace eptsim::sim {
namespace {

using report::element;
using report::Html;

Html code(const std::string& text) { return element("code", text); }

Html head(const WalkAccount& account) {
  return element("header", "\n" +
                               element("p", {{"class", "kicker"}},
                                       fmt::format("eptsim {}, a translation", kVersion)) +
                               "\n" + element("h1", account.verdicts.front().headline) + "\n" +
                               element("p", {{"class", "lead"}},
                                       account.question + ". " + account.paging + ".") +
                               "\n") +
         "\n";
}

std::uint64_t spared(const MachineWalk& walk) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(walk.reads, [](const auto& read) { return !read.has_value(); }));
}

Html key_figures(const WalkAccount& account, const std::optional<OnMachine>& on_machine) {
  std::size_t guest = 0;
  for (const WalkAccount::Column& column : account.columns) {
    guest += static_cast<std::size_t>(std::ranges::count_if(
        column.entries, [](const WalkAccount::Entry& entry) { return entry.visit.is_guest(); }));
  }
  Html all = report::tile("references", grouped(account.references),
                          account.nested ? fmt::format("{} of guest entries, {} of EPT entries",
                                                       guest, account.references - guest)
                                         : "all of page-table entries");
  if (on_machine) {
    const MachineWalk& walk = on_machine->walk;
    all +=
        report::tile("references made by machine " + on_machine->machine, grouped(walk.references),
                     fmt::format("{} spared by its structure caches", grouped(spared(walk))));
    all += report::tile("cycles", grouped(walk.cycles),
                        walk.update_cycles == 0
                            ? "of its walker, every cache empty before"
                            : fmt::format("of its walker, every cache empty before; {} of them "
                                          "for what it writes",
                                          grouped(walk.update_cycles)));
  } else if (!account.judged_only) {
    all += report::tile("cycles", grouped(account.cycles), "of a walker without caches");
  }
  return report::tiles(all);
}

bool walks_anew(const MachineWalk& walk) {
  return std::ranges::any_of(walk.reads,
                             [](const auto& read) { return read && read->served_by.size() > 1; });
}

Html in_order(const WalkAccount& account, const std::optional<OnMachine>& on_machine) {
  std::vector<report::Table::Column> columns = {
      {"step"},         {"entry", false}, {"index"},          {"host-physical", false},
      {"value", false}, {"flags", false}, {"leads to", false}};
  if (on_machine) columns.insert(columns.end(), {{"served by", false}, {"cycles"}});
  report::Table table("The references of the walk, in order", columns);
  std::size_t number = 0;
  for (const WalkAccount::Column& column : account.columns) {
    for (const WalkAccount::Entry& entry : column.entries) {
      const Visit& visit = entry.visit;
      Html flags = entry.words.flags + (entry.outside ? " (outside the image: reads as zero)" : "");
      if (entry.decides) flags += " " + element("strong", "decides");
      std::vector<Html> cells = {std::to_string(number + 1),
                                 visit.name(),
                                 std::to_string(visit.index),
                                 code(fmt::format("{:#x}", visit.reference.address)),
                                 code(fmt::format("{:#018x}", visit.reference.value)),
                                 flags,
                                 entry.words.leads};
      if (on_machine) {
        const auto& read = on_machine->walk.reads.at(number);
        cells.emplace_back(read ? served_by_in_words(*read) : "a structure cache");
        cells.emplace_back(read ? grouped(read->cycles) : "-");
      }
      table.row(cells);
      ++number;
    }
  }
  return report::folded("The references in order, as a table", table.html());
}

Html drawn(const WalkAccount& account, const std::optional<OnMachine>& on_machine) {
  if (account.references == 0) {
    return report::section("The walk", element("p", "No entry was read."));
  }
  Html text = account.nested
                  ? Html(
                        "Each column translates one guest-physical address through the EPT, from "
                        "top to bottom, and ends in the guest entry that lies there; the next "
                        "column goes on from what that entry holds. The last one translates the "
                        "address of the access itself.")
                  : Html("Each column is a level of the page tables, from left to right.");
  if (on_machine) {
    text += " The stronger the colour of a cell, the longer " + element("b", on_machine->machine) +
            " waits for it, as its very first access: what the walk itself leaves in caches serves "
            "it later, and what it leaves in structure caches spares it references.";
    if (walks_anew(on_machine->walk)) {
      text +=
          " What a structure cache refused was walked anew without them, so some entries were "
          "read twice.";
    }
  }
  return report::section("The walk",
                         element("p", {{"class", "remark"}}, text) + "\n" +
                             walk_grids(account, on_machine ? &on_machine->walk : nullptr) +
                             in_order(account, on_machine));
}

Html writes(const WalkAccount& account) {
  if (account.writes.empty()) return {};
  report::Table table("In order",
                      {{"what", false}, {"host-physical", false}, {"value", false}, {"bytes"}});
  for (const WalkAccount::Write& write : account.writes) {
    table.row({write.what, code(fmt::format("{:#x}", write.write.address)),
               code(fmt::format("{:#x}", write.write.value)), std::to_string(write.write.size)});
  }
  return report::section("Written on the way", table.html());
}

Html verdict_html(const Verdict& verdict) {
  Html out;
  if (!verdict.page.empty()) out += element("p", "And " + verdict.page + ":");
  out += element("p", element("b", verdict.headline));
  for (const std::string& remark : verdict.remarks) out += element("p", remark);
  for (const Verdict::Word& word : verdict.words) {
    report::Table table(fmt::format("{} {:#x}", word.name, word.value),
                        {{"bit", false}, {"name", false}, {"meaning", false}});
    for (const Verdict::Word::Bit& bit : word.bits) {
      table.row({std::to_string(bit.number), std::string(bit.name), std::string(bit.meaning)});
    }
    out += table.html();
  }
  return out + "\n";
}

Html outcome(const WalkAccount& account) {
  Html out;
  for (const Verdict& verdict : account.verdicts) out += verdict_html(verdict);
  return report::section("What came of it", out);
}

Html diagnosis(const WalkAccount& account) {
  if (!account.refused()) return {};
  if (account.judged_only) {
    return report::section(
        "Why", element("p", "The oracle gives no reason; each of the other engines does."));
  }
  const Diagnosis& diagnosis = account.diagnosis;
  Html out = element("p", diagnosis.why);
  if (!diagnosis.changes.empty()) {
    Html changes;
    for (const std::string& change : diagnosis.changes) changes += element("li", change) + "\n";
    out += element("p", std::string(heading_of_changes(diagnosis))) + element("ul", changes);
    if (!diagnosis.afterwards.empty()) {
      out += element("p", {{"class", "remark"}}, diagnosis.afterwards);
    }
  }
  return report::section("Why", out);
}

}  // namespace

std::string walk_page(const WalkAccount& account, const std::optional<OnMachine>& on_machine) {
  return report::page(account.question + ": " + account.verdicts.front().headline,
                      head(account) + diagnosis(account) + key_figures(account, on_machine) +
                          drawn(account, on_machine) + writes(account) + outcome(account));
}

}  // namespace eptsim::sim
