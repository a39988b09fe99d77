#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// HTML in pieces. All of it is well-formed XML too, so that any tool can read a report.
namespace eptsim::sim::report {

/// A piece of HTML. Plain text becomes one by being escaped, which no caller can forget.
class Html {
 public:
  Html() = default;
  Html(std::string_view plain);
  Html(const std::string& plain) : Html(std::string_view(plain)) {}
  Html(const char* plain) : Html(std::string_view(plain)) {}

  /// `text` as it stands: never anything from outside.
  static Html markup(std::string text);

  Html& operator+=(const Html& more);
  friend Html operator+(Html left, const Html& right) { return left += right; }

  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Names and values; a value may be any text.
using Attributes = std::vector<std::pair<std::string_view, std::string>>;

Html element(std::string_view tag, const Html& content);
Html element(std::string_view tag, const Attributes& attributes, const Html& content);
/// One that has no content: <br/>.
Html empty_element(std::string_view tag, const Attributes& attributes);

}  // namespace eptsim::sim::report
