#include "mmu_model/memory/dram_timing.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "mmu_model/memory/line_array.hpp"

namespace eptsim::mmu {
namespace {

unsigned log2_of(std::uint64_t power) { return static_cast<unsigned>(std::countr_zero(power)); }

std::uint64_t low_bits(std::uint64_t value, unsigned bits) {
  return value & ((std::uint64_t{1} << bits) - 1);
}

}  // namespace

Cycle DataBus::reserve(Cycle earliest, unsigned cycles, Cycle now) {
  const auto is_over = [=](Cycle by) { return [=](Cycle from) { return from + cycles <= by; }; };
  reserved_.erase(reserved_.begin(), std::ranges::partition_point(reserved_, is_over(now)));
  auto next = std::ranges::partition_point(reserved_, is_over(earliest));
  Cycle from = earliest;
  for (; next != reserved_.end() && *next < from + cycles; ++next) from = *next + cycles;
  reserved_.insert(next, from);
  return from;
}

DramTiming::DramTiming(const DramSettings& settings) : settings_(settings) {
  if (settings.model == DramModel::kPlain) return;
  channel_bits_ = log2_of(settings.channels);
  column_bits_ = log2_of(settings.row_bytes / kLineBytes);
  bank_bits_ = log2_of(settings.banks);
  banks_.resize(std::size_t{settings.channels} * settings.banks);
  buses_.resize(settings.channels);
}

Cycle DramTiming::serve_banked(std::uint64_t line, Cycle cycle, Cycle now) {
  const std::size_t channel = low_bits(line, channel_bits_);
  Bank& bank = bank_of(line);
  const Cycle column =
      std::max(cycle + settings_.controller_cycles, bank.ready) + open_row(bank, line);
  // The column's command waits, if it must, until the bus is free for its data.
  const unsigned burst = settings_.burst_cycles;
  const Cycle data = buses_[channel].reserve(column + settings_.tcas, burst, now);
  bank.ready = data + burst - settings_.tcas;
  return data + burst;
}

DramTiming::Bank& DramTiming::bank_of(std::uint64_t line) {
  const std::size_t channel = low_bits(line, channel_bits_);
  return banks_[(channel << bank_bits_) +
                low_bits(line >> channel_bits_ >> column_bits_, bank_bits_)];
}

/// Opens the line's row, and returns the cycles until a column of it may be asked for.
unsigned DramTiming::open_row(Bank& bank, std::uint64_t line) {
  const std::uint64_t row = line >> channel_bits_ >> column_bits_ >> bank_bits_;
  const std::uint64_t before = std::exchange(bank.open_row, row);
  if (before == row) {
    ++counters_.row_hits;
    return 0;
  }
  if (before == kNoRow) {
    ++counters_.row_misses;
    return settings_.trcd;
  }
  ++counters_.row_conflicts;
  return settings_.trp + settings_.trcd;
}

void DramTiming::warm(std::uint64_t line, bool write) {
  ++(write ? counters_.writes : counters_.reads);
  if (settings_.model == DramModel::kBanked) open_row(bank_of(line), line);
}

}  // namespace eptsim::mmu
