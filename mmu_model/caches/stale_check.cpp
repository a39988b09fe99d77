#include "mmu_model/caches/stale_check.hpp"

#include <algorithm>
#include <vector>

#include "mmu_model/walk/translate.hpp"

namespace eptsim::mmu {

namespace {

/// A memory on which walks leave no trace, though each sees what it stored itself.
class Untouched final : public arch::PhysicalMemory {
 public:
  explicit Untouched(const arch::PhysicalMemory& memory) : memory_(memory) {}

  std::uint64_t read64(arch::Hpa address) const override {
    const auto stored = std::ranges::find(stored_, address, &Store::address);
    return stored != stored_.end() ? stored->value : memory_.read64(address);
  }
  void write64(arch::Hpa address, std::uint64_t value) override {
    std::erase_if(stored_, [&](const Store& store) { return store.address == address; });
    stored_.push_back({address, value});
  }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    const std::uint64_t found = read64(address);
    if (found == expected) write64(address, desired);
    return found;
  }

 private:
  struct Store {
    arch::Hpa address;
    std::uint64_t value;
  };
  const arch::PhysicalMemory& memory_;
  std::vector<Store> stored_;  ///< flags, mostly none: a few of one walk
};

constexpr std::uint16_t kFullLog = 0xffff;

StaleUse::Change change_of(Reason reason) {
  switch (reason) {
    case Reason::kGuestNotPresent:
    case Reason::kGuestReservedBit:
    case Reason::kEptNotPresent:
    case Reason::kEptAddressTooWide:
    case Reason::kEptWriteWithoutRead:
    case Reason::kEptExecuteOnlyUnsupported:
    case Reason::kEptPagingWriteWithoutRead:
    case Reason::kEptReservedBit:
    case Reason::kEptMemoryType: return StaleUse::Change::kGone;
    default: return StaleUse::Change::kRightsReduced;
  }
}

/// The context with a log of modified pages that is full, or without any.
WalkContext with_log(const WalkContext& context, bool full) {
  WalkContext changed(context);
  changed.page_modification_log = full;
  changed.raw.pml_index = kFullLog;
  return changed;
}

/// Whether a walk for the write would set the dirty flag of the page's EPT entry, and log it. All
/// other flags are those that a read sets, and a walk ends at the first that is missing in a full
/// log.
bool would_log(const WalkContext& context, const Request& write,
               const arch::PhysicalMemory& memory) {
  Untouched untouched(memory);
  Request request = write;
  request.access = arch::AccessKind::kRead;
  translate(with_log(context, false), request, untouched);
  return translate(with_log(context, true), write, untouched).outcome.kind == OutcomeKind::kPmlFull;
}

}  // namespace

Outcome look_at(const WalkContext& context, const Request& request,
                const arch::PhysicalMemory& memory) {
  Untouched untouched(memory);
  return translate(context, request, untouched).outcome;
}

std::optional<StaleUse> find_stale_use(const WalkContext& context, const Request& request,
                                       const TlbEntry& entry, const arch::PhysicalMemory& memory) {
  // The use of the entry logs nothing: so a full log is no refusal, and hides none.
  StaleUse use{.gpa = entry.gpa_of(request.address),
               .hpa = entry.hpa_of(request.address),
               .memory = look_at(with_log(context, false), request, memory)};
  const Outcome& now = use.memory;
  switch (now.kind) {
    case OutcomeKind::kTranslated:
      if (now.gpa == use.gpa && now.hpa == use.hpa) {
        if (!context.page_modification_log || !arch::is_write(request.access) ||
            !would_log(context, request, memory)) {
          return std::nullopt;
        }
        use.change = StaleUse::Change::kUnlogged;
        use.in_ept = true;
        return use;
      }
      use.change = StaleUse::Change::kMoved;
      use.in_ept = now.gpa == use.gpa;
      return use;
    case OutcomeKind::kPageFault: use.change = change_of(now.reason); return use;
    default: break;
  }
  // The EPT refuses: the page that the TLB had, a guest table's, or one that the guest moved to.
  if (now.place.guest_level == 0 && now.gpa != use.gpa) {
    use.change = StaleUse::Change::kMoved;
    return use;
  }
  use.in_ept = true;
  use.gpa = now.gpa;
  use.change = change_of(now.reason);
  return use;
}

}  // namespace eptsim::mmu
