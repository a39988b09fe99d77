#include "sim/report/tests/document.hpp"

#include <algorithm>
#include <stdexcept>

namespace eptsim::sim::report::test {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

constexpr std::string_view kDoctype = "<!DOCTYPE html>\n";

std::string unescaped(std::string_view text) {
  static const std::map<std::string_view, char> kEntities = {
      {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}};
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<') fail("a bare < in " + std::string(text));
    if (static_cast<unsigned char>(text[i]) < 0x20 && text[i] != '\n' && text[i] != '\t') {
      fail("a control character");
    }
    if (text[i] != '&') {
      plain += text[i];
      continue;
    }
    const std::string_view entity = text.substr(i, text.find(';', i) + 1 - i);
    const auto known = kEntities.find(entity);
    if (known == kEntities.end()) fail("no entity: " + std::string(entity));
    plain += known->second;
    i += entity.size() - 1;
  }
  return plain;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '-';
  });
}

/// ` name="value"` as often as it comes.
std::map<std::string, std::string> attributes_of(std::string_view text) {
  std::map<std::string, std::string> attributes;
  while (!text.empty()) {
    const std::size_t equals = text.find("=\"");
    if (text[0] != ' ' || equals == std::string_view::npos) fail("bad attributes");
    const std::string name(text.substr(1, equals - 1));
    if (!is_name(name)) fail("no attribute's name: " + name);
    const std::size_t end = text.find('"', equals + 2);
    if (end == std::string_view::npos) fail("an attribute that doesn't end");
    const std::string value = unescaped(text.substr(equals + 2, end - equals - 2));
    if (!attributes.emplace(name, value).second) fail("an attribute twice: " + name);
    text.remove_prefix(end + 1);
  }
  return attributes;
}

}  // namespace

Document::Document(std::string_view html) {
  if (!html.starts_with(kDoctype)) fail("no document type");
  html.remove_prefix(kDoctype.size());
  std::vector<Element> open;
  std::vector<std::string> row;
  const auto close = [&] {
    Element element = std::move(open.back());
    open.pop_back();
    if (!open.empty()) open.back().text += element.text;
    if (element.tag == "td" || element.tag == "th") row.push_back(element.text);
    if (element.tag == "tr") rows_.push_back(std::move(row));
    elements_.push_back(std::move(element));
  };
  while (!html.empty()) {
    const std::size_t text_end = std::min(html.find('<'), html.size());
    const std::string text = unescaped(html.substr(0, text_end));
    if (!open.empty()) {
      open.back().text += text;
    } else if (text.find_first_not_of('\n') != std::string::npos) {
      fail("text outside of everything: " + text);
    }
    html.remove_prefix(text_end);
    if (html.empty()) break;
    const std::size_t tag_end = html.find('>');
    if (tag_end == std::string_view::npos) fail("a tag that doesn't end");
    std::string_view tag = html.substr(1, tag_end - 1);
    html.remove_prefix(tag_end + 1);
    if (tag.starts_with('/')) {
      if (open.empty() || open.back().tag != tag.substr(1)) fail("</" + std::string(tag));
      close();
      continue;
    }
    const bool ends_itself = tag.ends_with('/');
    if (ends_itself) tag.remove_suffix(1);
    const std::size_t name_end = std::min(tag.find(' '), tag.size());
    const std::string name(tag.substr(0, name_end));
    if (!is_name(name)) fail("no element's name: " + name);
    if (open.empty() && !elements_.empty()) fail("two roots");
    open.push_back({name, attributes_of(tag.substr(name_end)), ""});
    if (name == "tr") row.clear();
    if (ends_itself) close();
  }
  if (!open.empty()) fail("<" + open.back().tag + "> doesn't end");
}

std::vector<std::string> Document::texts(std::string_view tag) const {
  std::vector<std::string> texts;
  for (const Element& element : elements_) {
    if (element.tag == tag) texts.push_back(element.text);
  }
  return texts;
}

std::vector<std::vector<std::string>> Document::rows(std::string_view heading) const {
  std::vector<std::vector<std::string>> found;
  for (const std::vector<std::string>& row : rows_) {
    if (std::ranges::find(row, heading) != row.end()) found.push_back(row);
  }
  return found;
}

}  // namespace eptsim::sim::report::test
