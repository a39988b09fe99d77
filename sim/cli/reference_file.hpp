#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "mmu_model/memory/memory_observer.hpp"
#include "sim/input_error.hpp"
#include "sim/trace/trace_file.hpp"

namespace eptsim::sim {

/// What is written of a run's references to memory, where, and how: docs/interchange.md.
struct ReferenceOptions {
  enum class Format : std::uint8_t {
    kRamulator2,  ///< "LD 0x1f40", "ST 0x1f40"
    kDramsim3,    ///< "0x1f40 READ 812", "0x1f40 WRITE 812"
  };
  enum class Place : std::uint8_t {
    kWalker,  ///< every reference, as it leaves a walker
    kDram,    ///< every line that DRAM is asked for
  };

  std::string path;
  Format format = Format::kRamulator2;
  Place place = Place::kWalker;
  bool data = false;  ///< at kDram: lines for the program's data and fetches too
};

/// The file of a run's references to memory. It has those that are counted, in the order of their
/// cycles, those of one cycle in the order in which memory took them.
class ReferenceFile final : public mmu::MemoryObserver {
 public:
  /// `counting`: from the beginning on, for there is no warm-up. Throws InputError if the file
  /// can't be made.
  ReferenceFile(const ReferenceOptions& options, bool counting);

  void see_reference(mmu::Cycle cycle, arch::Hpa address, bool write) override;
  void see_line(mmu::Cycle now, mmu::Cycle cycle, arch::Hpa line, bool write,
                mmu::AccessOrigin origin) override;
  void see_reset() override { counting_ = true; }

  /// Gives the file its name. Throws InputError if it couldn't be written.
  void finish();

 private:
  struct Line {
    mmu::Cycle cycle;
    std::uint64_t number;  ///< of the call
    arch::Hpa address;
    bool write;
    bool operator>(const Line& other) const {
      return cycle != other.cycle ? cycle > other.cycle : number > other.number;
    }
  };

  void write_until(mmu::Cycle cycle);
  void write(mmu::Cycle cycle, arch::Hpa address, bool write);
  void write_out();

  ReferenceOptions options_;
  TraceFile file_;
  bool counting_;
  std::optional<mmu::Cycle> first_;  ///< cycle of the first line
  std::string text_;
  std::uint64_t lines_ = 0;
  std::priority_queue<Line, std::vector<Line>, std::greater<>> waiting_;
  std::optional<InputError> error_;
};

}  // namespace eptsim::sim
