#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "sim/trace/record.hpp"
#include "sim/trace/recording.hpp"

namespace eptsim::sim {

/// Finds the load that gave an access its address: the latest of the thread's last loads of 8 bytes
/// whose value is the address, or lies a little below it as a pointer to an object does.
class DependenceFinder {
 public:
  /// Notes that load `number` (from 0) gave `value`.
  void loaded(std::uint64_t number, std::uint64_t value);
  /// How many loads ago the address was loaded, for an access after `loads` loads; 0: not found.
  std::uint32_t depends_on(std::uint64_t loads, std::uint64_t address) const;

 private:
  static constexpr std::uint64_t kWindow = 256;  ///< loads; a core doesn't hold more in flight
  static constexpr unsigned kGranuleShift = 8;   ///< values are looked for by 256 bytes
  static constexpr std::uint64_t kReach = 1024;  ///< bytes of an object behind its pointer
  static constexpr std::size_t kEntries = 1024;

  struct Entry {
    std::uint64_t value = 0;
    std::uint64_t number = 0;
  };
  std::array<Entry, kEntries> entries_ = {};
};

/// Turns the plugin's events into records.
class RecordedEvents {
 public:
  using Sink = std::function<void(std::span<const Record>)>;

  /// `code` is the plugin's code area. Without `fetches` only data accesses become records, and the
  /// instructions between them are counted.
  RecordedEvents(const std::uint64_t* code, bool fetches, Sink sink)
      : code_(code), fetches_(fetches), sink_(std::move(sink)) {}

  /// Takes the next events of a thread.
  void add(std::uint32_t thread, std::span<const std::uint64_t> words);
  /// Gives what is still held back.
  void finish();

 private:
  struct ThreadState {
    const std::uint64_t* code = nullptr;  ///< of the piece that runs: its instructions
    std::uint64_t instruction_count = 0;
    std::uint64_t begun = 0;  ///< instructions of the piece
    std::uint64_t ip = 0;     ///< of the last one begun
    std::uint32_t uncounted = 0;
    std::uint64_t loads = 0;
    bool has_held = false;  ///< a load waits for whether a store makes it a modify
    Record held;
    DependenceFinder dependences;
  };

  void begin_instructions(ThreadState& thread, std::uint64_t up_to, std::uint32_t number);
  void access(ThreadState& thread, std::uint64_t event, std::uint64_t value, std::uint32_t number);
  void release(ThreadState& thread);
  void give(const Record& record);

  const std::uint64_t* code_;
  bool fetches_;
  Sink sink_;
  std::unordered_map<std::uint32_t, ThreadState> threads_;
  std::vector<Record> batch_;
};

}  // namespace eptsim::sim
