#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/rtl_walker/rtl_walker.hpp"

namespace eptsim::tb {

/// A memory request as it was taken, and what memory answered.
struct Transfer {
  mmu::MemoryRequest request;
  mmu::Cycle first_valid = 0;
  mmu::Cycle taken = 0;
  std::uint64_t value = 0;
};

/// One walk from the cycle in which its request was taken to the one in which its response left.
struct FinishedWalk {
  std::vector<Transfer> transfers;
  mmu::Cycle request_taken = 0;
  mmu::Cycle response_valid = 0;
  mmu::Cycle response_taken = 0;
  mmu::WalkResponse response;

  const mmu::Outcome& outcome() const { return response.outcome; }
  std::vector<Transfer> swaps() const {
    std::vector<Transfer> result;
    for (const Transfer& transfer : transfers) {
      if (transfer.request.kind == mmu::StepKind::kCompareExchange) result.push_back(transfer);
    }
    return result;
  }
  std::vector<Transfer> stores() const {
    std::vector<Transfer> result;
    for (const Transfer& transfer : transfers) {
      if (transfer.request.kind == mmu::StepKind::kWrite) result.push_back(transfer);
    }
    return result;
  }
};

/// Clocks a walker against a memory of 8-byte words, found by their address, with a fixed latency
/// and chosen back-pressure.
class Bench {
 public:
  RtlWalker walker;
  std::map<std::uint64_t, std::uint64_t> memory;
  mmu::Cycle latency = 4;
  mmu::Cycle now = 0;
  bool clock_idle_cycles = true;  ///< else only those in which something happens
  std::function<bool(mmu::Cycle)> memory_ready = [](mmu::Cycle) { return true; };
  std::function<bool(mmu::Cycle)> response_ready = [](mmu::Cycle) { return true; };
  /// Called as a memory request is taken, before memory is looked at: software on another core.
  std::function<void(const mmu::MemoryRequest&)> meanwhile = [](const mmu::MemoryRequest&) {};

  FinishedWalk run(const mmu::Context& context, const mmu::Request& request,
                   std::uint32_t tag = 7) {
    const mmu::WalkContext prepared(context);
    FinishedWalk run;
    bool requested = false;
    std::optional<std::pair<mmu::Cycle, mmu::MemoryAnswer>> pending;
    std::optional<mmu::MemoryRequest> held;
    std::optional<mmu::WalkResponse> offered;
    for (const mmu::Cycle limit = now + 100'000; now < limit; ++now) {
      const mmu::WalkerOutputs outputs = walker.outputs();
      mmu::WalkerInputs inputs;
      inputs.cycle = now;
      if (!requested) {
        inputs.request = mmu::WalkRequest{.tag = tag, .context = &prepared, .request = request};
        if (outputs.request_ready) {
          requested = true;
          run.request_taken = now;
        }
      } else {
        EXPECT_FALSE(outputs.request_ready);
      }
      if (pending && pending->first == now) {
        inputs.answer = pending->second;
        pending.reset();
      }
      inputs.memory_ready = memory_ready(now);
      inputs.response_ready = response_ready(now);
      if (outputs.memory) {
        if (!held) {
          held = outputs.memory;
          run.transfers.push_back({.request = *held, .first_valid = now});
        }
        EXPECT_EQ(outputs.memory->address, held->address);
        EXPECT_EQ(outputs.memory->kind, held->kind);
        EXPECT_EQ(outputs.memory->size, held->size);
        EXPECT_EQ(outputs.memory->expected, held->expected);
        EXPECT_EQ(outputs.memory->desired, held->desired);
        EXPECT_EQ(outputs.memory->place, held->place);
        if (inputs.memory_ready) {
          run.transfers.back().taken = now;
          run.transfers.back().value = perform(*held);
          pending.emplace(now + latency,
                          mmu::MemoryAnswer{.id = held->id, .value = run.transfers.back().value});
          held.reset();
        }
      } else {
        EXPECT_FALSE(held.has_value()) << "a memory request was withdrawn";
      }
      if (outputs.response) {
        if (!offered) {
          offered = outputs.response;
          run.response_valid = now;
        }
        EXPECT_EQ(outputs.response->cycles, offered->cycles);
        EXPECT_EQ(outputs.response->outcome.hpa, offered->outcome.hpa);
        if (inputs.response_ready) {
          run.response = *outputs.response;
          run.response_taken = now;
          walker.tick(inputs);
          ++now;
          return run;
        }
      } else {
        EXPECT_FALSE(offered.has_value()) << "a response was withdrawn";
      }
      if (clock_idle_cycles || outputs.next_cycle == now || inputs.request || inputs.answer ||
          (outputs.memory && inputs.memory_ready)) {
        walker.tick(inputs);
      }
    }
    ADD_FAILURE() << "no response";
    return run;
  }

 private:
  std::uint64_t perform(const mmu::MemoryRequest& request) {
    meanwhile(request);
    std::uint64_t& word = memory[request.address & ~7ull];
    const unsigned shift = 8 * (request.address & 7);
    const std::uint64_t mask = ~std::uint64_t{0} >> (64 - 8 * request.size) << shift;
    const std::uint64_t found = (word & mask) >> shift;
    if (request.kind == mmu::StepKind::kWrite ||
        (request.kind == mmu::StepKind::kCompareExchange && found == request.expected)) {
      word = (word & ~mask) | (request.desired << shift & mask);
    }
    return found;
  }
};

}  // namespace eptsim::tb
