#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/trace/own_header.hpp"

namespace eptsim::sim {

/// What there is to know of a trace, found by reading it to its end.
struct TraceInfo {
  std::string path;
  std::string format;
  std::string hash;                ///< of the file as stored; empty for a pipe
  std::uint64_t stored_bytes = 0;  ///< 0 for a pipe
  own::Counts counts;
  std::uint64_t data_pages = 0;       ///< 4 KiB pages that data accesses touch
  std::uint64_t code_pages = 0;       ///< and fetches
  std::uint64_t dependent = 0;        ///< accesses that depend on a load
  std::optional<own::Header> header;  ///< of the own format
  bool has_index = true;              ///< false: the own format without its index
};

/// `eptsim trace info FILE`. Throws InputError.
TraceInfo describe_trace(const std::string& path,
                         std::optional<std::string_view> format = std::nullopt);

/// For people, several lines.
std::string to_text(const TraceInfo& info);

}  // namespace eptsim::sim
