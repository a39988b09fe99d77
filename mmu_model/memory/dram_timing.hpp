#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mmu_model/counters.hpp"
#include "mmu_model/cycle.hpp"
#include "mmu_model/settings.hpp"

namespace eptsim::mmu {

/// The data bus of a channel: who has reserved it when. A reservation takes the first time in which
/// the bus is free, be it before others made earlier.
class DataBus {
 public:
  /// From when on it is there for `cycles`, not before `earliest`. What is over at `now` is of no
  /// further interest.
  Cycle reserve(Cycle earliest, unsigned cycles, Cycle now);

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(reserved_);
  }

 private:
  std::vector<Cycle> reserved_;  ///< from when on, sorted; all are as long
};

/// When DRAM has read or written a line. In the plain model that takes `DramSettings::cycles`, any
/// number of them at a time. In the banked one each access reserves its bank, in the order of the
/// calls, and then the bus of its channel.
///
/// A line's number is, from its low bits up: channel, column (the line within a row), bank, row.
class DramTiming {
 public:
  explicit DramTiming(const DramSettings& settings);

  /// Both return when it is done. `cycle`: that in which it is asked for; `now`: no later than
  /// that of any call to come.
  Cycle read(std::uint64_t line, Cycle cycle, Cycle now) {
    ++counters_.reads;
    return serve(line, cycle, now);
  }
  Cycle write(std::uint64_t line, Cycle cycle, Cycle now) {
    ++counters_.writes;
    return serve(line, cycle, now);
  }

  /// Counts what a read or a write would and leaves its row open, and takes no time.
  void warm(std::uint64_t line, bool write);

  const DramCounters& counters() const { return counters_; }
  void reset_counters() { counters_ = {}; }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(banks_, buses_, counters_);
  }

 private:
  static constexpr std::uint64_t kNoRow = ~std::uint64_t{0};
  struct Bank {
    std::uint64_t open_row = kNoRow;
    Cycle ready = 0;  ///< for its next command
  };

  Cycle serve(std::uint64_t line, Cycle cycle, Cycle now) {
    return settings_.model == DramModel::kPlain ? cycle + settings_.cycles
                                                : serve_banked(line, cycle, now);
  }
  Cycle serve_banked(std::uint64_t line, Cycle cycle, Cycle now);
  Bank& bank_of(std::uint64_t line);
  unsigned open_row(Bank& bank, std::uint64_t line);

  DramSettings settings_;
  unsigned channel_bits_ = 0;
  unsigned column_bits_ = 0;
  unsigned bank_bits_ = 0;
  std::vector<Bank> banks_;     ///< of all channels, one channel after the other
  std::vector<DataBus> buses_;  ///< by channel
  DramCounters counters_;
};

}  // namespace eptsim::mmu
