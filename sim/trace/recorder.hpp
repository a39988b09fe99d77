#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sim/trace/own_format.hpp"

namespace eptsim::sim {

struct RecordOptions {
  std::string output;                ///< the trace, in the own format
  std::vector<std::string> command;  ///< an x86-64 Linux program and its arguments
  std::uint64_t skip = 0;            ///< accesses left out at the start
  std::uint64_t limit = 0;           ///< accesses recorded, 0: all; the program is ended then
  bool fetches = true;               ///< record instruction fetches too
  int level = 3;                     ///< of zstd
  std::vector<std::pair<std::string, std::string>> notes;  ///< for the trace's header
  const std::atomic<bool>* stop = nullptr;  ///< once true, ends the program as a limit does
};

struct RecordResult {
  own::Counts counts;
  int exit_status = 0;   ///< the program's, if it ended by itself
  int signal = 0;        ///< that ended the program, 0: none
  bool limited = false;  ///< the limit was reached, or a stop asked for, and the program ended
  /// What the user must be told, a sentence each: processes and programs that weren't recorded.
  std::vector<std::string> remarks;
};

/// `eptsim trace record`: runs the program under qemu-x86_64 with the plugin of traces/recorder and
/// writes what it does as a trace. The program has this process's standard streams, and addresses
/// are not randomized. While it runs, an interrupt from the terminal ends the program and not the
/// recording. Throws InputError if QEMU, the plugin or the program isn't found, the program isn't
/// one for x86-64, or the output can't be written.
RecordResult record_trace(const RecordOptions& options);

}  // namespace eptsim::sim
