#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/run/simulation.hpp"
#include "sim/run/vcpu_reader.hpp"

namespace eptsim::sim {

/// The traces of a run, opened, their vCPUs given to the cores: in the order of the traces, and
/// within one of their first records, one to each core and round again. Without time slices the
/// vCPUs of one trace that share a core come as the trace has them.
class CoreTracesOf {
 public:
  /// Throws InputError for what can't be opened, and for a pipe that would have to be read more
  /// than once.
  CoreTracesOf(const std::vector<std::string>& paths, const std::optional<std::string>& format,
               const Machine& machine);

  const std::vector<CoreTraces>& cores() const { return cores_; }
  /// A reader of each trace, for what it says of itself.
  const std::vector<const TraceReader*>& traces() const { return traces_; }
  /// Whether each has instruction fetches.
  bool have_fetches() const;
  /// How much of the traces is read after so many accesses, where that is known.
  std::optional<double> fraction_read(std::uint64_t accesses) const;

 private:
  struct Vcpu {
    std::size_t trace;
    VcpuReader::Renamed name;
  };

  std::unique_ptr<TraceReader> open(std::size_t trace) const;
  void find_vcpus(std::size_t trace);
  void add_stream(unsigned core, std::size_t trace, std::vector<VcpuReader::Renamed> vcpus);

  const std::vector<std::string>& paths_;
  std::optional<std::string> format_;
  bool as_machines_;
  std::vector<Vcpu> vcpus_;
  std::vector<std::unique_ptr<TraceReader>> opened_;  ///< not yet given to a core
  std::vector<std::unique_ptr<TraceReader>> readers_;
  std::vector<const TraceReader*> traces_;
  std::vector<CoreTraces> cores_;
};

}  // namespace eptsim::sim
