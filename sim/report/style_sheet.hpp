#pragma once

#include <string_view>

namespace eptsim::sim::report {

/// report.css.
extern const std::string_view kStyleSheet;

}  // namespace eptsim::sim::report
