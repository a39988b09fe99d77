#include "mmu_model/walk/translate.hpp"

#include <array>

#include "ept/arch/page_size.hpp"
#include "mmu_model/walk/guest_rules.hpp"
#include "mmu_model/walk/step_service.hpp"

namespace eptsim::mmu {
namespace {

constexpr std::uint64_t kPage = arch::bytes(arch::PageSize::k4K);

/// The parts of an access within one page each.
struct Pages {
  std::array<Request, 2> part;
  unsigned count = 1;
};

Pages split(const WalkContext& context, const Request& request) {
  Pages pages{.part = {request, request}};
  const std::uint64_t room = kPage - (request.address & (kPage - 1));
  if (request.size > room) {
    Request& upper = pages.part[1];
    upper.address = (request.address + room) & (request.linear ? context.linear_mask : ~0ull);
    upper.size = static_cast<std::uint8_t>(request.size - room);
    pages.part[0].size = static_cast<std::uint8_t>(room);
    pages.count = 2;
  }
  return pages;
}

template <class Recorder>
Outcome run(Walk& walk, arch::PhysicalMemory& memory, Recorder& recorder) {
  Answer answer;
  for (;;) {
    const Step step = walk.next(answer);
    if (step.kind == StepKind::kDone) return walk.outcome();
    answer.value = serve(step, memory, recorder);
  }
}

}  // namespace

template <class Recorder>
TranslateResult translate(const WalkContext& context, const Request& request,
                          arch::PhysicalMemory& memory, Recorder& recorder) {
  const Pages pages = split(context, request);
  TranslateResult result;
  result.pml_index = context.raw.pml_index;
  if (pages.count == 2 && request.linear &&
      linear_address_refusal(context, pages.part[0]) == Reason::kNone) {
    const Reason reason = linear_address_refusal(context, pages.part[1]);
    if (reason != Reason::kNone) {
      result.outcome = {.kind = OutcomeKind::kGeneralProtection, .reason = reason};
      result.address = pages.part[1].address;
      return result;
    }
  }
  for (unsigned i = 0; i < pages.count; ++i) {
    Walk walk(context, pages.part[i], Walk::Lookups::kOff, result.pml_index);
    const Outcome outcome = run(walk, memory, recorder);
    result.references += walk.references();
    result.pml_index = walk.pml_index();
    if (i == 0 || outcome.kind != OutcomeKind::kTranslated) {
      result.outcome = outcome;
      result.address = pages.part[i].address;
    } else {
      result.second = outcome;
    }
    if (outcome.kind != OutcomeKind::kTranslated) break;
  }
  return result;
}

template TranslateResult translate(const WalkContext&, const Request&, arch::PhysicalMemory&,
                                   Recording&);
template TranslateResult translate(const WalkContext&, const Request&, arch::PhysicalMemory&,
                                   NoRecording&);

}  // namespace eptsim::mmu
