#include "mmu_model/memory/dram_timing.hpp"

#include <algorithm>
#include <bit>

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
  const std::uint64_t row_of_all = line >> channel_bits_ >> column_bits_;
  Bank& bank = banks_[(channel << bank_bits_) + low_bits(row_of_all, bank_bits_)];
  const std::uint64_t row = row_of_all >> bank_bits_;

  Cycle column = std::max(cycle + settings_.controller_cycles, bank.ready);
  if (bank.open_row == row) {
    ++counters_.row_hits;
  } else if (bank.open_row == kNoRow) {
    ++counters_.row_misses;
    column += settings_.trcd;
  } else {
    ++counters_.row_conflicts;
    column += settings_.trp + settings_.trcd;
  }
  bank.open_row = row;
  // The column's command waits, if it must, until the bus is free for its data.
  const unsigned burst = settings_.burst_cycles;
  const Cycle data = buses_[channel].reserve(column + settings_.tcas, burst, now);
  bank.ready = data + burst - settings_.tcas;
  return data + burst;
}

}  // namespace eptsim::mmu
