#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// A way to page: who translates, with which page sizes.
struct Scheme {
  Mode mode = Mode::kNative;
  bool ideal = false;  ///< native, with TLBs that cost nothing: the upper bound
  PagePolicy guest = {};
  PagePolicy host = {};  ///< but for native

  /// "native:4K", "ideal:4K", "nested:4K/2M", "shadow:thp/thp".
  std::string text() const;
  /// `machine` with this scheme's pages. Only a nested one logs dirty pages.
  RunSettings applied_to(RunSettings settings) const;
  bool operator==(const Scheme&) const = default;
};

/// The scheme that `text` names, as Scheme::text() would. Throws InputError at `place`.
Scheme parse_scheme(const std::string& text, const std::string& place);
/// Each there is, by name.
std::vector<std::string> scheme_names();

/// The schemes of `--schemes`: `text` has them with commas between, or is "all". Throws InputError.
std::vector<Scheme> parse_schemes(const std::string& text);

/// What is compared unless told otherwise: `machine`'s own pages natively and nested, and a choice
/// of others.
std::vector<Scheme> usual_schemes(const Machine& machine);

}  // namespace eptsim::sim
