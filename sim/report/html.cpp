#include "sim/report/html.hpp"

namespace eptsim::sim::report {
namespace {

/// `plain`, which is UTF-8, as text or as an attribute's value.
std::string escaped(std::string_view plain) {
  std::string text;
  text.reserve(plain.size());
  for (const char letter : plain) {
    switch (letter) {
      case '&': text += "&amp;"; break;
      case '<': text += "&lt;"; break;
      case '>': text += "&gt;"; break;
      case '"': text += "&quot;"; break;
      case '\'': text += "&#39;"; break;
      case '\t':
      case '\n': text += letter; break;
      default: {
        // Other control characters may stand nowhere in a document.
        const auto byte = static_cast<unsigned char>(letter);
        const bool control = byte < 0x20 || byte == 0x7f;
        text += control ? std::string("\xef\xbf\xbd") : std::string(1, letter);
      }
    }
  }
  return text;
}

std::string opening(std::string_view tag, const Attributes& attributes) {
  std::string text = "<" + std::string(tag);
  for (const auto& [name, value] : attributes) {
    text += " " + std::string(name) + "=\"" + escaped(value) + "\"";
  }
  return text;
}

}  // namespace

Html::Html(std::string_view plain) : text_(escaped(plain)) {}

Html Html::markup(std::string text) {
  Html html;
  html.text_ = std::move(text);
  return html;
}

Html& Html::operator+=(const Html& more) {
  text_ += more.text_;
  return *this;
}

Html element(std::string_view tag, const Html& content) { return element(tag, {}, content); }

Html element(std::string_view tag, const Attributes& attributes, const Html& content) {
  return Html::markup(opening(tag, attributes) + ">" + content.text() + "</" + std::string(tag) +
                      ">");
}

Html empty_element(std::string_view tag, const Attributes& attributes) {
  return Html::markup(opening(tag, attributes) + "/>");
}

}  // namespace eptsim::sim::report
