#include "sim/walk/explanation.hpp"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "sim/walk/palette.hpp"

namespace eptsim::sim {
namespace {

class Explanation {
 public:
  Explanation(const WalkAccount& account, bool colour) : account_(account), palette_(colour) {}

  std::string text() {
    line("{}", palette_.heading(account_.question));
    line("{}", account_.paging);
    write_walk();
    write_writes();
    for (const Verdict& verdict : account_.verdicts) write_verdict(verdict);
    if (account_.refused()) write_diagnosis();
    line("");
    line("{}",
         palette_.faint(account_.judged_only ? fmt::format("{} references", account_.references)
                                             : fmt::format("{} references, {} cycles",
                                                           account_.references, account_.cycles)));
    return out_;
  }

 private:
  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Arguments>(arguments)...);
    out_ += '\n';
  }

  void write_walk();
  void write_entry(const WalkAccount::Entry& entry);
  void write_writes();
  void write_verdict(const Verdict& verdict);
  void write_diagnosis();

  const WalkAccount& account_;
  Palette palette_;
  unsigned number_ = 0;
  std::string out_;
};

void Explanation::write_walk() {
  if (account_.columns.empty()) return;
  line("");
  line("{}", palette_.faint("  #  entry             host-physical   value               "
                            "flags, and where it leads"));
  for (const WalkAccount::Column& column : account_.columns) {
    if (account_.nested) {  // otherwise each column is one guest entry
      const std::string_view article = column.leads_to.starts_with("the ") ? "" : "the ";
      line("     {}", palette_.faint(fmt::format("to {}{} at guest-physical {:#x}", article,
                                                 column.leads_to, column.gpa)));
    }
    for (const WalkAccount::Entry& entry : column.entries) write_entry(entry);
  }
}

void Explanation::write_entry(const WalkAccount::Entry& entry) {
  const Visit& visit = entry.visit;
  const std::string head = fmt::format("{:<11} [{:>4}]", visit.name(), visit.index);
  const std::string painted = visit.table == TableKind::kSpp ? palette_.sub_page(head)
                              : visit.is_guest()             ? palette_.guest(head)
                                                             : palette_.ept(head);
  std::string text = entry.words.flags;
  if (!entry.words.leads.empty()) text += "  -> " + entry.words.leads;
  if (entry.outside) text += "  (outside the image: reads as zero)";
  line("{:>3}  {}  {:#014x}  {:#018x}  {}{}", ++number_, painted, visit.reference.address,
       visit.reference.value, text, entry.decides ? palette_.bad("  <-- decides") : "");
}

void Explanation::write_writes() {
  if (account_.writes.empty()) return;
  line("");
  line("Written on the way:");
  for (const WalkAccount::Write& write : account_.writes) {
    line("     {:#014x}  {:#018x}  {}", write.write.address, write.write.value, write.what);
  }
}

void Explanation::write_verdict(const Verdict& verdict) {
  line("");
  if (!verdict.page.empty()) {
    line("And {}:", verdict.page);
    line("");
  }
  line("{}", verdict.translated ? palette_.good(verdict.headline) : palette_.bad(verdict.headline));
  for (const std::string& remark : verdict.remarks) line("{}", remark);
  for (const Verdict::Word& word : verdict.words) {
    line("{} {:#x}", word.name, word.value);
    for (const Verdict::Word::Bit& bit : word.bits) {
      line("     bit {:>2}  {:<24} {}", bit.number, bit.name, bit.meaning);
    }
  }
}

void Explanation::write_diagnosis() {
  line("");
  if (account_.judged_only) {
    line("{}", palette_.faint("The oracle gives no reason; each of the other engines does."));
    return;
  }
  const Diagnosis& diagnosis = account_.diagnosis;
  line("{} {}", palette_.heading("Why:"), diagnosis.why);
  if (diagnosis.changes.empty()) return;
  line("{}", palette_.heading(heading_of_changes(diagnosis)));
  for (const std::string& change : diagnosis.changes) line("  - {}", change);
  if (!diagnosis.afterwards.empty()) line("{}", palette_.faint(diagnosis.afterwards));
}

}  // namespace

std::string explain(const WalkAccount& account, bool colour) {
  return Explanation(account, colour).text();
}

}  // namespace eptsim::sim
