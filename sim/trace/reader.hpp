#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/trace/record.hpp"

namespace eptsim::sim {

/// Linear addresses from `begin` up to `end`.
struct LinearArea {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// A trace being read, in whatever format, front to back.
class TraceReader {
 public:
  virtual ~TraceReader() = default;

  /// Fills `records` from its start. Returns how many were read; 0 at the end of the trace.
  /// Throws InputError (file, byte offset, record number) where the file is truncated or damaged;
  /// what was returned before stays good.
  virtual std::size_t read(std::span<Record> records) = 0;

  /// The format's name as `--format` spells it.
  virtual std::string_view format() const = 0;
  /// Whether the trace has instruction fetches.
  virtual bool has_fetches() const = 0;
  /// Where the program had memory, as far as the trace tells: nothing if it doesn't.
  virtual std::vector<LinearArea> areas() const { return {}; }
  /// Accesses in the whole trace, where the file says so in advance.
  virtual std::optional<std::uint64_t> total_accesses() const { return std::nullopt; }
  /// Part of the input consumed, 0 to 1, where its size is known (not for a pipe): for progress.
  virtual std::optional<double> fraction_read() const { return std::nullopt; }
};

/// The names that `--format` takes.
std::span<const std::string_view> trace_formats();

/// Opens a trace, telling format and compression by content. `path` "-" is standard input, and
/// "generate:…" a workload that is computed; `format` overrides the guess. Accesses must be
/// canonical for linear addresses of `linear_address_bits`, 57 or, for a guest with 4-level
/// paging, 48. Throws InputError.
std::unique_ptr<TraceReader> open_trace(const std::string& path,
                                        std::optional<std::string_view> format = std::nullopt,
                                        unsigned linear_address_bits = 57);

/// XXH3-128 of the file's bytes as stored, in hexadecimal; of a generated trace, of its parameters
/// and its workload's version; empty for standard input and for pipes, which can't be read twice.
/// Throws InputError.
std::string hash_of_trace(const std::string& path);

}  // namespace eptsim::sim
