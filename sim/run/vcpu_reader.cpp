#include "sim/run/vcpu_reader.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

constexpr std::size_t kBatch = 4096;

}  // namespace

std::vector<VcpuName> vcpus_of(TraceReader& trace) {
  std::vector<VcpuName> found;
  std::vector<Record> records(kBatch);
  try {
    while (const std::size_t count = trace.read(records)) {
      for (const Record& record : std::span(records).first(count)) {
        const VcpuName name{record.vm, record.vcpu};
        if (!found.empty() && found.back() == name) continue;  // as nearly always
        if (std::ranges::find(found, name) == found.end()) found.push_back(name);
      }
    }
  } catch (const InputError&) {
    // Whoever runs the trace comes to it too.
  }
  return found;
}

VcpuReader::VcpuReader(std::unique_ptr<TraceReader> trace, std::vector<Renamed> vcpus,
                       unsigned space, unsigned spaces)
    : trace_(std::move(trace)), vcpus_(std::move(vcpus)), space_(space), spaces_(spaces) {}

std::size_t VcpuReader::read(std::span<Record> records) {
  for (;;) {
    const std::size_t count = trace_->read(records);
    if (count == 0) return 0;
    std::size_t kept = 0;
    for (std::size_t next = 0; next < count; ++next) {
      if (!keep(records[next])) continue;
      records[kept++] = records[next];
    }
    if (kept != 0) return kept;
  }
}

/// Renames a record of its vCPUs. Whether it is one.
bool VcpuReader::keep(Record& record) const {
  const auto vcpu = std::ranges::find(vcpus_, VcpuName{record.vm, record.vcpu}, &Renamed::from);
  if (vcpu == vcpus_.end()) return false;
  const unsigned asid = record.asid * spaces_ + space_;
  if (asid > std::numeric_limits<std::uint16_t>::max()) {
    throw InputError(
        "address space " + std::to_string(record.asid),
        "has too large a number to be run beside " + std::to_string(spaces_ - 1) + " other traces");
  }
  record.vm = vcpu->to.vm;
  record.vcpu = vcpu->to.vcpu;
  record.asid = static_cast<std::uint16_t>(asid);
  return true;
}

}  // namespace eptsim::sim
