#include "sim/cli/check_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "ept/arch/ept_entry.hpp"
#include "ept/entry_format.hpp"

namespace eptsim::sim {
namespace {

using ept::Finding;
using ept::FindingKind;

/// No more of one kind for people; JSON has them all.
constexpr std::size_t kShown = 20;

std::string_view entry_name(unsigned level) {
  constexpr std::string_view kNames[] = {"table", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
  return kNames[std::min<std::size_t>(level, std::size(kNames) - 1)];
}

/// "bit 1 (WRITE)", "bits 47:46, 5:3". Names are those of a page's entry; the reserved bits of one
/// that refers to a table have none.
std::string bits_text(const Finding& finding) {
  const std::uint64_t bits = finding.bits;
  const bool named = finding.kind != FindingKind::kReservedLowBits;
  std::string ranges;
  std::string names;
  bool single = true;
  for (int high = 63; high >= 0; --high) {
    if ((bits >> high & 1) == 0) continue;
    int low = high;
    while (low > 0 && (bits >> (low - 1) & 1) != 0) --low;
    single = single && ranges.empty() && low == high;
    ranges += ranges.empty() ? "" : ", ";
    ranges += low == high ? fmt::format("{}", high) : fmt::format("{}:{}", high, low);
    for (const arch::FieldFact& fact : arch::ept_entry::kFields) {
      const bool within = high <= fact.bits.high && low >= fact.bits.low;
      if (named && within && names.find(fact.name) == std::string::npos) {
        names += fmt::format("{}{}", names.empty() ? "" : " ", fact.name);
      }
    }
    high = low;
  }
  return fmt::format("bit{} {}{}", single ? "" : "s", ranges,
                     !named          ? " (reserved)"
                     : names.empty() ? ""
                                     : " (" + names + ")");
}

/// What there is on the other side.
std::string other_text(const Finding& finding) {
  switch (finding.kind) {
    case FindingKind::kTableUsedTwice:
    case FindingKind::kTableAtTwoLevels:
    case FindingKind::kTableCycle:
      return finding.other ? fmt::format("as the entry at {:#x}", finding.other->value())
                           : "as the EPTP";
    case FindingKind::kTablesWritable: return fmt::format("table at {:#x}", finding.other->value());
    case FindingKind::kMemoryTypesDiffer:
      return fmt::format("unlike the entry at {:#x}", finding.other->value());
    default: return {};
  }
}

std::uint64_t last_gpa(const Finding& finding) {
  return finding.gpa.value() + finding.entries * ept::format::coverage(finding.level) - 1;
}

std::string line_of(const Finding& finding) {
  const std::string value = fmt::format("{:#018x}", finding.value);
  if (finding.level == 0) {
    const bool root = finding.value != 0;
    return fmt::format("  table at {:#x}{}\n", finding.entry_address.value(),
                       root ? fmt::format(", the EPTP's ({:#x})", finding.value) : "");
  }
  const std::string where =
      fmt::format("{:#014x}..{:#014x}", finding.gpa.value(), last_gpa(finding));
  std::string wrong = finding.bits == 0 ? "" : bits_text(finding);
  for (const std::string& more :
       {other_text(finding), finding.entries == 1 ? std::string()
                                                  : fmt::format("and {} entries that follow",
                                                                grouped(finding.entries - 1))}) {
    if (!more.empty()) wrong += (wrong.empty() ? "" : ", ") + more;
  }
  std::string line =
      fmt::format("  {:<31} {:<6} {:#014x}  {}  {}", where, entry_name(finding.level),
                  finding.entry_address.value(), value, wrong);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

/// "1 page", "2 pages".
std::string counted(std::uint64_t count, std::string_view one, std::string_view more) {
  return fmt::format("{} {}", grouped(count), count == 1 ? one : more);
}

std::string_view class_of(FindingKind kind) {
  return ept::is_misconfiguration(kind) ? "misconfiguration" : "oddity";
}

std::uint64_t entries_of(const ept::Survey& survey, bool misconfigurations) {
  std::uint64_t entries = 0;
  for (const Finding& finding : survey.findings) {
    if (ept::is_misconfiguration(finding.kind) == misconfigurations) entries += finding.entries;
  }
  return entries;
}

}  // namespace

std::string check_text(const CheckReport& report, const Style& style) {
  const ept::Survey& survey = report.survey;
  std::string text = fmt::format(
      "EPTP {:#x}: {} levels, accessed and dirty flags {}, MAXPHYADDR {}\n{} and {} examined\n",
      report.eptp, report.settings.depth, report.settings.accessed_dirty ? "on" : "off",
      report.settings.maxphyaddr, counted(survey.tables, "table", "tables"),
      counted(survey.pages, "page", "pages"));
  for (std::size_t kind = 0; kind < ept::kFindingKinds; ++kind) {
    std::size_t count = 0;
    for (const Finding& finding : survey.findings) {
      if (static_cast<std::size_t>(finding.kind) != kind) continue;
      if (count == 0) {
        text += '\n' +
                style.heading(fmt::format("{}, {}: {}", ept::name(finding.kind),
                                          class_of(finding.kind), ept::explain(finding.kind))) +
                '\n';
        text += fmt::format("  {:<31} {:<6} {:<14}  {:<18}  wrong\n", "guest-physical", "entry",
                            "at", "value");
      }
      if (++count <= kShown) text += line_of(finding);
    }
    if (count > kShown) text += fmt::format("  and {} more: see --json\n", grouped(count - kShown));
  }
  if (survey.stopped_at) {
    text += fmt::format(
        "\nThe survey met a limit: what lies at guest-physical {:#x} and above is not examined.\n",
        survey.stopped_at->value());
  }
  if (report.is_clean()) return text + "nothing is wrong\n";
  return text + fmt::format("\nfound: {} misconfigured, {} odd\n",
                            counted(entries_of(survey, true), "entry", "entries"),
                            grouped(entries_of(survey, false)));
}

Json check_document(const CheckReport& report) {
  const auto hex = [](std::uint64_t value) { return fmt::format("{:#x}", value); };
  Json findings = Json::array();
  for (const Finding& finding : report.survey.findings) {
    Json object{{"kind", ept::name(finding.kind)},
                {"class", class_of(finding.kind)},
                {"explanation", ept::explain(finding.kind)},
                {"level", finding.level},
                {"entry_address", hex(finding.entry_address.value())},
                {"value", hex(finding.value)},
                {"bits", hex(finding.bits)},
                {"entries", finding.entries}};
    if (finding.level != 0) {
      object["gpa"] = hex(finding.gpa.value());
      object["last_gpa"] = hex(last_gpa(finding));
    }
    if (finding.other) object["other"] = hex(finding.other->value());
    findings.push_back(std::move(object));
  }
  Json document{{"schema_version", 1},
                {"eptp", hex(report.eptp)},
                {"levels", report.settings.depth},
                {"maxphyaddr", report.settings.maxphyaddr},
                {"tables", report.survey.tables},
                {"pages", report.survey.pages},
                {"misconfigured", entries_of(report.survey, true)},
                {"odd", entries_of(report.survey, false)},
                {"complete", !report.survey.stopped_at.has_value()}};
  if (report.survey.stopped_at) document["stopped_at"] = hex(report.survey.stopped_at->value());
  document["findings"] = std::move(findings);
  return document;
}

}  // namespace eptsim::sim
