#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/trace/record.hpp"
#include "sim/trace/trace_file.hpp"

namespace eptsim::sim {

/// Writes a trace as ChampSim reads it, a record of 64 bytes an instruction (docs/trace-format.md).
/// The format has no sizes, and no branches are known: every instruction is a plain one. An access
/// stands with its first byte. What doesn't fit one record, more than four loads or two stores,
/// goes on in the next, with the same instruction pointer. That an address was loaded is told by
/// registers, of which there are enough for the last 128 loads.
class ChampsimWriter {
 public:
  /// Throws InputError if the file can't be made.
  explicit ChampsimWriter(const std::string& path) : file_(path) {}

  /// Throws InputError if it can't be written, or if the record is of another vCPU, machine or
  /// address space than the first: the format has but one.
  void add(const Record& record);
  void finish();

  struct Counts {
    std::uint64_t accesses = 0;      ///< fetches among them
    std::uint64_t instructions = 0;  ///< records written
    std::uint64_t events = 0;        ///< left out
    std::uint64_t dependences = 0;  ///< left out: of loads too long ago, or of the same instruction
  };
  const Counts& counts() const { return counts_; }

 private:
  static constexpr std::size_t kLoads = 4;
  static constexpr std::size_t kStores = 2;

  /// A ChampSim record under construction.
  struct Instruction {
    std::uint64_t ip = 0;
    std::uint64_t first_load = 0;  ///< number of its first, and of the next one if it has none
    std::array<std::uint64_t, kLoads> loads{};
    std::array<std::uint64_t, kStores> stores{};
    std::size_t load_count = 0;
    std::size_t store_count = 0;
    std::array<std::uint8_t, 2> written{};  ///< registers
    std::size_t written_count = 0;
    std::array<std::uint8_t, 4> read{};
    std::size_t read_count = 0;
  };

  void begin(std::uint64_t ip);
  void begin_instructions(const Record& record);
  void add_access(const Record& record);
  void depend_on(const Record& record);
  void write(const Instruction& instruction);

  TraceFile file_;
  bool has_first_ = false;
  Record first_;
  bool open_ = false;  ///< there is an instruction to write
  Instruction instruction_;
  std::uint64_t loads_ = 0;
  std::vector<std::uint8_t> bytes_;
  Counts counts_;
};

}  // namespace eptsim::sim
