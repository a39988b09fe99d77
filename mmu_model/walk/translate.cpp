#include "mmu_model/walk/translate.hpp"

#include "mmu_model/walk/page_parts.hpp"
#include "mmu_model/walk/step_service.hpp"

namespace eptsim::mmu {
namespace {

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
  TranslateResult result;
  result.pml_index = context.raw.pml_index;
  answer_page_by_page(context, request, result, [&](const Request& part) {
    Walk walk(context, part, Walk::Lookups::kOff, result.pml_index);
    const Outcome outcome = run(walk, memory, recorder);
    result.references += walk.references();
    ++result.walks;
    result.pml_index = walk.pml_index();
    return outcome;
  });
  return result;
}

template TranslateResult translate(const WalkContext&, const Request&, arch::PhysicalMemory&,
                                   Recording&);
template TranslateResult translate(const WalkContext&, const Request&, arch::PhysicalMemory&,
                                   NoRecording&);

}  // namespace eptsim::mmu
