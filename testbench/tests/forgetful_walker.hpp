#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "ept/arch/ept_entry.hpp"
#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/walk/walk.hpp"
#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::tb {

/// What a walker with caches can get wrong.
enum class CacheBug : std::uint8_t {
  kNone,
  kIgnoresInvalidations,
  kIgnoresGuestPhysicalInvalidations,
  kIgnoresAddressInvalidations,
  kFillsAfterAnInvalidation,
  kTagsWithoutVpid,
  kTagsWithoutPcid,
  kTagsWithoutEptRoot,
  kTagsCombinedWithoutEptRoot,
  kFillsWithoutRights,
  kForgetsWhatTheEptSaysOfTables,
  kForgetsTablesThatAreNotVerified,
};

/// A walker of one walk at a time that remembers everything it may, in lists without an end; with a
/// bug, if one is asked for. Its timing is its own: it is judged by its answers.
class ForgetfulWalker final : public mmu::WalkerUnit {
 public:
  explicit ForgetfulWalker(CacheBug bug) : bug_(bug) { reset(); }

  void reset() override {
    held_.clear();
    outputs_ = {.request_ready = true};
    waiting_ = false;
    walk_.reset();
  }
  const mmu::WalkerOutputs& outputs() const override { return outputs_; }

  const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override {
    outputs_.lookup.reset();
    if (inputs.invalidation) {
      crossed_ = crossed_ || bug_ != CacheBug::kFillsAfterAnInvalidation;
      remove(*inputs.invalidation);
    }
    if (inputs.request && outputs_.request_ready) {
      walk_.emplace(*inputs.request->context, inputs.request->request);
      context_ = inputs.request->context;
      tag_ = inputs.request->tag;
      taken_at_ = inputs.cycle;
      crossed_ = inputs.invalidation && bug_ != CacheBug::kFillsAfterAnInvalidation;
      outputs_.request_ready = false;
      go_on({}, inputs.cycle);
    } else if (waiting_ && inputs.answer) {
      waiting_ = false;
      go_on({.value = inputs.answer->value}, inputs.cycle);
    } else if (outputs_.memory && inputs.memory_ready) {
      outputs_.memory.reset();
      waiting_ = true;
    } else if (outputs_.response && inputs.response_ready) {
      outputs_.response.reset();
      outputs_.request_ready = true;
      walk_.reset();
    }
    return outputs_;
  }

 private:
  struct Held {
    mmu::CurrentTags tags;
    unsigned offset_bits = 12;
    mmu::CachedEntry entry;
  };

  static bool guest_physical(const mmu::CachedEntry& entry) {
    return entry.kind != mmu::LookupKind::kCombined;
  }

  unsigned offset_bits(mmu::LookupKind kind, unsigned level) const {
    const bool narrow = kind == mmu::LookupKind::kCombined && !context_->wide_guest_entries;
    return 12 + (narrow ? 10 : 9) * (level - 1);
  }

  bool same_space(const Held& held, const mmu::CurrentTags& tags) const {
    const bool any_root =
        bug_ == CacheBug::kTagsWithoutEptRoot ||
        (bug_ == CacheBug::kTagsCombinedWithoutEptRoot && !guest_physical(held.entry));
    const bool same_root =
        held.tags.ept_root == tags.ept_root || (any_root && held.tags.ept_root && tags.ept_root);
    if (guest_physical(held.entry)) return same_root;
    return same_root && (held.tags.vpid == tags.vpid || bug_ == CacheBug::kTagsWithoutVpid) &&
           (held.tags.pcid == tags.pcid || bug_ == CacheBug::kTagsWithoutPcid);
  }

  const mmu::CachedEntry* look_up(const mmu::Step& step) const {
    const mmu::CurrentTags tags = mmu::current_tags(*context_);
    const Held* best = nullptr;
    for (const Held& held : held_) {
      if (held.entry.kind != step.lookup || !same_space(held, tags)) continue;
      if (step.dirty && !arch::ept_entry::kDirty.any(held.entry.ept.last)) continue;
      if (((held.entry.key ^ step.key) >> held.offset_bits & (~std::uint64_t{0} >> 7)) != 0) {
        continue;
      }
      const unsigned levels =
          step.lookup == mmu::LookupKind::kCombined ? context_->guest_levels : context_->ept_levels;
      const bool known = held.entry.level <= levels &&
                         held.offset_bits == offset_bits(step.lookup, held.entry.level);
      // The newest of the deepest.
      if (known && (best == nullptr || held.entry.level <= best->entry.level)) best = &held;
    }
    return best != nullptr ? &best->entry : nullptr;
  }

  void fill() {
    if (crossed_) return;
    for (mmu::CachedEntry entry : walk_->fills()) {
      if (bug_ == CacheBug::kFillsWithoutRights) entry.guest_rights = {};
      if (entry.kind == mmu::LookupKind::kCombined) {
        if (bug_ == CacheBug::kForgetsWhatTheEptSaysOfTables)
          entry.ept = {.above = ~std::uint64_t{0}, .last = ~std::uint64_t{0}};
        if (bug_ == CacheBug::kForgetsTablesThatAreNotVerified) entry.paging_verified = true;
      }
      if (entry.kind == mmu::LookupKind::kCombined && entry.level > 4) continue;
      if (entry.kind == mmu::LookupKind::kEptStructure && entry.level > 4) continue;
      held_.push_back({.tags = mmu::current_tags(*context_),
                       .offset_bits = offset_bits(entry.kind, entry.level),
                       .entry = entry});
    }
  }

  void go_on(mmu::Answer answer, mmu::Cycle now) {
    mmu::Step step = walk_->next(answer);
    fill();
    bool asked = false;
    bool hit = false;
    while (step.kind == mmu::StepKind::kLookup) {
      std::optional<mmu::CachedEntry> entry;
      if (const mmu::CachedEntry* const held = look_up(step)) entry = *held;
      asked = true;
      hit = hit || entry;
      step = walk_->next({.entry = entry ? &*entry : nullptr});
      fill();
    }
    if (asked) outputs_.lookup = mmu::CacheLookup{.nested_level = hit};
    if (step.kind == mmu::StepKind::kDone) {
      outputs_.response =
          mmu::WalkResponse{.tag = tag_,
                            .outcome = walk_->outcome(),
                            .references = static_cast<std::uint16_t>(walk_->references()),
                            .cycles = now - taken_at_,
                            .pml_index = walk_->pml_index()};
      return;
    }
    outputs_.memory = mmu::MemoryRequest{.kind = step.kind,
                                         .size = step.size,
                                         .address = step.address,
                                         .expected = step.expected,
                                         .desired = step.desired,
                                         .place = step.place};
  }

  void remove(const mmu::InvalidationScope& scope) {
    if (bug_ == CacheBug::kIgnoresInvalidations) return;
    std::erase_if(held_, [&](const Held& held) {
      const bool covered =
          [&](std::optional<std::uint64_t> address) {
            return !address || (held.entry.key ^ *address) >> held.offset_bits == 0;
          }(guest_physical(held.entry)          ? scope.gpa
            : scope.structures_of_address_alone ? scope.linear
                                                : std::nullopt);
      if (scope.ept_root && scope.ept_root != held.tags.ept_root) return false;
      if (guest_physical(held.entry)) {
        return scope.guest_physical_mappings && covered &&
               bug_ != CacheBug::kIgnoresGuestPhysicalInvalidations;
      }
      if (scope.linear && bug_ == CacheBug::kIgnoresAddressInvalidations) return false;
      return (held.tags.ept_root ? scope.combined_mappings : scope.linear_mappings) &&
             (!scope.vpid || *scope.vpid == held.tags.vpid) &&
             (!scope.keep_vpid_zero || held.tags.vpid != 0) &&
             (!scope.pcid || *scope.pcid == held.tags.pcid) && covered;
    });
  }

  CacheBug bug_;
  std::vector<Held> held_;
  std::optional<mmu::Walk> walk_;
  const mmu::WalkContext* context_ = nullptr;
  std::uint32_t tag_ = 0;
  mmu::Cycle taken_at_ = 0;
  bool crossed_ = false;
  bool waiting_ = false;
  mmu::WalkerOutputs outputs_;
};

}  // namespace eptsim::tb
