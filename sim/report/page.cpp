#include "sim/report/page.hpp"

#include "sim/report/page_parts.hpp"

namespace eptsim::sim::report {

std::string page(const std::string& title, const Html& content) {
  // The policy lets a browser load nothing and run one script, whatever may stand in the page.
  const Html head =
      empty_element("meta", {{"charset", "utf-8"}}) + "\n" +
      empty_element("meta", {{"http-equiv", "Content-Security-Policy"},
                             {"content",
                              "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
                              "script-src '" +
                                  std::string(kScriptHash) + "'"}}) +
      "\n" +
      empty_element("meta",
                    {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}}) +
      "\n" + empty_element("meta", {{"name", "color-scheme"}, {"content", "light dark"}}) + "\n" +
      empty_element("link", {{"rel", "icon"}, {"href", "data:,"}}) + "\n" +
      element("title", title) + "\n" +
      element("style", Html::markup("\n" + std::string(kStyleSheet))) + "\n";
  return "<!DOCTYPE html>\n" +
         element(
             "html", {{"lang", "en"}},
             "\n" + element("head", "\n" + head) + "\n" +
                 element("body", "\n" + element("main", "\n" + content) + "\n" +
                                     element("script", Html::markup(std::string(kScript))) + "\n") +
                 "\n")
             .text() +
         "\n";
}

}  // namespace eptsim::sim::report
