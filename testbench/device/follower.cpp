#include "testbench/device/follower.hpp"

#include <string>

#include "testbench/stimulus/random.hpp"

namespace eptsim::tb {

namespace {

using mmu::Cycle;
using mmu::StepKind;

/// No walk takes as long.
constexpr Cycle kPatience = 20'000;

/// A memory request in words: "swap 0x5000: 0x7 to 0x27".
template <class Request>
std::string text_of(const Request& request) {
  const std::string at = hex(request.address);
  const std::string size = request.size == 8 ? "" : ", " + std::to_string(request.size) + " bytes";
  switch (request.kind) {
    case StepKind::kCompareExchange:
      return "swap " + at + ": " + hex(request.expected) + " to " + hex(request.desired) + size;
    case StepKind::kWrite: return "write " + at + ": " + hex(request.desired) + size;
    case StepKind::kLoad: return "load " + at + size;
    default: return "read " + at + size;
  }
}

/// The step machine's next memory request, or its end.
std::string text_of_next(const mmu::Step& step, const mmu::Outcome& outcome) {
  if (step.kind == StepKind::kDone) return "response: " + std::string(mmu::name(outcome.kind));
  return text_of(step) + " (" + name(step.place) + ")";
}

bool same(const mmu::Step& step, const mmu::MemoryRequest& request) {
  if (step.kind != request.kind || step.address != request.address || step.size != request.size) {
    return false;
  }
  const bool swap = step.kind == StepKind::kCompareExchange;
  if (swap && step.expected != request.expected) return false;
  return (!swap && step.kind != StepKind::kWrite) || step.desired == request.desired;
}

std::string size_name(const std::optional<arch::PageSize>& size) {
  return size ? std::string(arch::name(*size)) : "none";
}

void compare_translation(const mmu::Outcome& expected, const mmu::Outcome& got,
                         const Reports& reports, Differences& differences) {
  differences.hex("hpa", expected.hpa, got.hpa);
  if (reports.gpa) differences.hex("gpa", expected.gpa, got.gpa);
  if (reports.page_size) {
    differences.word("page_size", arch::name(expected.page_size), arch::name(got.page_size));
  }
  if (reports.page_sizes) {
    differences.word("guest_page_size", size_name(expected.guest_page_size),
                     size_name(got.guest_page_size));
    differences.word("ept_page_size", size_name(expected.ept_page_size),
                     size_name(got.ept_page_size));
  }
  if (reports.memory_type) {
    differences.word("memory_type", arch::name(expected.memory_type), arch::name(got.memory_type));
  }
  if (reports.guest_rights) {
    differences.flag("guest_rights.write", expected.guest_rights.write, got.guest_rights.write);
    differences.flag("guest_rights.user", expected.guest_rights.user, got.guest_rights.user);
    differences.flag("guest_rights.execute", expected.guest_rights.execute,
                     got.guest_rights.execute);
    differences.flag("global", expected.global, got.global);
    differences.number("protection_key", expected.protection_key, got.protection_key);
  }
  if (reports.ept_rights) {
    differences.flag("ept_rights.read", expected.ept_rights.read, got.ept_rights.read);
    differences.flag("ept_rights.write", expected.ept_rights.write, got.ept_rights.write);
    differences.flag("ept_rights.execute", expected.ept_rights.execute, got.ept_rights.execute);
    differences.flag("ept_rights.user_execute", expected.ept_rights.user_execute,
                     got.ept_rights.user_execute);
    differences.flag("dirty", expected.dirty, got.dirty);
  }
}

void compare(const mmu::Outcome& expected, const mmu::Outcome& got, const Reports& reports,
             Differences& differences) {
  using mmu::OutcomeKind;
  differences.word("outcome", mmu::name(expected.kind), mmu::name(got.kind));
  switch (expected.kind) {
    case OutcomeKind::kTranslated: compare_translation(expected, got, reports, differences); return;
    case OutcomeKind::kPageFault:
      differences.hex("error_code", expected.error_code, got.error_code);
      break;
    case OutcomeKind::kGeneralProtection: break;
    default:
      differences.hex("qualification", expected.qualification & reports.qualification,
                      got.qualification & reports.qualification);
      differences.hex("gpa", expected.gpa, got.gpa);
      break;
  }
  if (reports.reason) differences.word("reason", name(expected.reason), name(got.reason));
}

}  // namespace

void Follower::load(const TestCase& test) {
  memory_.load(test);
  recording_.references.clear();
  recording_.writes.clear();
}

std::uint64_t Follower::carry_out(const mmu::Step& step) {
  const std::uint64_t found =
      memory_.carry_out(step.kind, arch::Hpa(step.address), step.size, step.expected, step.desired);
  if (step.kind == StepKind::kRead) {
    recording_.references.push_back({step.place, step.address, found});
  } else if (step.kind == StepKind::kWrite ||
             (step.kind == StepKind::kCompareExchange && found == step.expected)) {
    recording_.writes.push_back({step.address, step.size, step.desired});
  }
  return found;
}

Follower::Result Follower::run(const mmu::WalkRequest& request, const Timing& timing) {
  Random random(timing.seed, 0);
  const auto delay = [&] { return random.below(timing.stall + 1); };

  mmu::Walk walk(*request.context, request.request, mmu::Walk::Lookups::kOff);
  mmu::Step step = walk.next({});
  Result result;
  std::optional<mmu::MemoryAnswer> answer;
  const auto differs = [&](std::string got) -> Result&& {
    result.differences.push_back(
        {"step[" + std::to_string(result.requests) + "]",
         answer ? "nothing before the answer" : text_of_next(step, walk.outcome()),
         std::move(got)});
    return std::move(result);
  };

  // Counted down to the cycle in which the port is served.
  Cycle request_wait = delay();
  Cycle memory_wait = delay();
  Cycle response_wait = delay();
  Cycle answer_wait = 0;
  bool accepted = false;
  for (result.cycle = 0; result.cycle < kPatience; ++result.cycle) {
    ForeignInputs inputs;
    if (!accepted && request_wait == 0) inputs.request = request;
    if (answer && answer_wait == 0) inputs.answer = answer;
    inputs.memory_ready = !answer && memory_wait == 0;
    inputs.response_ready = response_wait == 0;
    for (Cycle* wait : {&request_wait, &memory_wait, &response_wait, &answer_wait}) {
      if (*wait != 0) --*wait;
    }

    walker_.drive(inputs);
    const ForeignOutputs outputs = walker_.sample();
    walker_.clock();
    if (outputs.request_taken) {
      if (!inputs.request) return differs("takes a request that is not there");
      accepted = true;
    }
    if (outputs.answer_taken) {
      if (!inputs.answer) return differs("takes an answer that is not there");
      step = walk.next({.value = answer->value});
      answer.reset();
    }
    if (outputs.memory) {
      if (!accepted) return differs(text_of(*outputs.memory) + " before the request is taken");
      if (!inputs.memory_ready) return differs(text_of(*outputs.memory) + " while memory is busy");
      if (!same(step, *outputs.memory)) return differs(text_of(*outputs.memory));
      ++result.requests;
      answer = {.id = outputs.memory->id, .value = carry_out(step)};
      answer_wait = timing.random_latency ? random.below(timing.latency) : timing.latency - 1;
      memory_wait = delay();
    }
    if (outputs.response) {
      const mmu::WalkResponse& got = *outputs.response;
      const std::string kind(mmu::name(got.outcome.kind));
      if (!inputs.response_ready)
        return differs("response: " + kind + ", held up, yet handed over");
      if (!accepted || answer || step.kind != StepKind::kDone) return differs("response: " + kind);
      Differences differences;
      differences.number("tag", request.tag, got.tag);
      compare(walk.outcome(), got.outcome, walker_.reports(), differences);
      if (request.context->raw.controls.pml) {
        differences.number("pml_index", walk.pml_index(), got.pml_index);
      }
      result.differences = differences.take();
      result.outcome = walk.outcome();
      result.pml_index = walk.pml_index();
      return result;
    }
  }
  return differs("nothing after " + std::to_string(kPatience) + " cycles");
}

}  // namespace eptsim::tb
