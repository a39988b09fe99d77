#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mmu_model/counters.hpp"
#include "mmu_model/cycle.hpp"
#include "mmu_model/settings.hpp"

namespace eptsim::mmu {

/// When DRAM has read or written a line. In the plain model that takes `DramSettings::cycles`, any
/// number of them at a time. In the banked one each access reserves its bank and its channel's bus,
/// in the order of the calls, whose cycles may lie a little apart.
///
/// A line's number is, from its low bits up: channel, column (the line within a row), bank, row.
class DramTiming {
 public:
  explicit DramTiming(const DramSettings& settings);

  /// Both return when it is done; `cycle` is that in which it is asked for.
  Cycle read(std::uint64_t line, Cycle cycle) {
    ++counters_.reads;
    return serve(line, cycle);
  }
  Cycle write(std::uint64_t line, Cycle cycle) {
    ++counters_.writes;
    return serve(line, cycle);
  }

  const DramCounters& counters() const { return counters_; }
  void reset_counters() { counters_ = {}; }

 private:
  static constexpr std::uint64_t kNoRow = ~std::uint64_t{0};
  struct Bank {
    std::uint64_t open_row = kNoRow;
    Cycle ready = 0;  ///< for its next command
  };

  Cycle serve(std::uint64_t line, Cycle cycle) {
    return settings_.model == DramModel::kPlain ? cycle + settings_.cycles
                                                : serve_banked(line, cycle);
  }
  Cycle serve_banked(std::uint64_t line, Cycle cycle);

  DramSettings settings_;
  unsigned channel_bits_ = 0;
  unsigned column_bits_ = 0;
  unsigned bank_bits_ = 0;
  std::vector<Bank> banks_;      ///< of all channels, one channel after the other
  std::vector<Cycle> bus_free_;  ///< by channel
  DramCounters counters_;
};

}  // namespace eptsim::mmu
