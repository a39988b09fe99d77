#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ept/settings.hpp"
#include "mmu_model/walk/context.hpp"
#include "sim/cli/command.hpp"
#include "sim/image/memory_image.hpp"

namespace eptsim::sim {

/// What commands that look at the tables in a memory image are told: the image, where the tables
/// begin, and what the processor can do.
class TableOptions {
 public:
  void declare(Options& options);
  /// And the root of a guest's own tables.
  void declare_guest(Options& options);

  /// The context, as VM entry accepts it: that of `--context`, if given, with what other options
  /// say instead. Throws InputError.
  mmu::Context context() const;
  /// The images, mapped. Throws InputError.
  MemoryImage image() const;
  bool has_guest() const { return cr3_.has_value(); }

 private:
  void take_guest(mmu::Context& context) const;

  std::vector<std::string> memory_;
  std::optional<std::string> context_;
  std::optional<std::uint64_t> eptp_;
  std::optional<std::uint64_t> maxphyaddr_;
  std::optional<std::uint64_t> cr3_;
  std::optional<std::uint64_t> levels_;
};

/// What of a context concerns EPT tables.
ept::Settings ept_settings(const mmu::Context& context);

}  // namespace eptsim::sim
