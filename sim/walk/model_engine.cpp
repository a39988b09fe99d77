#include "sim/walk/model_engine.hpp"

#include "mmu_model/walk/translate.hpp"

namespace eptsim::sim {

void ModelEngine::answer(const mmu::Request& request, WalkAnswer& answer) {
  answer.recording.references.clear();
  answer.recording.writes.clear();
  const mmu::TranslateResult result = mmu::translate(context_, request, memory_, answer.recording);
  answer.outcome = result.outcome;
  answer.address = result.address;
  answer.second = result.second;
  const std::size_t requests = answer.recording.references.size() + answer.recording.writes.size();
  // What the walker of one slot takes: its first step, and each request to memory.
  answer.cycles = result.walks + requests * (memory_cycles_ + 1u);
}

}  // namespace eptsim::sim
