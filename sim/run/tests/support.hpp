#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sim/run/simulation.hpp"

/// What the tests of runs share: traces made by hand, and a small machine.
namespace eptsim::sim {

/// A trace in memory. If `error` is set, it is thrown where the trace would have ended.
class MemoryTrace final : public TraceReader {
 public:
  explicit MemoryTrace(std::vector<Record> records, std::optional<InputError> error = std::nullopt)
      : records_(std::move(records)), error_(std::move(error)) {}

  std::size_t read(std::span<Record> records) override {
    const std::size_t count = std::min(records.size(), records_.size() - next_);
    if (count == 0 && error_) throw *error_;
    std::copy_n(records_.begin() + static_cast<std::ptrdiff_t>(next_), count, records.begin());
    next_ += count;
    return count;
  }
  std::string_view format() const override { return "memory"; }
  bool has_fetches() const override { return true; }

 private:
  std::vector<Record> records_;
  std::optional<InputError> error_;
  std::size_t next_ = 0;
};

/// A trace that says where its program has memory.
class TraceWithAreas final : public TraceReader {
 public:
  TraceWithAreas(std::vector<Record> records, std::vector<LinearArea> areas)
      : records_(std::move(records)), areas_(std::move(areas)) {}
  std::size_t read(std::span<Record> records) override { return records_.read(records); }
  std::string_view format() const override { return records_.format(); }
  bool has_fetches() const override { return false; }
  std::vector<LinearArea> areas() const override { return areas_; }

 private:
  MemoryTrace records_;
  std::vector<LinearArea> areas_;
};

inline Record record(RecordKind kind, std::uint64_t address, std::uint16_t size = 8) {
  return {.address = address, .ip = 0x401000, .instructions = 1, .size = size, .kind = kind};
}
inline Record read(std::uint64_t address) { return record(RecordKind::kRead, address); }
inline Record write(std::uint64_t address) { return record(RecordKind::kWrite, address); }
/// An event, which is no instruction of the program's own here.
inline Record event(RecordKind kind, std::uint64_t address = 0) {
  return {.address = address, .kind = kind};
}

inline constexpr std::uint64_t kHeap = 0x7f12'3456'0000;  // in the middle of everything
inline constexpr std::uint64_t kPageBytes = 4096;

/// A core that waits for each translation, small fully associative TLBs, memory of 10 cycles, exits
/// of 100 + 200 cycles.
inline RunSettings small_machine(Mode mode = Mode::kNested) {
  RunSettings settings;
  mmu::MachineSettings& hardware = settings.machine.hardware;
  hardware.l1i.unified = {.entries = 4, .ways = 4};
  hardware.l1d.unified = {.entries = 4, .ways = 4};
  hardware.l2.unified = {.entries = 8, .ways = 8};
  hardware.l2.hit_cycles = 7;
  hardware.memory.dram.cycles = 10;
  settings.machine.exit_cycles = 100;
  settings.machine.handler_cycles = 200;
  settings.mode = mode;
  settings.detail = Detail::kTranslation;
  settings.trace_name = "trace";
  return settings;
}
/// Rounds of so many accesses; none at 0. Software's work on entries is free.
inline DirtyLogSettings write_protection(std::uint64_t interval) {
  if (interval == 0) return {};
  return {.tracking = DirtyTracking::kWriteProtect, .interval = interval, .entry_cycles = 0};
}
inline constexpr std::uint64_t kL2Cycles = 7;
inline constexpr std::uint64_t kExitCycles = 300;

/// What a walk of `steps` references and flag updates counts in the walker, without caches: its
/// first step, and a cycle and memory's ten for each.
constexpr std::uint64_t walk_cycles(std::uint64_t steps) { return 1 + steps * (10 + 1); }
/// What the core loses to it: the request holds a cycle after it is made, the walk begins a cycle
/// after it is taken, and the core goes on the cycle after the response.
constexpr std::uint64_t lost_cycles(std::uint64_t steps) { return walk_cycles(steps) + 3; }

inline RunResult run(const RunSettings& settings, MemoryTrace& trace) {
  const std::atomic<bool> stop{false};
  return simulate(settings, trace, stop);
}
inline RunResult run(const RunSettings& settings, std::vector<Record> records) {
  MemoryTrace trace(std::move(records));
  return run(settings, trace);
}

/// Of each core one trace, or several that take turns.
using Programs = std::vector<std::vector<std::vector<Record>>>;

inline RunResult run(const RunSettings& settings, const Programs& programs) {
  std::deque<MemoryTrace> traces;
  std::vector<CoreTraces> cores;
  for (const auto& core : programs) {
    CoreTraces& own = cores.emplace_back();
    for (const auto& records : core) own.push_back({&traces.emplace_back(records)});
  }
  const std::atomic<bool> stop{false};
  return simulate(settings, cores, stop);
}

}  // namespace eptsim::sim
