#include "sim/cli/core_traces.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "sim/trace/own_reader.hpp"

namespace eptsim::sim {
namespace {

constexpr unsigned kLinearAddressBits = 48;  // guests of this version page with 4 levels

bool can_be_read_again(const std::string& path) {
  std::error_code ignored;  // opening it says what is wrong
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  return path != "-" && !std::filesystem::is_fifo(status) && !std::filesystem::is_other(status);
}

/// Whether that can be told of a trace in the own format without reading its records.
bool is_of_one_vcpu(const std::string& path) {
  try {
    return !OwnTraceFile(path).has_contexts();
  } catch (const InputError&) {
    return false;  // compressed as a whole, or damaged
  }
}

}  // namespace

CoreTracesOf::CoreTracesOf(const std::vector<std::string>& paths,
                           const std::optional<std::string>& format, const Machine& machine)
    : paths_(paths), format_(format), as_machines_(machine.traces_are_machines) {
  for (std::size_t trace = 0; trace < paths_.size(); ++trace) {
    opened_.push_back(open(trace));
    find_vcpus(trace);
  }
  traces_.resize(paths_.size());
  const auto vcpus = static_cast<unsigned>(vcpus_.size());
  const unsigned cores = machine.cores == 0 ? vcpus : std::min(machine.cores, vcpus);
  cores_.resize(cores);
  for (unsigned core = 0; core < cores; ++core) {
    for (unsigned vcpu = core; vcpu < vcpus;) {
      const std::size_t trace = vcpus_[vcpu].trace;
      std::vector<VcpuReader::Renamed> names;
      for (; vcpu < vcpus && vcpus_[vcpu].trace == trace; vcpu += cores) {
        names.push_back(vcpus_[vcpu].name);
        if (machine.time_slice != 0) add_stream(core, trace, std::exchange(names, {}));
      }
      if (!names.empty()) add_stream(core, trace, std::move(names));
    }
  }
}

std::unique_ptr<TraceReader> CoreTracesOf::open(std::size_t trace) const {
  return open_trace(paths_[trace], format_, kLinearAddressBits);
}

/// Only the own format tells vCPUs apart, and a pipe can't be read for them beforehand: then the
/// trace is of one, and so is an empty one.
void CoreTracesOf::find_vcpus(std::size_t trace) {
  std::vector<VcpuName> names;
  const bool tells = opened_[trace]->format() == kOwnFormatName;
  const bool alone = paths_.size() == 1;
  if (tells && can_be_read_again(paths_[trace])) {
    if (!is_of_one_vcpu(paths_[trace])) names = vcpus_of(*open(trace));
  } else if (tells && !alone) {
    throw InputError(paths_[trace],
                     "can't be read twice, for its vCPUs first, expected a regular file beside "
                     "other traces");
  }
  if (names.empty()) names.emplace_back();
  for (const VcpuName& from : names) {
    VcpuName to = from;
    if (!alone) {
      // A machine of the trace's own, or one that all traces share.
      const std::size_t machine = as_machines_ ? from.vm * paths_.size() + trace : from.vm;
      const auto number = static_cast<std::size_t>(std::ranges::count(
          vcpus_, machine, [](const Vcpu& vcpu) { return std::size_t{vcpu.name.to.vm}; }));
      to.vm = static_cast<std::uint16_t>(machine);
      to.vcpu = static_cast<std::uint8_t>(number);
      if (to.vm != machine || to.vcpu != number) {
        throw InputError(paths_[trace], "has too many vCPUs to be run beside other traces");
      }
    }
    vcpus_.push_back({trace, {from, to}});
  }
}

/// A trace that has nothing else, and keeps its names, is read as it is.
void CoreTracesOf::add_stream(unsigned core, std::size_t trace,
                              std::vector<VcpuReader::Renamed> vcpus) {
  std::unique_ptr<TraceReader> reader = std::move(opened_[trace]);
  if (reader == nullptr) {
    if (!can_be_read_again(paths_[trace])) {
      throw InputError(paths_[trace], "can't be read for each core, expected a regular file");
    }
    reader = open(trace);
  }
  const auto all = static_cast<std::size_t>(
      std::ranges::count(vcpus_, trace, [](const Vcpu& vcpu) { return vcpu.trace; }));
  const bool whole = paths_.size() == 1 && vcpus.size() == all;
  std::string name = paths_[trace];
  if (!whole) {
    if (vcpus.size() < all) name += ", vCPU " + std::to_string(vcpus.front().from.vcpu);
    reader = std::make_unique<VcpuReader>(std::move(reader), std::move(vcpus),
                                          static_cast<unsigned>(trace),
                                          static_cast<unsigned>(paths_.size()));
  }
  if (traces_[trace] == nullptr) traces_[trace] = reader.get();
  cores_[core].push_back({reader.get(), std::move(name)});
  readers_.push_back(std::move(reader));
}

bool CoreTracesOf::have_fetches() const {
  return std::ranges::all_of(traces_,
                             [](const TraceReader* trace) { return trace->has_fetches(); });
}

std::optional<double> CoreTracesOf::fraction_read(std::uint64_t accesses) const {
  std::uint64_t total = 0;
  bool known = true;
  std::optional<double> most;
  for (const TraceReader* trace : traces_) {
    if (const auto all = trace->total_accesses()) {
      total += *all;
    } else {
      known = false;
    }
    if (const auto read = trace->fraction_read()) most = std::max(most.value_or(0), *read);
  }
  if (known && total > 0) return static_cast<double>(accesses) / static_cast<double>(total);
  return most;
}

}  // namespace eptsim::sim
