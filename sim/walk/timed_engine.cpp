#include "sim/walk/timed_engine.hpp"

#include <tlm_utils/simple_initiator_socket.h>

#include <array>
#include <systemc>
#include <utility>

#include "mmu_model/modules/kernel.hpp"
#include "mmu_model/modules/memory_module.hpp"
#include "mmu_model/modules/protocol.hpp"
#include "mmu_model/modules/timeline.hpp"
#include "mmu_model/modules/walker_module.hpp"
#include "mmu_model/walk/page_parts.hpp"

namespace eptsim::sim {
namespace {

using mmu::Cycle;

/// Stands before a unit and notes what passes through its memory port.
class NotedUnit final : public mmu::WalkerUnit {
 public:
  NotedUnit(std::unique_ptr<mmu::WalkerUnit> unit, mmu::Recording& recording)
      : unit_(std::move(unit)), recording_(recording) {}

  void reset() override { unit_->reset(); }
  const mmu::WalkerOutputs& outputs() const override { return unit_->outputs(); }

  const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override {
    if (inputs.answer) note(taken_[inputs.answer->id], inputs.answer->value);
    const std::optional<mmu::MemoryRequest>& offered = unit_->outputs().memory;
    if (offered && inputs.memory_ready) taken_[offered->id] = *offered;
    return unit_->tick(inputs);
  }

 private:
  void note(const mmu::MemoryRequest& request, std::uint64_t value) {
    if (request.kind == mmu::StepKind::kRead) {
      recording_.reference({request.place, request.address, value});
    } else if (request.kind == mmu::StepKind::kWrite ||
               (request.kind == mmu::StepKind::kCompareExchange && value == request.expected)) {
      recording_.write({request.address, request.size, request.desired});
    }
  }

  std::unique_ptr<mmu::WalkerUnit> unit_;
  mmu::Recording& recording_;
  std::array<mmu::MemoryRequest, 256> taken_{};
};

/// Sends requests to the walker, one at a time, and stops the simulation when the answer holds.
class Requester final : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Requester, mmu::kSocketWidth, mmu::WalkProtocol> walker{
      "walker"};

  Requester(const sc_core::sc_module_name& name, const mmu::Timeline& timeline)
      : sc_module(name), timeline_(timeline) {
    walker.register_nb_transport_bw(this, &Requester::answered);
    SC_HAS_PROCESS(Requester);
    SC_METHOD(stop);
    sensitive << done_;
    dont_initialize();
  }

  const mmu::WalkTransaction& send(const mmu::WalkContext& context, const mmu::Request& request) {
    transaction_.request = {.context = &context, .request = request};
    transaction_.requested = timeline_.now() + 1;
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time none;
    walker->nb_transport_fw(transaction_, phase, none);
    mmu::run_kernel();
    return transaction_;
  }

 private:
  tlm::tlm_sync_enum answered(mmu::WalkTransaction& transaction, tlm::tlm_phase&,
                              sc_core::sc_time&) {
    done_.notify(timeline_.until(transaction.answered + 1));
    return tlm::TLM_COMPLETED;
  }
  void stop() { sc_core::sc_pause(); }

  const mmu::Timeline& timeline_;
  mmu::WalkTransaction transaction_;
  sc_core::sc_event done_;
};

}  // namespace

struct TimedEngine::Bench {
  mmu::Recording recording;
  mmu::Timeline timeline{false};
  Requester requester{"requester", timeline};
  mmu::WalkerModule walker;
  mmu::MemoryHierarchy hierarchy;
  mmu::MemoryModule memory;

  Bench(arch::PhysicalMemory& physical, unsigned memory_cycles,
        std::unique_ptr<mmu::WalkerUnit> unit)
      : walker("walker", timeline, std::make_unique<NotedUnit>(std::move(unit), recording)),
        hierarchy({.dram = {.cycles = memory_cycles}}, 1, 1),
        memory("memory", timeline, physical, hierarchy, 1) {
    requester.walker.bind(walker.requester);
    walker.memory.bind(memory.requesters[0]);
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
  }
};

TimedEngine::TimedEngine(const mmu::WalkContext& context, arch::PhysicalMemory& memory,
                         unsigned memory_cycles, std::unique_ptr<mmu::WalkerUnit> unit)
    : context_(context), bench_(std::make_unique<Bench>(memory, memory_cycles, std::move(unit))) {}

TimedEngine::~TimedEngine() = default;

void TimedEngine::answer(const mmu::Request& request, WalkAnswer& answer) {
  bench_->recording.references.clear();
  bench_->recording.writes.clear();
  answer.cycles = 0;
  const std::uint16_t pml_index = context_.raw.pml_index;
  answer.second.reset();
  answer_page_by_page(context_, request, answer, [&](const mmu::Request& part) {
    const mmu::WalkResponse& response = bench_->requester.send(context_, part).response;
    answer.cycles += response.cycles;
    context_.raw.pml_index = response.pml_index;  // the upper page logs after the lower one
    return response.outcome;
  });
  context_.raw.pml_index = pml_index;
  answer.recording = bench_->recording;
}

}  // namespace eptsim::sim
