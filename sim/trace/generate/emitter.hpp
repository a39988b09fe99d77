#pragma once

#include <cstdint>

#include "sim/trace/record.hpp"

namespace eptsim::sim::generate {

constexpr std::uint64_t kCode = 0x40'1000;      ///< where a program's loops stand
constexpr std::uint64_t kInitCode = 0x40'1800;  ///< and those that fill its data before

/// One memory access of a loop: what is the same each time it is made.
struct Site {
  std::uint64_t ip = 0;
  RecordKind kind = RecordKind::kRead;
  std::uint16_t size = 8;
  std::uint32_t instructions = 1;  ///< from the access before to this one, itself included
};

/// Where a program's step puts its accesses.
class Emitter {
 public:
  explicit Emitter(Record* at) : at_(at) {}

  void access(const Site& site, std::uint64_t address, std::uint32_t depends_on = 0) {
    Record& record = *at_++;
    record.address = address;
    record.ip = site.ip;
    record.instructions = site.instructions;
    record.depends_on = depends_on;
    record.size = site.size;
    record.asid = 0;
    record.kind = site.kind;
    record.vcpu = 0;
    record.vm = 0;
  }
  const Record* end() const { return at_; }

 private:
  Record* at_;
};

}  // namespace eptsim::sim::generate
