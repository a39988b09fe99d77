#pragma once

#include <cstdint>
#include <vector>

#include "mmu_model/walk/translate.hpp"
#include "testbench/scoreboard/remembrance.hpp"
#include "testbench/stimulus/sparse_memory.hpp"

namespace eptsim::tb {

/// A memory that is written for a while and then as it was.
class TrialMemory final : public arch::PhysicalMemory {
 public:
  explicit TrialMemory(SparseMemory& memory) : memory_(memory) {}
  ~TrialMemory() override { undo(); }

  std::uint64_t read64(arch::Hpa address) const override { return memory_.read64(address); }
  void write64(arch::Hpa address, std::uint64_t value) override;
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override;
  void undo();

 private:
  SparseMemory& memory_;
  std::vector<Word> before_;
};

/// A walk as memory would have it now, with every cache off.
struct UncachedWalk {
  mmu::Outcome outcome = {};
  mmu::Recording recording = {};
  std::uint16_t pml_index = 0;
};

/// Memory stays as it was. Fills in the footprint's reads and guest pages.
UncachedWalk walk_uncached(const mmu::WalkContext& context, const mmu::Request& request,
                           SparseMemory& memory, Footprint& footprint);

}  // namespace eptsim::tb
