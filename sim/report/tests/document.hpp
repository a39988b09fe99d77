#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace eptsim::sim::report::test {

/// An HTML document read strictly, as XML: throws std::runtime_error at the first thing that isn't
/// well-formed. Knows elements, attributes, text and the entities that a report uses.
class Document {
 public:
  struct Element {
    std::string tag;
    std::map<std::string, std::string> attributes;  ///< unescaped
    std::string text;                               ///< of it and all within, unescaped
  };

  explicit Document(std::string_view html);

  /// Every element, in the order in which they end.
  const std::vector<Element>& elements() const& { return elements_; }
  const std::vector<Element>& elements() && = delete;
  /// The texts of the elements with this tag.
  std::vector<std::string> texts(std::string_view tag) const;
  /// The texts of the cells in the rows whose heading, or one of whose cells, is `heading`.
  std::vector<std::vector<std::string>> rows(std::string_view heading) const;

 private:
  std::vector<Element> elements_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace eptsim::sim::report::test
