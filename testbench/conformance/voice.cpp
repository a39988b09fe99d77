#include "testbench/conformance/voice.hpp"

#include <utility>

#include "mmu_model/word_access.hpp"
#include "testbench/oracle_adapter.hpp"

namespace eptsim::tb::conformance {
namespace {

using arch::Hpa;
using mmu::OutcomeKind;

Standing standing_at_entry(const mmu::Context& context, const mmu::Request& request,
                           const arch::PhysicalMemory& memory) {
  auto error = mmu::check(context);
  if (!error) error = mmu::check(context, request);
  if (!error) {
    mmu::WalkContext loaded(context);
    error = mmu::load_pdptes(loaded, memory);
  }
  if (!error) return Standing::kAnswers;
  return error->kind == mmu::ContextError::Kind::kRefused ? Standing::kRefused : Standing::kNotYet;
}

bool crosses_page(const mmu::Request& request) {
  return (request.address & 0xfff) + request.size > 0x1000;
}

class StepMachine final : public Voice {
 public:
  explicit StepMachine(decltype(Voices::step_machine) translate)
      : translate_(std::move(translate)) {}

  std::string_view name() const override { return "step machine"; }
  Standing standing(const mmu::Context& context, const mmu::Request& request,
                    const arch::PhysicalMemory& memory) override {
    return standing_at_entry(context, request, memory);
  }
  void ask(const mmu::WalkContext& context, const mmu::Request& request,
           arch::PhysicalMemory& memory, Answer& answer) override {
    const mmu::TranslateResult result = translate_(context, request, memory, answer.recording);
    answer.outcome = result.outcome;
    answer.references = result.references;
    answer.pml_index = result.pml_index;
  }

 private:
  decltype(Voices::step_machine) translate_;
};

/// What a walker's request to memory does there.
std::uint64_t carry_out(const mmu::MemoryRequest& request, arch::PhysicalMemory& memory,
                        Answer& answer) {
  const Hpa address(request.address);
  switch (request.kind) {
    case mmu::StepKind::kRead: {
      const std::uint64_t value = mmu::read(memory, address, request.size);
      answer.recording.reference({request.place, request.address, value});
      return value;
    }
    case mmu::StepKind::kLoad: return mmu::read(memory, address, request.size);
    case mmu::StepKind::kWrite:
      mmu::write(memory, address, request.size, request.desired);
      answer.recording.write({request.address, request.size, request.desired});
      return 0;
    case mmu::StepKind::kCompareExchange:
      answer.recording.write({request.address, request.size, request.desired});
      return mmu::compare_exchange(memory, address, request.size, request.expected,
                                   request.desired);
    case mmu::StepKind::kLookup:
    case mmu::StepKind::kDone: break;  // never leave the walker
  }
  return 0;
}

/// No walk takes as many cycles.
constexpr mmu::Cycle kPatience = 5'000;

/// Whether a walker can be asked that takes one page at a time and knows nothing of VM entry.
Standing standing_of_walker(bool has_all, const mmu::Context& context, const mmu::Request& request,
                            const arch::PhysicalMemory& memory) {
  // The core cuts such an access in two.
  if (crosses_page(request) || !has_all) return Standing::kNotApplicable;
  const Standing standing = standing_at_entry(context, request, memory);
  return standing == Standing::kRefused ? Standing::kNotApplicable : standing;
}

/// A clocked walker whose ports are served at once.
class ClockedVoice final : public Voice {
 public:
  ClockedVoice(std::string name, std::unique_ptr<mmu::WalkerUnit> unit,
               decltype(Device::unsupported) unsupported)
      : name_(std::move(name)), unit_(std::move(unit)), unsupported_(std::move(unsupported)) {
    unit_->reset();
  }

  std::string_view name() const override { return name_; }

  Standing standing(const mmu::Context& context, const mmu::Request& request,
                    const arch::PhysicalMemory& memory) override {
    bool has_all = true;
    if (unsupported_) {
      TestCase test;
      test.context = context;
      test.request = request;
      has_all = !unsupported_(test);
    }
    return standing_of_walker(has_all, context, request, memory);
  }

  void ask(const mmu::WalkContext& context, const mmu::Request& request,
           arch::PhysicalMemory& memory, Answer& answer) override {
    const mmu::Cycle begin = now_;
    mmu::WalkerInputs inputs{.request = mmu::WalkRequest{.context = &context, .request = request},
                             .memory_ready = true,
                             .response_ready = true};
    for (; now_ - begin < kPatience; ++now_) {
      inputs.cycle = now_;
      const mmu::WalkerOutputs outputs = unit_->outputs();
      unit_->tick(inputs);
      if (outputs.request_ready) inputs.request.reset();
      inputs.answer.reset();
      if (outputs.memory) {
        inputs.answer =
            mmu::MemoryAnswer{outputs.memory->id, carry_out(*outputs.memory, memory, answer)};
      }
      if (outputs.response) {
        answer.outcome = outputs.response->outcome;
        answer.references = outputs.response->references;
        answer.pml_index = outputs.response->pml_index;
        ++now_;
        return;
      }
    }
    answer.hangs_after = kPatience;
    unit_->reset();
    now_ = 0;
  }

 private:
  std::string name_;
  std::unique_ptr<mmu::WalkerUnit> unit_;
  decltype(Device::unsupported) unsupported_;
  mmu::Cycle now_ = 0;
};

/// A walker with ports of its own, which are served at once.
class ForeignVoice final : public Voice {
 public:
  explicit ForeignVoice(std::unique_ptr<ForeignWalker> walker)
      : walker_(std::move(walker)), name_(walker_->name()) {
    walker_->reset();
  }

  std::string_view name() const override { return name_; }

  Standing standing(const mmu::Context& context, const mmu::Request& request,
                    const arch::PhysicalMemory& memory) override {
    return standing_of_walker(!walker_->unsupported(context, request), context, request, memory);
  }

  void ask(const mmu::WalkContext& context, const mmu::Request& request,
           arch::PhysicalMemory& memory, Answer& answer) override {
    answer.told = walker_->reports();
    ForeignInputs inputs{.request = mmu::WalkRequest{.context = &context, .request = request},
                         .memory_ready = true,
                         .response_ready = true};
    for (mmu::Cycle cycle = 0; cycle < kPatience; ++cycle) {
      walker_->drive(inputs);
      const ForeignOutputs outputs = walker_->sample();
      walker_->clock();
      if (outputs.request_taken) inputs.request.reset();
      if (outputs.answer_taken) inputs.answer.reset();
      if (outputs.memory) {
        inputs.answer =
            mmu::MemoryAnswer{outputs.memory->id, carry_out(*outputs.memory, memory, answer)};
      }
      inputs.memory_ready = !inputs.answer;
      if (outputs.response) {
        answer.outcome = outputs.response->outcome;
        answer.outcome.linear_valid = (answer.outcome.qualification & kLinear) != 0;
        answer.references = answer.recording.references.size();
        if (context.raw.controls.pml) answer.pml_index = outputs.response->pml_index;
        return;
      }
    }
    answer.hangs_after = kPatience;
    walker_->reset();
  }

 private:
  std::unique_ptr<ForeignWalker> walker_;
  std::string name_;
};

class OracleVoice final : public Voice {
 public:
  explicit OracleVoice(decltype(Voices::oracle) translate) : translate_(std::move(translate)) {}

  std::string_view name() const override { return "oracle"; }
  Standing standing(const mmu::Context& context, const mmu::Request& request,
                    const arch::PhysicalMemory& memory) override {
    const oracle::State state = state_of(context);
    const oracle::Memory access{
        .read64 = [&](std::uint64_t address) { return memory.read64(Hpa(address)); },
        .write64 = {}};
    if (oracle::refused(state, access)) return Standing::kRefused;
    return oracle::unsupported(state, access_of(request)) ? Standing::kNotYet : Standing::kAnswers;
  }
  void ask(const mmu::WalkContext& context, const mmu::Request& request,
           arch::PhysicalMemory& memory, Answer& answer) override {
    const oracle::Memory access{
        .read64 = [&](std::uint64_t address) { return memory.read64(Hpa(address)); },
        .write64 = [&](std::uint64_t address,
                       std::uint64_t value) { memory.write64(Hpa(address), value); }};
    const oracle::Result result = translate_(state_of(context.raw), access_of(request), access);
    answer.outcome = outcome_of(result);
    answer.references = result.references.size();
    answer.recording = recording_of(result);
  }

 private:
  decltype(Voices::oracle) translate_;
};

bool is_ept_event(OutcomeKind kind) {
  return kind != OutcomeKind::kTranslated && kind != OutcomeKind::kPageFault &&
         kind != OutcomeKind::kGeneralProtection;
}

std::string text_of(const mmu::MemoryWrite& write) {
  return hex(write.address) + " = " + hex(write.value) + " (" + std::to_string(write.size) +
         " bytes)";
}

void judge_writes(const std::vector<mmu::MemoryWrite>& expected,
                  const std::vector<mmu::MemoryWrite>& got, Differences& differences) {
  for (std::size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
    if (i < expected.size() && i < got.size() && expected[i] == got[i]) continue;
    differences.word("write " + std::to_string(i),
                     i < expected.size() ? text_of(expected[i]) : "none",
                     i < got.size() ? text_of(got[i]) : "none");
    return;
  }
}

}  // namespace

std::vector<std::unique_ptr<Voice>> conformance_voices(Voices voices) {
  std::vector<std::unique_ptr<Voice>> result;
  result.push_back(std::make_unique<StepMachine>(std::move(voices.step_machine)));
  result.push_back(
      std::make_unique<ClockedVoice>("clocked model", std::move(voices.model), nullptr));
  result.push_back(std::make_unique<OracleVoice>(std::move(voices.oracle)));
  if (voices.device) {
    result.push_back(std::make_unique<ClockedVoice>(voices.device->name,
                                                    std::move(voices.device->unit),
                                                    std::move(voices.device->unsupported)));
  }
  if (voices.foreign) result.push_back(std::make_unique<ForeignVoice>(std::move(voices.foreign)));
  return result;
}

std::vector<Difference> judge(const Expected& expected, const Answer& answer,
                              const SparseMemory& memory) {
  Differences differences;
  if (answer.hangs_after != 0) {
    differences.word("response", "one",
                     "none after " + std::to_string(answer.hangs_after) + " cycles");
    return differences.take();
  }
  const mmu::Outcome& outcome = answer.outcome;
  const Reports& told = answer.told;
  differences.word("outcome", mmu::name(expected.kind), mmu::name(outcome.kind));
  if (expected.kind == outcome.kind) {
    if (is_ept_event(expected.kind)) {
      differences.hex("qualification", expected.qualification & told.qualification,
                      outcome.qualification & told.qualification);
    }
    if ((told.qualification & kLinear) != 0 &&
        (expected.kind == OutcomeKind::kEptViolation ||
         expected.kind == OutcomeKind::kVirtualizationException)) {
      differences.flag("linear address valid", (expected.qualification & kLinear) != 0,
                       outcome.linear_valid);
    }
    if (expected.kind == OutcomeKind::kPageFault) {
      differences.hex("error code", expected.error_code, outcome.error_code);
    }
    if (expected.gpa && (told.gpa || is_ept_event(expected.kind))) {
      differences.hex("gpa", *expected.gpa, outcome.gpa);
    }
    if (expected.hpa) differences.hex("hpa", *expected.hpa, outcome.hpa);
    if (expected.memory_type && told.memory_type) {
      differences.word("memory type", arch::name(*expected.memory_type),
                       arch::name(outcome.memory_type));
    }
    if (expected.page_size && told.page_size) {
      differences.word("page size", arch::name(*expected.page_size), arch::name(outcome.page_size));
    }
  }
  if (expected.references) {
    differences.number("references", *expected.references, answer.references);
  }
  if (expected.pml_index && answer.pml_index) {
    differences.hex("PML index", *expected.pml_index, *answer.pml_index);
  }
  if (expected.writes) judge_writes(*expected.writes, answer.recording.writes, differences);
  for (const MemoryFact& fact : expected.memory) {
    differences.hex(fact.what + ", bits " + hex(fact.mask), fact.value,
                    memory.read64(Hpa(fact.address)) & fact.mask);
  }
  return differences.take();
}

}  // namespace eptsim::tb::conformance
