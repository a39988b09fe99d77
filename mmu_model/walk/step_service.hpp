#pragma once

#include <cstdint>

#include "ept/arch/address.hpp"
#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/walk.hpp"
#include "mmu_model/word_access.hpp"

namespace eptsim::mmu {

/// Carries out a step that is for memory, at once, and gives what the walk's next answer must hold
/// as its value. Wanted: Step, or a walker's MemoryRequest. Recorder: Recording or NoRecording
/// (translate.hpp); a swap that failed is no write.
template <class Wanted, class Recorder>
std::uint64_t serve(const Wanted& step, arch::PhysicalMemory& memory, Recorder& recorder) {
  const arch::Hpa address(step.address);
  switch (step.kind) {
    case StepKind::kRead: {
      const std::uint64_t entry = read(memory, address, step.size);
      recorder.reference({step.place, step.address, entry});
      return entry;
    }
    case StepKind::kLoad: return read(memory, address, step.size);
    case StepKind::kCompareExchange: {
      const std::uint64_t found =
          compare_exchange(memory, address, step.size, step.expected, step.desired);
      if (found == step.expected) recorder.write({step.address, step.size, step.desired});
      return found;
    }
    case StepKind::kWrite:
      write(memory, address, step.size, step.desired);
      recorder.write({step.address, step.size, step.desired});
      break;
    case StepKind::kLookup:
    case StepKind::kDone: break;  // not for memory
  }
  return 0;
}

}  // namespace eptsim::mmu
