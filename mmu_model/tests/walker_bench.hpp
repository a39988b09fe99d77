#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/walker/model_walker.hpp"
#include "mmu_model/word_access.hpp"

namespace eptsim::mmu::test {

/// Everything around a walker, cycle by cycle: tables, requests that wait at the door, a memory
/// whose latency and order of answers a test may choose, back-pressure, invalidations. Notes what
/// passes on the ports.
class WalkerBench {
 public:
  explicit WalkerBench(const WalkerConfiguration& configuration = {}, unsigned guest_levels = 4,
                       unsigned ept_levels = 4)
      : tables(guest_levels, ept_levels), walker(configuration) {}

  struct Transfer {
    Cycle first_valid = 0;
    Cycle taken = 0;
    MemoryRequest request;
  };
  struct Responded {
    Cycle first_valid = 0;
    Cycle taken = 0;
    WalkResponse response;
  };

  WalkTables tables;
  ModelWalker walker;

  // What the surroundings do. Answers that would come together come one a cycle.
  unsigned latency = 4;
  std::function<Cycle(const MemoryRequest&, Cycle taken)> answer_in;  ///< if any
  std::function<bool(Cycle)> memory_ready = [](Cycle) { return true; };
  std::function<bool(Cycle)> response_ready = [](Cycle) { return true; };
  std::optional<MemoryAnswer> unasked;  ///< comes in every cycle that no other answer has
  std::map<Cycle, InvalidationScope> invalidations;
  std::function<CachesDisabled(Cycle)> disabled = [](Cycle) { return CachesDisabled{}; };

  // What was seen.
  Cycle now = 0;
  std::vector<Cycle> request_ready;         ///< the cycles in which the unit was ready for one
  std::map<std::uint32_t, Cycle> accepted;  ///< by tag
  std::vector<Transfer> transfers;
  std::vector<Responded> responses;
  std::map<Cycle, CacheLookup> lookups;  ///< by the cycle in which the caches were asked

  /// Offers `request` in the context of the tables as they are now, from `cycle` on.
  void offer(std::uint32_t tag, const Request& request, Cycle cycle) {
    contexts_.emplace_back(tables.context);
    door_.push_back({cycle, {tag, &contexts_.back(), request}});
  }

  /// Until every request that was offered has been answered.
  void run() {
    const Cycle begun = now;
    while (!door_.empty() || under_way_ != 0) {
      cycle();
      ASSERT_LT(now, begun + 100000) << "no response";
    }
  }
  /// One request, alone, from the present cycle on.
  const Responded& run(const Request& request) {
    offer(0, request, now);
    run();
    return responses.back();
  }

  void cycle() {
    const WalkerOutputs outputs = walker.outputs();
    WalkerInputs inputs{.cycle = now,
                        .memory_ready = memory_ready(now),
                        .response_ready = response_ready(now),
                        .disabled = disabled(now)};
    if (outputs.request_ready) request_ready.push_back(now);
    if (!door_.empty() && door_.front().from <= now) {
      inputs.request = door_.front().request;
      if (outputs.request_ready) {
        accepted[inputs.request->tag] = now;
        ++under_way_;
        door_.pop_front();
      }
    }
    if (outputs.memory) {
      if (!memory_valid_) memory_valid_ = now;
      if (inputs.memory_ready) {
        transfers.push_back({*memory_valid_, now, *outputs.memory});
        const Cycle due = answer_in ? answer_in(*outputs.memory, now) : now + latency;
        answers_.emplace(due, *outputs.memory);
        memory_valid_.reset();
      }
    }
    if (!answers_.empty() && answers_.begin()->first <= now) {
      const MemoryRequest request = answers_.begin()->second;
      answers_.erase(answers_.begin());
      inputs.answer = MemoryAnswer{request.id, serve(request)};
    } else {
      inputs.answer = unasked;
    }
    if (outputs.response) {
      if (!response_valid_) response_valid_ = now;
      if (inputs.response_ready) {
        responses.push_back({*response_valid_, now, *outputs.response});
        response_valid_.reset();
        --under_way_;
      }
    }
    if (const auto due = invalidations.find(now); due != invalidations.end()) {
      inputs.invalidation = due->second;
    }
    const WalkerOutputs& next = walker.tick(inputs);
    if (next.lookup) lookups[now] = *next.lookup;
    ++now;
  }

  /// The answer with this tag, once there is one.
  const Responded& response(std::uint32_t tag) const {
    for (const Responded& each : responses) {
      if (each.response.tag == tag) return each;
    }
    throw std::out_of_range("no response with tag " + std::to_string(tag));
  }
  std::vector<std::uint32_t> tags_answered() const {
    std::vector<std::uint32_t> tags;
    for (const Responded& each : responses) tags.push_back(each.response.tag);
    return tags;
  }
  /// The slots' numbers, in the order in which memory took their requests.
  std::vector<unsigned> ids_taken() const {
    std::vector<unsigned> ids;
    for (const Transfer& each : transfers) ids.push_back(each.request.id);
    return ids;
  }

  /// Sets the accessed flags that a walk of `gva` would otherwise set.
  void mark_accessed(std::uint64_t gva, PageSize page = PageSize::k4K) {
    for (unsigned level = arch::leaf_level(page); level <= tables.guest_levels(); ++level) {
      tables.set(tables.guest_entry(gva, level), kA);
    }
  }

 private:
  struct Waiting {
    Cycle from;
    WalkRequest request;
  };

  std::uint64_t serve(const MemoryRequest& request) {
    const arch::Hpa address{request.address};
    switch (request.kind) {
      case StepKind::kCompareExchange:
        return compare_exchange(tables.memory, address, request.size, request.expected,
                                request.desired);
      case StepKind::kWrite: write(tables.memory, address, request.size, request.desired); return 0;
      default: return read(tables.memory, address, request.size);
    }
  }

  std::deque<WalkContext> contexts_;
  std::deque<Waiting> door_;
  unsigned under_way_ = 0;
  std::optional<Cycle> memory_valid_;
  std::optional<Cycle> response_valid_;
  std::multimap<Cycle, MemoryRequest> answers_;
};

/// A request for the address itself, without a guest's tables: it is walked through the EPT alone.
inline Request guest_physical(std::uint64_t gpa, AccessKind kind = AccessKind::kRead) {
  return {.address = gpa, .linear = false, .access = kind};
}

}  // namespace eptsim::mmu::test
