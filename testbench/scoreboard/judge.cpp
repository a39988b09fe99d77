#include "testbench/scoreboard/judge.hpp"

#include "testbench/oracle_adapter.hpp"

namespace eptsim::tb {

namespace {

constexpr const char* kStepMachine = "step machine";
constexpr const char* kOracle = "oracle";
constexpr const char* kModel = "clocked model";

void compare(const SparseMemory& expected, const SparseMemory& got, Differences& differences) {
  const auto address = expected.difference(got);
  if (!address) return;
  const arch::Hpa at(*address);
  differences.hex("memory afterwards, " + hex(*address), expected.read64(at), got.read64(at));
}

std::optional<Finding> finding(const char* expected, const std::string& got,
                               std::vector<Difference> differences, const mmu::Recording& so_far) {
  if (differences.empty()) return std::nullopt;
  return Finding{expected, got, std::move(differences), std::nullopt, so_far};
}

}  // namespace

Judge::Judge(Voices voices)
    : voices_(std::move(voices)),
      lockstep_(*voices_.model, voices_.device ? voices_.device->unit.get() : nullptr) {
  oracle_access_.read64 = [this](std::uint64_t address) {
    return oracle_memory_.read64(arch::Hpa(address));
  };
  oracle_access_.write64 = [this](std::uint64_t address, std::uint64_t value) {
    oracle_memory_.write64(arch::Hpa(address), value);
  };
}

std::optional<Finding> Judge::prepare(PreparedCase& prepared) {
  const TestCase& test = prepared.test;
  prepared.context.reset();
  auto refusal = mmu::check(test.context);
  if (!refusal) refusal = mmu::check(test.context, test.request);
  const oracle::State state = state_of(test.context);
  auto oracle_refusal = oracle::refused(state);
  if (!oracle_refusal) oracle_refusal = oracle::unsupported(state, access_of(test.request));

  Differences differences;
  differences.word("accepted by VM entry", oracle_refusal ? *oracle_refusal : "yes",
                   refusal ? refusal->key + " " + refusal->text : "yes");
  if (refusal.has_value() != oracle_refusal.has_value()) {
    return finding(kOracle, kStepMachine, differences.take(), {});
  }
  if (refusal) return std::nullopt;
  prepared.context.emplace(test.context);
  prepared.in_device = false;
  if (voices_.device) {
    const auto missing = voices_.device->unsupported(test);
    prepared.in_device = !missing;
    if (missing) ++tally_.not_in_device[*missing];
  }
  return std::nullopt;
}

std::optional<Finding> Judge::check(const PreparedCase& prepared, const PreparedCase* next) {
  if (!prepared.context) {
    ++coverage_.refused_contexts;
    return std::nullopt;
  }
  const TestCase& test = prepared.test;
  memory_.load(test);
  recording_.references.clear();
  recording_.writes.clear();
  answer_ = voices_.step_machine(*prepared.context, test.request, memory_, recording_);

  coverage_.count(test, answer_.outcome, answer_.references);
  coverage_.swaps += memory_.swaps();
  coverage_.failed_swaps += memory_.failed_swaps();
  tally_.references += recording_.references.size();
  tally_.writes += recording_.writes.size();

  if (auto found = ask_oracle(test)) return found;
  return run_clocked(prepared, next);
}

std::optional<Finding> Judge::ask_oracle(const TestCase& test) {
  // The oracle has no time in which a word could change. A store to a word that the walk had not
  // come to might as well have been made before.
  if (memory_.failed_swaps() != 0 || (memory_.store_made() && memory_.store_seen())) {
    ++tally_.oracle_absent;
    return std::nullopt;
  }
  ++tally_.oracle_walks;
  oracle_memory_.load(test.image);
  if (memory_.store_made()) {
    oracle_memory_.write64(arch::Hpa(test.store->word.address), test.store->word.value);
  }
  const oracle::Result result =
      voices_.oracle(state_of(test.context), access_of(test.request), oracle_access_);
  Differences differences;
  compare(result, answer_.outcome, answer_.address, differences);
  differences.number("number of references", result.references.size(), answer_.references);
  compare(result, recording_, differences);
  compare(oracle_memory_, memory_.words(), differences);
  return finding(kOracle, kStepMachine, differences.take(), recording_);
}

std::optional<Finding> Judge::run_clocked(const PreparedCase& prepared, const PreparedCase* next) {
  const ClockedCase walk{&prepared.test, &*prepared.context, prepared.tag};
  ClockedCase after;
  if (next != nullptr) after = {&next->test, &*next->context, next->tag};
  // A walker that takes no part in the next walk must not be offered its request.
  const bool offer = next != nullptr && next->in_device == prepared.in_device;
  Lockstep::Result result = lockstep_.run(walk, offer ? &after : nullptr, prepared.in_device);
  tally_.cycles += result.compared;
  if (!result.differences.empty()) {
    auto found =
        finding(kModel, voices_.device->name, std::move(result.differences), lockstep_.recording());
    found->cycle = result.cycle;
    return found;
  }
  if (!result.response) {
    return Finding{kStepMachine,
                   kModel,
                   {{"response", "one", "none after " + std::to_string(result.cycle) + " cycles"}},
                   result.cycle,
                   lockstep_.recording()};
  }
  if (prepared.in_device) ++tally_.responses;
  if (result.response->tag != prepared.tag) {
    return finding(kStepMachine, kModel,
                   {{"tag", std::to_string(prepared.tag), std::to_string(result.response->tag)}},
                   lockstep_.recording());
  }
  return compare_model(*result.response);
}

std::optional<Finding> Judge::compare_model(const mmu::WalkResponse& response) {
  Differences differences;
  tb::compare(answer_.outcome, response.outcome, Detail::kAll, differences);
  differences.number("references", answer_.references, response.references);
  tb::compare(recording_, lockstep_.recording(), differences);
  compare(memory_.words(), lockstep_.memory().words(), differences);
  return finding(kStepMachine, kModel, differences.take(), lockstep_.recording());
}

std::optional<Finding> Judge::check_alone(const TestCase& test) {
  const Coverage coverage = coverage_;
  const Tally tally = tally_;
  PreparedCase prepared;
  prepared.test = test;
  reset();
  auto found = prepare(prepared);
  if (!found) found = check(prepared, nullptr);
  coverage_ = coverage;
  tally_ = tally;
  return found;
}

}  // namespace eptsim::tb
