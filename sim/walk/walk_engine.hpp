#pragma once

#include <memory>
#include <string_view>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/context.hpp"
#include "sim/walk/walk_answer.hpp"

namespace eptsim::sim {

/// One of the descriptions of the rules, answering requests on one memory and context. All answer
/// alike but for `cycles`.
class WalkEngine {
 public:
  virtual ~WalkEngine() = default;
  /// Answers a request that was checked. Writes go to the memory; `answer` is overwritten.
  virtual void answer(const mmu::Request& request, WalkAnswer& answer) = 0;
};

inline constexpr std::string_view kWalkEngines[] = {"model", "systemc", "rtl", "oracle"};

/// The engine called `name`; `context` and `memory` must outlive it. `memory_cycles` is the latency
/// that `cycles` is counted with. Throws InputError for an unknown name, and for a feature of the
/// context that the engine lacks, by name.
std::unique_ptr<WalkEngine> make_walk_engine(std::string_view name, const mmu::Context& context,
                                             arch::PhysicalMemory& memory, unsigned memory_cycles);

}  // namespace eptsim::sim
