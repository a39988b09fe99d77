#include "sim/cli/schemes.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "sim/input_error.hpp"
#include "sim/near_miss.hpp"
#include "sim/statistics/run_report.hpp"

namespace eptsim::sim {
namespace {

using arch::PageSize;

constexpr PagePolicy kThp = PagePolicy::transparent_huge_pages();
constexpr std::array<PagePolicy, 4> kPolicies = {PageSize::k4K, PageSize::k2M, PageSize::k1G, kThp};

std::string text_of(PagePolicy policy) {
  return policy.transparent ? "thp" : std::string(name(policy.largest));
}

Scheme native(PagePolicy pages) { return {.mode = Mode::kNative, .guest = pages}; }
Scheme ideal(PagePolicy pages) { return {.mode = Mode::kNative, .ideal = true, .guest = pages}; }
Scheme in_machine(Mode mode, PagePolicy guest, PagePolicy host) {
  return {.mode = mode, .guest = guest, .host = host};
}

/// Natives before what is virtual: they are what the others are held against.
std::vector<Scheme> all_schemes() {
  std::vector<Scheme> schemes;
  for (const PagePolicy pages : kPolicies) schemes.push_back(native(pages));
  for (const PagePolicy pages : kPolicies) schemes.push_back(ideal(pages));
  for (const Mode mode : {Mode::kNested, Mode::kShadow}) {
    for (const PagePolicy guest : kPolicies) {
      for (const PagePolicy host : kPolicies) schemes.push_back(in_machine(mode, guest, host));
    }
  }
  return schemes;
}

}  // namespace

std::string Scheme::text() const {
  const std::string pages = text_of(guest);
  if (mode == Mode::kNative) return (ideal ? "ideal:" : "native:") + pages;
  return std::string(name(mode)) + ":" + pages + "/" + text_of(host);
}

RunSettings Scheme::applied_to(RunSettings settings) const {
  settings.mode = mode;
  settings.machine.guest_page = guest;
  if (mode != Mode::kNative) settings.machine.ept_page = host;
  if (ideal) settings.machine.ideal_tlb = true;
  if (mode != Mode::kNested) {
    settings.machine.dirty_log.tracking = DirtyTracking::kOff;
    settings.machine.hypervisor_merge.interval = 0;
  }
  return settings;
}

std::vector<std::string> scheme_names() {
  std::vector<std::string> names;
  for (const Scheme& scheme : all_schemes()) names.push_back(scheme.text());
  return names;
}

Scheme parse_scheme(const std::string& text, const std::string& place) {
  // Sizes may be written small, as everywhere.
  std::string word = text;
  for (std::size_t i = 1; i < word.size(); ++i) {
    const bool sized = word[i - 1] >= '0' && word[i - 1] <= '9';
    if (sized && word[i] >= 'a') word[i] = static_cast<char>(word[i] - 'a' + 'A');
  }
  for (const Scheme& scheme : all_schemes()) {
    if (scheme.text() == word) return scheme;
  }
  const std::vector<std::string> names = scheme_names();
  throw InputError(place,
                   "unknown scheme '" + text +
                       "', expected native:PAGE, ideal:PAGE, nested:PAGE/PAGE or "
                       "shadow:PAGE/PAGE, with 4K, 2M, 1G or thp",
                   did_you_mean(word, std::vector<std::string_view>(names.begin(), names.end())));
}

std::vector<Scheme> parse_schemes(const std::string& text) {
  if (text == "all") return all_schemes();
  std::vector<Scheme> schemes;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const Scheme scheme = parse_scheme(word, "--schemes " + text);
    if (std::ranges::find(schemes, scheme) != schemes.end()) {
      throw InputError("--schemes " + text, word + " is there twice");
    }
    schemes.push_back(scheme);
    begin = end + 1;
  }
  return schemes;
}

std::vector<Scheme> usual_schemes(const Machine& machine) {
  const PagePolicy guest = machine.guest_page;
  const PagePolicy host = machine.ept_page;
  const Scheme wanted[] = {
      native(guest),
      native(PageSize::k4K),
      native(PageSize::k2M),
      native(kThp),
      ideal(guest),
      ideal(PageSize::k4K),
      ideal(PageSize::k2M),
      ideal(PageSize::k1G),
      ideal(kThp),
      in_machine(Mode::kNested, guest, host),
      in_machine(Mode::kNested, PageSize::k4K, PageSize::k4K),
      in_machine(Mode::kNested, PageSize::k4K, PageSize::k2M),
      in_machine(Mode::kNested, PageSize::k2M, PageSize::k2M),
      in_machine(Mode::kNested, PageSize::k1G, PageSize::k1G),
      in_machine(Mode::kNested, kThp, kThp),
      in_machine(Mode::kShadow, PageSize::k4K, PageSize::k4K),
      in_machine(Mode::kShadow, PageSize::k2M, PageSize::k2M),
  };
  std::vector<Scheme> schemes;
  for (const Scheme& scheme : wanted) {
    if (std::ranges::find(schemes, scheme) == schemes.end()) schemes.push_back(scheme);
  }
  return schemes;
}

}  // namespace eptsim::sim
