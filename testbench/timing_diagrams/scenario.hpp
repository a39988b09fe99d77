#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "mmu_model/walker/configuration.hpp"
#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::tb {

/// A few cycles of a walker's ports, as docs/microarchitecture.md draws them: which requests come
/// when, how memory answers, who holds up whom.
struct Scenario {
  struct Offer {
    mmu::Cycle cycle = 0;  ///< the first in which it is offered
    std::uint64_t address = 0;
    arch::AccessKind access = arch::AccessKind::kRead;
  };

  std::string file;   ///< without extension
  std::string title;  ///< above the drawing
  std::string configuration;
  bool nested = false;  ///< with an EPT of 1 GiB pages; else EPT is off
  std::vector<Offer> offers;
  mmu::Cycle latency = 2;                   ///< from a memory request taken to its answer
  std::vector<mmu::Cycle> memory_held{};    ///< cycles in which memory is not ready
  std::vector<mmu::Cycle> response_held{};  ///< cycles in which the response's taker is not ready
  std::vector<mmu::Cycle> invalidations{};  ///< cycles in which everything is invalidated
};

/// Those of the page, in its order.
const std::vector<Scenario>& scenarios();

/// Runs `scenario` on `walker`, which has that configuration, until nothing is in flight. Returns
/// WaveJSON.
std::string draw(const Scenario& scenario, mmu::WalkerUnit& walker);

}  // namespace eptsim::tb
