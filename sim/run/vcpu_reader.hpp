#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <vector>

#include "sim/trace/reader.hpp"

namespace eptsim::sim {

/// A vCPU as records name it.
struct VcpuName {
  std::uint16_t vm = 0;
  std::uint8_t vcpu = 0;
  auto operator<=>(const VcpuName&) const = default;
};

/// The vCPUs of a trace, which is read to its end, in the order in which they first have a record.
/// Of a damaged trace those before the damage.
std::vector<VcpuName> vcpus_of(TraceReader& trace);

/// The records of some vCPUs of a trace, in its order, under other names. Each reader reads the
/// whole trace by itself, so that none holds records for another however far apart they are.
class VcpuReader final : public TraceReader {
 public:
  struct Renamed {
    VcpuName from;
    VcpuName to;
  };
  /// Address space n becomes n * `spaces` + `space`: those of several traces stay apart.
  VcpuReader(std::unique_ptr<TraceReader> trace, std::vector<Renamed> vcpus, unsigned space,
             unsigned spaces);

  /// Throws InputError as the trace does, and for an address space whose number is too large.
  std::size_t read(std::span<Record> records) override;
  std::string_view format() const override { return trace_->format(); }
  bool has_fetches() const override { return trace_->has_fetches(); }
  std::vector<LinearArea> areas() const override { return trace_->areas(); }
  std::optional<std::uint64_t> total_accesses() const override { return trace_->total_accesses(); }
  std::optional<double> fraction_read() const override { return trace_->fraction_read(); }

 private:
  bool keep(Record& record) const;

  std::unique_ptr<TraceReader> trace_;
  std::vector<Renamed> vcpus_;
  unsigned space_;
  unsigned spaces_;
};

}  // namespace eptsim::sim
