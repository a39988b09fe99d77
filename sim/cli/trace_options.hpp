#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/cli/command.hpp"

namespace eptsim::sim {

/// What the commands that write a trace have in common.
class TraceOptions {
 public:
  /// `counted` is what --skip and --limit count, `level` zstd's level by default.
  void declare(Options& options, const std::string& counted, int level);

  std::uint64_t skip() const { return skip_.value_or(0); }
  /// 0 without one. Throws InputError, as all below.
  std::uint64_t limit() const;
  bool fetches() const;
  int level() const;
  std::vector<std::pair<std::string, std::string>> notes() const;
  /// Whether something was said that other formats have no place for.
  bool is_for_own_format() const { return level_ || !notes_.empty(); }

 private:
  int default_level_ = 0;
  std::optional<std::uint64_t> skip_;
  std::optional<std::uint64_t> limit_;
  std::optional<std::uint64_t> level_;
  std::optional<std::string> fetch_;
  std::vector<std::string> notes_;
};

}  // namespace eptsim::sim
