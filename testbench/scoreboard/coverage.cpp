#include "testbench/scoreboard/coverage.hpp"

#include <algorithm>

#include "ept/arch/page_size.hpp"

namespace eptsim::tb {

namespace {
unsigned leaf_of(const std::optional<arch::PageSize>& size) {
  return size ? arch::leaf_level(*size) : 0;
}
}  // namespace

void Coverage::count(const TestCase& test, const mmu::Outcome& outcome, unsigned reference_count) {
  using mmu::OutcomeKind;
  ++walks;
  const auto kind = static_cast<unsigned>(outcome.kind);
  ++outcomes[kind];
  ++reasons[static_cast<unsigned>(outcome.reason)];
  ++accesses[static_cast<unsigned>(test.request.access) % accesses.size()][test.request.user];
  ++references[std::min<std::size_t>(reference_count, references.size() - 1)];
  if (test.store) ++stores;
  const bool translated = outcome.kind == OutcomeKind::kTranslated;
  const bool at_entry = !translated && outcome.kind != OutcomeKind::kGeneralProtection;
  if (translated) ++pages[leaf_of(outcome.guest_page_size)][leaf_of(outcome.ept_page_size)];
  if (at_entry) ++places[kind][outcome.place.guest_level % 6][outcome.place.ept_level % 6];
  for (const PlantedFault& fault : test.planted) {
    Planted& counter = planted[static_cast<unsigned>(fault.kind)];
    ++counter.walks;
    const bool of_address = fault.kind >= FaultKind::kNotCanonical;
    if (of_address ? outcome.kind == OutcomeKind::kGeneralProtection
                   : at_entry && fault.place == outcome.place) {
      ++counter.decided;
    }
  }
}

}  // namespace eptsim::tb
