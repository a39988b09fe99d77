#include "sim/report/table.hpp"

namespace eptsim::sim::report {

Table::Table(std::string caption, std::vector<Column> columns)
    : caption_(std::move(caption)), columns_(std::move(columns)) {}

void Table::row(const std::vector<Html>& cells) { add({}, cells); }

void Table::total(const std::vector<Html>& cells) { add({{"class", "total"}}, cells); }

Table& Table::searchable() {
  searchable_ = true;
  return *this;
}

void Table::add(const Attributes& attributes, const std::vector<Html>& cells) {
  Html row = element("th", {{"scope", "row"}}, cells.at(0));
  for (std::size_t i = 1; i < columns_.size(); ++i) {
    row +=
        element("td", columns_[i].number ? Attributes{{"class", "n"}} : Attributes{}, cells.at(i));
  }
  rows_ += element("tr", attributes, row) + "\n";
}

Html Table::html() const {
  Html headings;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    Attributes attributes = {{"scope", "col"}};
    if (i > 0 && columns_[i].number) attributes.push_back({"class", "n"});
    headings += element("th", attributes, columns_[i].heading);
  }
  const Attributes attributes = searchable_ ? Attributes{{"class", "searchable"}} : Attributes{};
  const Html table =
      element("table", attributes,
              element("caption", caption_) + "\n" + element("thead", element("tr", headings)) +
                  "\n" + element("tbody", rows_));
  return scrolling(caption_, table);
}

Html exactly(const std::string& value, const Html& shown) {
  return element("data", {{"value", value}}, shown);
}

Html scrolling(const std::string& name, const Html& content) {
  return element("div",
                 {{"class", "scroll"}, {"role", "region"}, {"tabindex", "0"}, {"aria-label", name}},
                 content) +
         "\n";
}

Html folded(const std::string& line, const Html& content) {
  return element("details", element("summary", line) + "\n" + content) + "\n";
}

}  // namespace eptsim::sim::report
