#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "ept/guest_tables.hpp"

namespace eptsim::sim {

/// Writes address spaces to a checkpoint, or reads them: `space` gives that of a number, and makes
/// it if there is none yet.
template <class Archive, class Space>
void serialize_spaces(Archive& archive, const std::map<std::uint16_t, ept::GuestTables>& spaces,
                      Space&& space) {
  std::vector<std::uint16_t> numbers;
  for (const auto& [number, tables] : spaces) numbers.push_back(number);
  archive(numbers);
  for (const std::uint16_t number : numbers) archive(space(number));
}

}  // namespace eptsim::sim
