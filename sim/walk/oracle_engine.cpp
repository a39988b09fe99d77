#include "sim/walk/oracle_engine.hpp"

#include "testbench/oracle_adapter.hpp"

namespace eptsim::sim {

OracleEngine::OracleEngine(const mmu::Context& context, arch::PhysicalMemory& memory)
    : state_(tb::state_of(context)),
      memory_{.read64 = [&memory](std::uint64_t at) { return memory.read64(arch::Hpa(at)); },
              .write64 = [&memory](std::uint64_t at,
                                   std::uint64_t value) { memory.write64(arch::Hpa(at), value); }} {
}

void OracleEngine::answer(const mmu::Request& request, WalkAnswer& answer) {
  const oracle::Result result = oracle::translate(state_, tb::access_of(request), memory_);
  answer.outcome = tb::outcome_of(result);
  answer.address = result.gva;
  answer.second.reset();
  if (result.second) answer.second = tb::outcome_of(*result.second);
  answer.recording = tb::recording_of(result);
  answer.cycles = 0;
}

std::optional<std::string> OracleEngine::missing(const mmu::Request& request) const {
  return oracle::unsupported(state_, tb::access_of(request));
}

}  // namespace eptsim::sim
