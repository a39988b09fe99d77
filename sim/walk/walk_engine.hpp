#pragma once

#include <memory>
#include <optional>
#include <string>
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
  /// The name of a feature that `request` asks for and this engine lacks, which it may not answer.
  virtual std::optional<std::string> missing(const mmu::Request& request) const {
    static_cast<void>(request);
    return std::nullopt;
  }
};

inline constexpr std::string_view kWalkEngines[] = {"model", "systemc", "rtl", "oracle"};

/// The engine called `name`; `memory` must outlive it. `memory_cycles` is the latency that `cycles`
/// is counted with. With PAE paging and EPT off the PDPTE registers are loaded from memory, here.
/// Throws InputError for an unknown name, for a feature of the context that the engine lacks, by
/// name, and for PDPTEs in memory that MOV to CR3 refuses.
std::unique_ptr<WalkEngine> make_walk_engine(std::string_view name, const mmu::Context& context,
                                             arch::PhysicalMemory& memory, unsigned memory_cycles);

}  // namespace eptsim::sim
