#pragma once

#include <cstdint>
#include <string>

/// Numbers as a report writes them, without places where a line may break.
namespace eptsim::sim::report {

/// `part` over `whole`; 0 of nothing.
double ratio(std::uint64_t part, std::uint64_t whole);
/// The same in percent, "48.60 %"; "-" of nothing.
std::string share(std::uint64_t part, std::uint64_t whole, int decimals);
/// `right` over `left`, "6.00 ×"; "-" of nothing.
std::string times(double left, double right);
std::string times(std::uint64_t left, std::uint64_t right);

}  // namespace eptsim::sim::report
