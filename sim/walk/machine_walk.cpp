#include "sim/walk/machine_walk.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include "mmu_model/memory/memory_hierarchy.hpp"
#include "mmu_model/walk/page_parts.hpp"
#include "mmu_model/walk/step_service.hpp"
#include "mmu_model/walker/model_walker.hpp"

namespace eptsim::sim {
namespace {

using mmu::Cycle;

/// The machine's walker before its memory, with nothing else going on.
class Bench {
 public:
  Bench(const mmu::MachineSettings& machine, const mmu::Recording& recording,
        arch::PhysicalMemory& memory)
      : walker_(machine.walker),
        hierarchy_(machine.memory, 1, machine.seed),
        enters_at_(machine.memory.walks_enter_at),
        recording_(recording),
        memory_(memory) {
    result_.reads.resize(recording.references.size());
  }

  mmu::Outcome walk(const mmu::WalkContext& context, const mmu::Request& request) {
    const Cycle taken = now_;
    const mmu::WalkResponse response = walker_.walk_alone(
        {.context = &context, .request = request, .pml_index = pml_index_}, taken,
        [this](const mmu::MemoryRequest& wanted, Cycle cycle) { return serve(wanted, cycle); },
        [](const mmu::CacheLookup&) {});
    pml_index_ = response.pml_index;
    result_.references += response.references;
    result_.cycles += response.cycles;
    now_ = taken + response.cycles + 2;
    return response.outcome;
  }

  const MachineWalk& result() const { return result_; }

 private:
  mmu::ModelWalker::Served serve(const mmu::MemoryRequest& request, Cycle cycle) {
    const bool reads = request.kind == mmu::StepKind::kRead;
    const mmu::Service service =
        hierarchy_.access(0,
                          {.address = arch::Hpa(request.address),
                           .write = request.kind == mmu::StepKind::kCompareExchange ||
                                    request.kind == mmu::StepKind::kWrite,
                           .enters_at = enters_at_,
                           .origin = mmu::AccessOrigin::kWalk},
                          cycle);
    const Cycle cycles = service.answered + 1 - cycle;
    if (reads) {
      MachineWalk::Read& read = read_of(request);
      read.served_by.push_back(service.served_by);
      read.cycles += cycles;
    } else {
      result_.update_cycles += cycles;
    }
    mmu::NoRecording nothing;
    return {mmu::serve(request, memory_, nothing), service.answered};
  }

  /// It reads what the recording has in the same order, but for what is spared, and where it
  /// begins anew.
  MachineWalk::Read& read_of(const mmu::MemoryRequest& request) {
    const auto is_it = [&](const mmu::Reference& reference) {
      return reference.place == request.place && reference.address == request.address;
    };
    const std::vector<mmu::Reference>& all = recording_.references;
    auto found = std::find_if(all.begin() + next_, all.end(), is_it);
    if (found == all.end()) found = std::ranges::find_if(all, is_it);
    if (found == all.end()) throw std::logic_error("a reference that the walk doesn't have");
    next_ = found - all.begin() + 1;
    auto& read = result_.reads[static_cast<std::size_t>(found - all.begin())];
    return read ? *read : read.emplace();
  }

  mmu::ModelWalker walker_;
  mmu::MemoryHierarchy hierarchy_;
  mmu::MemoryLevel enters_at_;
  const mmu::Recording& recording_;
  arch::PhysicalMemory& memory_;
  std::ptrdiff_t next_ = 0;  ///< reference of the recording
  Cycle now_ = 0;
  std::optional<std::uint16_t> pml_index_;
  MachineWalk result_;
};

}  // namespace

MachineWalk walk_on_machine(const mmu::MachineSettings& machine, const mmu::WalkContext& context,
                            const mmu::Request& request, const mmu::Recording& recording,
                            arch::PhysicalMemory& memory) {
  Bench bench(machine, recording, memory);
  struct {
    mmu::Outcome outcome;
    std::uint64_t address = 0;
    std::optional<mmu::Outcome> second;
  } answer;
  mmu::answer_page_by_page(context, request, answer,
                           [&](const mmu::Request& part) { return bench.walk(context, part); });
  return bench.result();
}

}  // namespace eptsim::sim
