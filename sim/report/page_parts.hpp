#pragma once

#include <string_view>

namespace eptsim::sim::report {

/// report.css.
extern const std::string_view kStyleSheet;
/// report.js.
extern const std::string_view kScript;
/// Its SHA-256, as a content security policy names the one script that may run.
extern const std::string_view kScriptHash;

}  // namespace eptsim::sim::report
