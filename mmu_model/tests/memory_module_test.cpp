#include "mmu_model/modules/memory_module.hpp"

#include <gtest/gtest.h>
#include <tlm_utils/simple_initiator_socket.h>

#include <cstdint>
#include <systemc>

#include "mmu_model/tests/machine_bench.hpp"

namespace eptsim::mmu::test {
namespace {

/// Sends one request to memory, from a process that wakes in `send_cycle`.
class Requester final : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Requester, kSocketWidth, MemoryProtocol> memory{"memory"};

  Requester(const sc_core::sc_module_name& name, const Timeline& timeline, Cycle send_cycle,
            Cycle requested, const MemoryRequest& request)
      : sc_module(name), timeline_(timeline), send_cycle_(send_cycle) {
    transaction.request = request;
    transaction.requested = requested;
    memory.register_nb_transport_bw(this, &Requester::from_memory);
    SC_HAS_PROCESS(Requester);
    SC_THREAD(run);
  }

  MemoryTransaction transaction;
  bool answered = false;

 private:
  void run() {
    sc_core::wait(timeline_.until(send_cycle_));
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time none;
    if (memory->nb_transport_fw(transaction, phase, none) == tlm::TLM_UPDATED) {
      answered = phase == tlm::BEGIN_RESP;
    }
  }
  tlm::tlm_sync_enum from_memory(MemoryTransaction&, tlm::tlm_phase& phase, sc_core::sc_time&) {
    if (phase == tlm::BEGIN_RESP) {
      EXPECT_GT(transaction.answered, timeline_.now());
      answered = true;
    }
    return tlm::TLM_ACCEPTED;
  }

  const Timeline& timeline_;
  Cycle send_cycle_;
};

MemoryRequest swap(std::uint64_t expected, std::uint64_t desired) {
  return {.kind = StepKind::kCompareExchange,
          .address = 0x1000,
          .expected = expected,
          .desired = desired};
}

/// Two requesters swap the word at 0x1000 from 0. Whoever comes first finds 0.
void expect_winner(bool lockstep, Cycle sent_0, Cycle requested_0, Cycle sent_1, Cycle requested_1,
                   int winner) {
  const Timeline timeline(lockstep);
  Dram dram(1 << 20);
  MemoryHierarchy hierarchy(plain_memory(6), 2, 1);
  MemoryModule memory("memory", timeline, dram, hierarchy, 2);
  Requester first("first", timeline, sent_0, requested_0, swap(0, 100));
  Requester second("second", timeline, sent_1, requested_1, swap(0, 101));
  first.memory.bind(memory.requesters[0]);
  second.memory.bind(memory.requesters[1]);
  sc_core::sc_start();
  EXPECT_TRUE(first.answered);
  EXPECT_TRUE(second.answered);
  EXPECT_EQ(first.transaction.taken, requested_0);
  EXPECT_EQ(second.transaction.taken, requested_1);
  EXPECT_EQ(first.transaction.answered, requested_0 + 6);
  EXPECT_EQ(second.transaction.answered, requested_1 + 6);
  EXPECT_EQ(first.transaction.answer.value, winner == 0 ? 0u : 101u);
  EXPECT_EQ(second.transaction.answer.value, winner == 1 ? 0u : 100u);
  EXPECT_EQ(dram.read64(arch::Hpa(0x1000)), winner == 0 ? 100u : 101u);
}

TEST(MemoryModule, RequestsOfOneCycleWorkInTheOrderOfTheRequesters) {
  expect_winner(false, 3, 9, 3, 9, 0);
}
TEST(MemoryModule, WhoSaysItFirstIsNoEarlierForThat) { expect_winner(false, 8, 9, 2, 9, 0); }
TEST(MemoryModule, TheEarlierCycleComesFirstWhoeverSaysItFirst) {
  expect_winner(false, 2, 9, 3, 8, 1);
}
TEST(MemoryModule, AMessageForLongAfterIsOvertaken) { expect_winner(false, 0, 50, 20, 30, 1); }
TEST(MemoryModule, LockstepOrdersTheSame) { expect_winner(true, 2, 9, 3, 8, 1); }

}  // namespace
}  // namespace eptsim::mmu::test
