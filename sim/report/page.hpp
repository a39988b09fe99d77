#pragma once

#include <string>

#include "sim/report/html.hpp"

namespace eptsim::sim::report {

/// The whole document around `content`, with the style sheet. `title` is for the window.
std::string page(const std::string& title, const Html& content);

}  // namespace eptsim::sim::report
