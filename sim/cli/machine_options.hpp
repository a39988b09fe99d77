#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/cli/command.hpp"
#include "sim/settings/machine.hpp"

namespace eptsim::sim {

/// The options that name a machine, and change settings of it: the same wherever there is one.
class MachineOptions {
 public:
  /// `usual` is the machine if none is named, `purpose` what it is for, in the help.
  MachineOptions(std::string usual, std::string purpose)
      : usual_(std::move(usual)), purpose_(std::move(purpose)) {}

  void declare(Options& options);
  /// `--set` alone, where the machine is an argument.
  void declare_changes(Options& options);

  std::string name() const { return name_.value_or(usual_); }
  /// As `--set` has them.
  const std::vector<std::string>& changes() const { return changes_; }
  /// The same, taken apart. Throws InputError.
  std::vector<Assignment> assignments() const;
  /// Whether anything was said.
  bool given() const { return name_.has_value() || !changes_.empty(); }

 private:
  std::string usual_;
  std::string purpose_;
  std::optional<std::string> name_;
  std::vector<std::string> changes_;
};

/// The machines that are built in, for shells to complete.
std::vector<std::string> preset_names();
/// Every setting: "tlb.l2.entries".
std::vector<std::string> setting_keys();

}  // namespace eptsim::sim
