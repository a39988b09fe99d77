#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

namespace eptsim::tb {

/// Several walks through a walker of any configuration, on the tables of NestedTables: requests
/// wait at the port in the order in which they were offered, and everything that the unit does is
/// kept with its cycle.
class Traffic : public NestedTables {
 protected:
  struct Asked {
    mmu::Cycle valid = 0;  ///< the first cycle in which it was at the port
    mmu::Cycle taken = 0;
    mmu::MemoryRequest request;
  };
  struct LookedUp {
    mmu::Cycle cycle = 0;  ///< the one in which the caches were asked
    mmu::CacheLookup lookup;
  };
  struct Answered {
    mmu::Cycle valid = 0;
    mmu::WalkResponse response;
  };

  explicit Traffic(std::string_view configuration = "small") : unit(configuration) {}

  void offer(std::uint32_t tag) { offer(tag, request); }
  void offer(std::uint32_t tag, const mmu::Request& of) {
    contexts_.emplace_back(context);
    offered_.push_back({.tag = tag, .context = &contexts_.back(), .request = of});
  }

  /// One cycle. Inputs not given here come from what was offered and what memory owes.
  void cycle() {
    const mmu::WalkerOutputs outputs = unit.outputs();
    mmu::WalkerInputs inputs;
    inputs.cycle = now;
    inputs.disabled = disabled;
    inputs.invalidation = std::exchange(invalidation, std::nullopt);
    if (!offered_.empty()) {
      inputs.request = offered_.front();
      if (outputs.request_ready) {
        taken[offered_.front().tag] = now;
        offered_.pop_front();
      }
    }
    if (const auto due = owed_.find(now); due != owed_.end()) {
      inputs.answer = due->second;
      owed_.erase(due);
    } else {
      inputs.answer = unasked;
    }
    inputs.memory_ready = memory_ready(now);
    inputs.response_ready = response_ready(now);
    if (outputs.memory) {
      if (!at_port_) {
        asked.push_back({.valid = now, .request = *outputs.memory});
        at_port_ = true;
      }
      EXPECT_EQ(outputs.memory->address, asked.back().request.address);
      EXPECT_EQ(outputs.memory->id, asked.back().request.id);
      if (inputs.memory_ready) {
        at_port_ = false;
        asked.back().taken = now;
        mmu::Cycle due = now + latency(*outputs.memory);
        while (owed_.contains(due)) ++due;
        owed_[due] = {.id = outputs.memory->id, .value = perform(*outputs.memory)};
      }
    }
    if (outputs.response && !responding_) {
      answered.push_back({now, *outputs.response});
      responding_ = true;
    }
    if (outputs.response && inputs.response_ready) responding_ = false;
    unit.tick(inputs);
    if (unit.outputs().lookup) looked_up.push_back({now, *unit.outputs().lookup});
    ++now;
  }

  /// Until every request offered has been answered and its response taken.
  void run() {
    const std::size_t wanted = answered.size() + offered_.size() + in_flight();
    for (const mmu::Cycle limit = now + 10'000; now < limit; cycle()) {
      if (answered.size() == wanted && !responding_ && offered_.empty()) return;
    }
    ADD_FAILURE() << "no response";
  }
  void run_until(mmu::Cycle end) {
    while (now < end) cycle();
  }

  /// The unit and its surroundings: memory owes nothing, nothing is offered.
  void reset() {
    unit.reset();
    offered_.clear();
    owed_.clear();
    taken.clear();
    answered.clear();
    at_port_ = responding_ = false;
  }

  /// One walk alone, with nothing left of what earlier walks logged.
  const mmu::WalkResponse& walk_alone() {
    asked.clear();
    looked_up.clear();
    offer(next_tag_++);
    run();
    return answered.back().response;
  }
  /// The look-ups of the last walk alone, in order: "C3" a combined hit at level 3, "N1" one of the
  /// nested TLB, "E2" one of the EPT structure caches; 0 for a miss.
  std::string lookups() const {
    std::string text;
    for (const auto& [cycle, lookup] : looked_up) {
      if (!text.empty()) text += ' ';
      if (lookup.combined) {
        text += "C" + std::to_string(lookup.combined_level);
      } else if (lookup.ept_asked) {
        EXPECT_EQ(lookup.nested_level, 0);
        text += "E" + std::to_string(lookup.ept_level);
      } else {
        text += "N" + std::to_string(lookup.nested_level);
      }
    }
    return text;
  }

  RtlWalker unit;
  mmu::Cycle now = 0;
  std::function<mmu::Cycle(const mmu::MemoryRequest&)> latency = [](const auto&) { return 4; };
  std::function<bool(mmu::Cycle)> memory_ready = [](mmu::Cycle) { return true; };
  std::function<bool(mmu::Cycle)> response_ready = [](mmu::Cycle) { return true; };
  std::optional<mmu::MemoryAnswer> unasked;  ///< comes in every cycle that no other answer has
  std::optional<mmu::InvalidationScope> invalidation;  ///< in the next cycle
  mmu::CachesDisabled disabled;
  std::map<std::uint32_t, mmu::Cycle> taken;  ///< when each request was taken, by its tag
  std::vector<Asked> asked;
  std::vector<LookedUp> looked_up;
  std::vector<Answered> answered;

 private:
  std::size_t in_flight() const { return taken.size() - answered.size(); }
  std::uint64_t perform(const mmu::MemoryRequest& of) {
    const std::uint64_t found = bench.memory[of.address];
    if (of.kind == mmu::StepKind::kCompareExchange && found == of.expected) {
      bench.memory[of.address] = of.desired;
    }
    return found;
  }

  std::deque<mmu::WalkContext> contexts_;
  std::deque<mmu::WalkRequest> offered_;
  std::map<mmu::Cycle, mmu::MemoryAnswer> owed_;
  bool at_port_ = false;
  bool responding_ = false;
  std::uint32_t next_tag_ = 1000;
};

}  // namespace eptsim::tb
