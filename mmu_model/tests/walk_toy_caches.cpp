#include "mmu_model/tests/walk_toy_caches.hpp"

#include "ept/arch/ept_entry.hpp"
#include "mmu_model/word_access.hpp"

namespace eptsim::mmu::test {

bool ToyCaches::holds(const CachedEntry& entry, std::uint64_t address, bool wide_guest) {
  const bool narrow = entry.kind == LookupKind::kCombined && !wide_guest;
  const unsigned bits = 12 + (narrow ? 10 : 9) * (entry.level - 1u);
  return address >> bits == entry.key >> bits;
}

const CachedEntry* ToyCaches::find(const WalkContext& context, LookupKind kind,
                                   std::uint64_t address) const {
  const CachedEntry* best = nullptr;
  for (const CachedEntry& entry : entries_) {
    if (entry.kind != kind || !holds(entry, address, context.wide_guest_entries)) continue;
    if ((best == nullptr || entry.level < best->level) && admit(entry)) best = &entry;
  }
  return best;
}

void ToyCaches::fill(const CachedEntry& filled) {
  for (CachedEntry& entry : entries_) {
    if (entry.kind == filled.kind && entry.level == filled.level && entry.key == filled.key) {
      entry = filled;
      return;
    }
  }
  entries_.push_back(filled);
}

CachedResult run_cached(WalkTables& tables, const Request& request, ToyCaches& caches,
                        Walk::Lookups lookups) {
  WalkContext context(tables.context);
  load_pdptes(context, tables.memory);
  Walk walk(context, request, lookups);
  Answer answer;
  CachedResult result;
  std::vector<CachedEntry> fills;
  for (;;) {
    const Step step = walk.next(answer);
    fills.insert(fills.end(), walk.fills().begin(), walk.fills().end());
    answer = {};
    const arch::Hpa address(step.address);
    switch (step.kind) {
      case StepKind::kLookup:
        answer.entry = caches.find(context, step.lookup, step.key);
        if (answer.entry != nullptr && step.dirty &&
            !arch::ept_entry::kDirty.any(answer.entry->ept.last)) {
          answer.entry = nullptr;
        }
        break;
      case StepKind::kRead:
      case StepKind::kLoad: answer.value = read(tables.memory, address, step.size); break;
      case StepKind::kCompareExchange:
        answer.value =
            compare_exchange(tables.memory, address, step.size, step.expected, step.desired);
        break;
      case StepKind::kWrite: write(tables.memory, address, step.size, step.desired); break;
      case StepKind::kDone:
        for (const CachedEntry& entry : fills) caches.fill(entry);
        return {walk.outcome(), walk.references(), static_cast<unsigned>(fills.size()),
                walk.pml_index()};
    }
  }
}

}  // namespace eptsim::mmu::test
