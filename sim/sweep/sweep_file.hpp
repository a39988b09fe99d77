#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cli/schemes.hpp"
#include "sim/settings/machine.hpp"
#include "sim/sweep/column.hpp"

/// A sweep, as its file describes it: docs/sweeps.md.
namespace eptsim::sim::sweep {

/// One of the values of an axis. What it chooses depends on the axis.
struct Value {
  std::string name;   ///< as results show it
  std::string place;  ///< in the file: "sweep.toml:4:12"
  std::string machine;
  std::optional<Scheme> scheme;
  std::vector<std::string> traces;   ///< that run side by side
  std::vector<Assignment> settings;  ///< of a setting, or of a variant
  std::optional<std::uint64_t> number;
};

/// What is varied.
struct Axis {
  enum class Kind : std::uint8_t { kMachine, kScheme, kTrace, kSetting, kVariant };

  Kind kind = Kind::kSetting;
  std::string name;
  std::string place;
  std::vector<Value> values;

  /// Whether its values are numbers, so that they have an order.
  bool numeric() const;
};

/// The options that hold for every point, as of `eptsim run`.
struct FixedOptions {
  std::uint64_t warmup = 0;
  std::optional<std::uint64_t> limit;
  std::uint64_t seed = 1;
  Detail detail = Detail::kFull;
  WalkerKind walker = WalkerKind::kModel;
  std::optional<bool> fetch;
  std::optional<std::string> format;
};

struct Sweep {
  std::string title;
  std::vector<Axis> axes;            ///< in the file's order; the last varies fastest
  std::vector<Assignment> settings;  ///< of every point
  FixedOptions options;
  std::vector<Column> columns;  ///< of the results
  std::vector<Column> plots;    ///< those that are drawn

  /// The values of the axis of this kind; nothing if there is none.
  const Axis* axis(Axis::Kind kind) const;
};

/// Reads `text`. `name` is for messages; relative paths start from `folder`. Throws InputError with
/// file, line and column for whatever can be told without opening another file.
Sweep read_sweep(std::string_view text, const std::string& name,
                 const std::filesystem::path& folder);

}  // namespace eptsim::sim::sweep
