#pragma once

#include <cstdint>
#include <string>

#include "sim/run/page_list.hpp"

namespace eptsim::sim {

/// Which of the two dimensions a list is of.
enum class Dimension : std::uint8_t {
  kGuest,  ///< linear addresses to guest-physical ones, by address space
  kHost,   ///< guest-physical addresses to host-physical ones
};

/// Reads a list of pages, a line each (docs/interchange.md). `memory_bytes`: of the memory that the
/// tables and pages lie in. Throws InputError with file, line and column for what is no such line,
/// for pages and tables that overlap or contradict each other, and for addresses that can't be.
PageList read_page_list(const std::string& path, Dimension dimension, std::uint64_t memory_bytes);

/// `list` as such a file. The same list gives the same bytes.
std::string page_list_text(const PageList& list, Dimension dimension);

}  // namespace eptsim::sim
