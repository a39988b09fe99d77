#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace eptsim::sim {

/// Colours of an explanation on a terminal; elsewhere text stays as it is.
class Palette {
 public:
  explicit Palette(bool colour) : colour_(colour) {}

  std::string guest(std::string_view text) const { return paint("36", text); }
  std::string ept(std::string_view text) const { return paint("33", text); }
  std::string sub_page(std::string_view text) const { return paint("35", text); }
  std::string heading(std::string_view text) const { return paint("1", text); }
  std::string good(std::string_view text) const { return paint("1;32", text); }
  std::string bad(std::string_view text) const { return paint("1;31", text); }
  std::string faint(std::string_view text) const { return paint("2", text); }

 private:
  std::string paint(std::string_view code, std::string_view text) const {
    return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  }
  bool colour_;
};

}  // namespace eptsim::sim
