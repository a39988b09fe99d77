#include "sim/cli/build_facts.hpp"

#include <fmt/format.h>

#include <string_view>
#include <systemc>
#include <vector>

#include "mmu_model/walker/configurations.hpp"
#include "sim/version.hpp"

namespace eptsim::sim {
namespace {

std::string rtl() {
#ifdef EPTSIM_HAS_RTL
  std::vector<std::string_view> names;
  for (const mmu::WalkerConfiguration& each : mmu::named_configurations()) {
    names.push_back(each.name);
  }
  return fmt::format("RTL walkers {}", fmt::join(names, ", "));
#else
  return "no RTL walkers";
#endif
}

}  // namespace

std::string version_text() {
#ifdef __clang__
  constexpr std::string_view kCompiler = "clang " __clang_version__;
#else
  constexpr std::string_view kCompiler = "g++ " __VERSION__;
#endif
  return fmt::format("eptsim {}\nBuilt as {} by {}, with SystemC {}.{}.{} and {}.\n", kVersion,
                     EPTSIM_BUILD_TYPE, kCompiler, SC_VERSION_MAJOR, SC_VERSION_MINOR,
                     SC_VERSION_PATCH, rtl());
}

}  // namespace eptsim::sim
