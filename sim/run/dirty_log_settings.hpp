#pragma once

#include <cstdint>
#include <vector>

namespace eptsim::sim {

/// How a hypervisor learns which pages its guest writes.
enum class DirtyTracking : std::uint8_t {
  kOff,
  kWriteProtect,  ///< the first write to a page in a round is an EPT violation
  kPml,           ///< hardware sets the EPT's dirty flags, and logs the page with each
};

/// When large pages, which tell too little, are divided.
enum class DirtySplit : std::uint8_t {
  kEager,  ///< all, when logging begins
  kLazy,   ///< each, when it is first written
};

/// Dirty logging, as for a live migration: docs/dirty-logging.md.
struct DirtyLogSettings {
  DirtyTracking tracking = DirtyTracking::kOff;
  DirtySplit split = DirtySplit::kEager;
  std::uint64_t interval = 1'000'000;  ///< accesses of the core that the machine's first vCPU is on
  std::uint64_t rounds = 0;            ///< after which logging ends; 0: never
  unsigned entry_cycles = 20;          ///< of software, for an entry of a table or a log
};

/// What the logging of one machine, or of several, came to.
struct DirtyLogCounts {
  std::uint64_t turns = 0;             ///< exits at which logging began, or a round was collected
  std::uint64_t rounds = 0;            ///< collected
  std::uint64_t pages = 0;             ///< of 4 KiB, that they found dirty, all told
  std::uint64_t protected_writes = 0;  ///< EPT violations by writes to write-protected pages
  std::uint64_t full_logs = 0;         ///< exits for a full page-modification log
  std::uint64_t logged = 0;            ///< entries that hardware wrote into such logs
  std::uint64_t entries = 0;           ///< of EPTs, that software visited
  std::uint64_t splits = 0;            ///< large pages divided into 512
  std::uint64_t merges = 0;            ///< and such made again
  std::uint64_t cycles = 0;            ///< on all cores, exits included

  DirtyLogCounts& operator+=(const DirtyLogCounts& more);
  /// What came since `before`.
  DirtyLogCounts operator-(const DirtyLogCounts& before) const;
};

/// A round that has been collected.
struct DirtyRound {
  std::uint16_t vm = 0;      ///< as the trace numbers it
  std::uint64_t pages = 0;   ///< of 4 KiB, dirtied in it
  std::uint64_t cycles = 0;  ///< that the core which collected it spent on that
};

}  // namespace eptsim::sim
