#include "mmu_model/walker/model_walker.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace eptsim::mmu {

namespace {

/// Every array of a walker has tree pseudo-LRU; without ways it is fully associative.
StructureCacheSettings array_settings(unsigned entries, unsigned ways) {
  return {.entries = entries,
          .ways = ways != 0 ? ways : entries,
          .replacement = Replacement::kTreePlru};
}

CacheSettings cache_settings(const WalkerConfiguration& configuration) {
  CacheSettings settings;
  for (std::size_t level = 0; level < settings.combined.size(); ++level) {
    settings.combined[level] =
        array_settings(configuration.combined[level], configuration.combined_ways[level]);
    settings.ept[level] = array_settings(configuration.ept[level], configuration.ept_ways[level]);
  }
  settings.nested_tlb = array_settings(configuration.nested_tlb, configuration.nested_tlb_ways);
  return settings;
}

}  // namespace

ModelWalker::ModelWalker(const WalkerConfiguration& configuration)
    : configuration_(configuration), caches_(cache_settings(configuration)) {
  if (configuration.walks == 0 || configuration.walks > kMostWalks) {
    throw std::invalid_argument("a walker of " + std::to_string(configuration.walks) +
                                " walks, expected 1 to " + std::to_string(kMostWalks));
  }
  reset();
}

void ModelWalker::reset() {
  slots_.assign(configuration_.walks, {});
  memory_queue_ = response_queue_ = {};
  ready_ = 0;
  idle_ = configuration_.walks;
  last_picked_ = configuration_.walks - 1;  // so slot 0 comes first
  caches_ = StructureCaches(cache_settings(configuration_));
  outputs_ = {.request_ready = true};
}

const WalkerOutputs& ModelWalker::tick(const WalkerInputs& inputs) {
  const bool requested = outputs_.request_ready && inputs.request;
  const bool issued = outputs_.memory && inputs.memory_ready;
  const bool responded = outputs_.response && inputs.response_ready;
  outputs_.lookup.reset();

  // The engine first: it sees the slots as they are in this cycle, without the request that comes.
  if (inputs.answer && is_waiting(inputs.answer->id)) {
    follow(inputs.answer->id, inputs);
  } else if (ready_ != 0) {
    last_picked_ = next_ready();
    --ready_;
    follow(last_picked_, inputs);
  }
  if (requested) accept(*inputs.request, inputs.cycle);
  if (issued) {
    slots_[memory_queue_.front()].state = State::kWait;
    memory_queue_.pop();
    outputs_.memory.reset();
  }
  if (responded) {
    slots_[response_queue_.front()].state = State::kIdle;
    ++idle_;
    response_queue_.pop();
    outputs_.response.reset();
  }
  if (inputs.invalidation) {
    for (Slot& slot : slots_) slot.crossed = true;
    caches_.invalidate(*inputs.invalidation);
  }
  drive(inputs.cycle + 1);
  return outputs_;
}

void ModelWalker::accept(const WalkRequest& request, Cycle now) {
  Slot& slot = *std::ranges::find(slots_, State::kIdle, &Slot::state);
  slot.state = State::kReady;
  slot.crossed = false;
  slot.tag = request.tag;
  slot.first_cycle = now + 1;
  slot.context = request.context;
  std::construct_at(&slot.walk, *request.context, request.request, lookups(),  // it is large
                    request.pml_index.value_or(request.context->raw.pml_index));
  slot.step = {};
  --idle_;
  ++ready_;
}

/// The ready slot that comes first in cyclic order after the one picked last; there is one.
unsigned ModelWalker::next_ready() const {
  unsigned slot = last_picked_;
  do {
    slot = slot + 1 < slots_.size() ? slot + 1 : 0;
  } while (slots_[slot].state != State::kReady);
  return slot;
}

/// One cycle of the engine, for this slot: from what memory answered if it waits for that, or from
/// its next step, up to where it needs memory, must ask the caches, or is done.
void ModelWalker::follow(unsigned number, const WalkerInputs& inputs) {
  Slot& slot = slots_[number];
  if (slot.state == State::kWait) {
    advance(slot, {.value = inputs.answer->value}, inputs);
  } else if (slot.step.kind == StepKind::kLookup) {
    look_up(number, inputs);
  } else {
    advance(slot, {}, inputs);
  }
  switch (slot.step.kind) {
    case StepKind::kLookup:
      slot.state = State::kReady;
      ++ready_;
      return;
    case StepKind::kDone:
      slot.state = State::kRespond;
      slot.cycles = inputs.cycle + 1 - slot.first_cycle;
      response_queue_.push(number);
      return;
    default: break;
  }
  slot.state = State::kIssue;
  memory_queue_.push(number);
}

/// Asks the caches what the slot's walk wants to know: the combined ones, or for a guest-physical
/// address the nested TLB and, where that doesn't answer, the EPT structure caches too.
void ModelWalker::look_up(unsigned number, const WalkerInputs& inputs) {
  Slot& slot = slots_[number];
  const std::uint64_t key = slot.step.key;
  const bool dirty = slot.step.dirty;
  const auto ask = [&](LookupKind kind, bool disabled) {
    return disabled ? nullptr : caches_.lookup(kind, key, *slot.context, dirty);
  };
  const auto level_of = [](const CachedEntry* hit) {
    return hit != nullptr ? hit->level : std::uint8_t{0};
  };
  CacheLookup& record =
      outputs_.lookup.emplace(CacheLookup{.id = static_cast<std::uint8_t>(number)});
  if (slot.step.lookup == LookupKind::kCombined) {
    const CachedEntry* hit = ask(LookupKind::kCombined, inputs.disabled.combined);
    record.combined = true;
    record.combined_level = level_of(hit);
    return advance(slot, {.entry = hit}, inputs);
  }
  const CachedEntry* page = ask(LookupKind::kNestedTlb, inputs.disabled.nested_tlb);
  record.nested_level = level_of(page);
  advance(slot, {.entry = page}, inputs);
  if (slot.step.kind != StepKind::kLookup) return;
  const CachedEntry* table = ask(LookupKind::kEptStructure, inputs.disabled.ept);
  record.ept_asked = true;
  record.ept_level = level_of(table);
  return advance(slot, {.entry = table}, inputs);
}

/// On to the walk's next step that takes time, with what it proved fit for caching kept. A look-up
/// in caches that the configuration leaves out is a miss, at once.
void ModelWalker::advance(Slot& slot, const Answer& answer, const WalkerInputs& inputs) {
  // Made where it stays: the host has a copy of what was just written wait for it.
  static_assert(std::is_trivially_destructible_v<Step>);
  ::new (&slot.step) Step(slot.walk.next(answer));
  keep_fills(slot, inputs);
  while (slot.step.kind == StepKind::kLookup && !asks(slot.step.lookup)) {
    ::new (&slot.step) Step(slot.walk.next({}));
    keep_fills(slot, inputs);
  }
}

/// Look-ups come first in a cycle of the engine, so none sees what is filled in it.
void ModelWalker::keep_fills(const Slot& slot, const WalkerInputs& inputs) {
  if (slot.crossed || inputs.invalidation) return;
  const auto is_disabled = [&](LookupKind kind) {
    switch (kind) {
      case LookupKind::kCombined: return inputs.disabled.combined;
      case LookupKind::kEptStructure: return inputs.disabled.ept;
      case LookupKind::kNestedTlb: break;
    }
    return inputs.disabled.nested_tlb;
  };
  for (const CachedEntry& entry : slot.walk.fills()) {
    if (!is_disabled(entry.kind)) caches_.fill(entry, *slot.context);
  }
}

/// What holds from cycle `next` on.
void ModelWalker::drive(Cycle next) {
  outputs_.request_ready = idle_ != 0;
  if (!outputs_.memory && !memory_queue_.empty()) {
    outputs_.memory = memory_request(memory_queue_.front());
  }
  if (!outputs_.response && !response_queue_.empty()) {
    outputs_.response = response_of(slots_[response_queue_.front()]);
  }
  outputs_.next_cycle = ready_ != 0 ? next : kNever;
}

MemoryRequest ModelWalker::memory_request(unsigned number) const {
  const Step& step = slots_[number].step;
  return {.id = static_cast<std::uint8_t>(number),
          .kind = step.kind,
          .size = step.size,
          .address = step.address,
          .expected = step.expected,
          .desired = step.desired,
          .place = step.place};
}

WalkResponse ModelWalker::response_of(const Slot& slot) {
  return {.tag = slot.tag,
          .outcome = slot.walk.outcome(),
          .references = static_cast<std::uint16_t>(slot.walk.references()),
          .cycles = slot.cycles,
          .pml_index = slot.walk.pml_index()};
}

}  // namespace eptsim::mmu
