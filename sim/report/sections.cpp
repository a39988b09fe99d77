#include "sim/report/sections.hpp"

namespace eptsim::sim::report {

Html head(const std::string& kind, const Run& run, const std::string& answer, const Html& lead) {
  return element("header", "\n" +
                               element("p", {{"class", "kicker"}},
                                       "eptsim " + run.text("/eptsim_version") + ", " + kind) +
                               "\n" + element("h1", answer) + "\n" +
                               element("p", {{"class", "lead"}}, lead) + "\n") +
         "\n";
}

Html section(const std::string& heading, const Html& content) {
  return element("section", "\n" + element("h2", heading) + "\n" + content) + "\n";
}

Html tile(const std::string& label, const std::string& figure, const std::string& remark) {
  return element("div", element("dt", label) + element("dd", {{"class", "figure"}}, figure) +
                            element("dd", remark)) +
         "\n";
}

Html tiles(const Html& all) { return element("dl", {{"class", "tiles"}}, "\n" + all) + "\n"; }

Html warning(const Runs& runs) {
  Html text;
  for (const Run& run : runs) {
    if (!run.partial()) continue;
    Html line = element("strong", "Partial.") + " The " + run.label() +
                " run ended early. These are the figures of what was measured until then.";
    if (run.document().contains("error"))
      line += " It ended because of: " + Html(run.text("/error"));
    if (run.document().contains("mismatch"))
      line += " It ended because model and RTL differ: " + Html(run.text("/mismatch"));
    text += element("p", line);
  }
  return text.empty() ? text
                      : element("div", {{"class", "warning"}, {"role", "note"}}, text) + "\n";
}

}  // namespace eptsim::sim::report
