#include "testbench/scoreboard/judge.hpp"

#include "testbench/oracle_adapter.hpp"
#include "testbench/scoreboard/walk_order.hpp"
#include "testbench/scoreboard/walk_rights.hpp"

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
  if (voices_.foreign) follower_.emplace(*voices_.foreign);
  oracle_access_.read64 = [this](std::uint64_t address) {
    return oracle_memory_.read64(arch::Hpa(address));
  };
  oracle_access_.write64 = [this](std::uint64_t address, std::uint64_t value) {
    oracle_memory_.write64(arch::Hpa(address), value);
  };
}

void Judge::reset() {
  lockstep_.reset();
  if (voices_.foreign) voices_.foreign->reset();
}

std::string Judge::device_name() const {
  if (voices_.device) return voices_.device->name;
  return voices_.foreign ? voices_.foreign->name() : "";
}

std::optional<Finding> Judge::prepare(PreparedCase& prepared) {
  const TestCase& test = prepared.test;
  prepared.context.reset();
  prepared.not_in_device.clear();
  // With EPT off, PDPTEs are in memory.
  if (!test.context.ept_enabled) oracle_memory_.load(test.image);
  auto refusal = mmu::check(test.context);
  if (!refusal) refusal = mmu::check(test.context, test.request);
  if (!refusal) {
    prepared.context.emplace(test.context);
    refusal = mmu::load_pdptes(*prepared.context, oracle_memory_);
  }
  const oracle::State state = state_of(test.context);
  auto oracle_refusal = oracle::refused(state, oracle_access_);
  if (!oracle_refusal) oracle_refusal = oracle::unsupported(state, access_of(test.request));

  if (refusal.has_value() != oracle_refusal.has_value()) {
    Differences differences;
    differences.word("accepted", oracle_refusal ? *oracle_refusal : "yes",
                     refusal ? refusal->key + " " + refusal->text : "yes");
    return finding(kOracle, kStepMachine, differences.take(), {});
  }
  if (refusal) {
    prepared.context.reset();
    return std::nullopt;
  }
  prepared.parts = page_parts(test.context, test.request);
  if (voices_.device) prepared.not_in_device = voices_.device->unsupported(test).value_or("");
  if (voices_.foreign) {
    prepared.not_in_device = voices_.foreign->unsupported(test.context, test.request).value_or("");
  }
  return std::nullopt;
}

std::optional<Finding> Judge::check(const PreparedCase& prepared, const PreparedCase* next) {
  if (!prepared.context) {
    ++coverage_.refused;
    return std::nullopt;
  }
  auto found = compare_all(prepared, next);
  if (!found) count(prepared);
  return found;
}

std::optional<Finding> Judge::compare_all(const PreparedCase& prepared, const PreparedCase* next) {
  const TestCase& test = prepared.test;
  memory_.load(test);
  recording_.references.clear();
  recording_.writes.clear();
  answer_ = voices_.step_machine(*prepared.context, test.request, memory_, recording_);
  run_clocked(prepared, next);

  // The oracle comes first: what all walkers share is told by it alone.
  if (oracle_can_judge()) {
    if (auto found = ask_oracle(test)) return found;
  }
  if (clocked_.finding) return std::move(clocked_.finding);
  if (auto found = compare_model()) return found;
  if (follower_ && prepared.in_device()) {
    if (auto found = compare_foreign(prepared)) return found;
  }
  if (prepared.parts.count > 1) return std::nullopt;
  Differences differences;
  compare_order(recording_, answer_.outcome, lockstep_.failed_swaps() != 0, differences);
  if (lockstep_.failed_swaps() == 0) {
    compare_rights_with_entries(test.context, test.request, recording_, answer_.outcome,
                                differences);
  }
  return finding("the walk's order", kStepMachine, differences.take(), recording_);
}

/// The oracle has no time in which a word could change. A store to a word that the walk had not
/// come to might as well have been made before.
bool Judge::oracle_can_judge() const {
  return lockstep_.failed_swaps() == 0 && !(memory_.store_made() && memory_.store_seen());
}

std::optional<Finding> Judge::ask_oracle(const TestCase& test) {
  oracle_memory_.load(test.image);
  if (memory_.store_made()) {
    oracle_memory_.write64(arch::Hpa(test.store->word.address), test.store->word.value);
  }
  const oracle::Result result =
      voices_.oracle(state_of(test.context), access_of(test.request), oracle_access_);
  Differences differences;
  compare(result, answer_, differences);
  compare(result, recording_, differences);
  compare(oracle_memory_, memory_.words(), differences);
  return finding(kOracle, kStepMachine, differences.take(), recording_);
}

/// An access to two pages is two walks. Both parts are refused before paging if one of them is:
/// then the walk that says so is the only one.
unsigned Judge::first_part(const PreparedCase& prepared) const {
  const unsigned last = prepared.parts.count - 1;
  const bool refused_first = answer_.outcome.kind == mmu::OutcomeKind::kGeneralProtection &&
                             answer_.address == prepared.parts.part[last].address;
  return refused_first ? last : 0;
}

/// The second of two walks goes on with the PML index that the first left.
void Judge::run_clocked(const PreparedCase& prepared, const PreparedCase* next) {
  const auto walk_of = [](const PreparedCase& from, const mmu::WalkContext* context,
                          unsigned part) {
    return ClockedWalk{{from.tag, context, from.parts.part[part]}, from.test.timing};
  };
  clocked_ = {};
  lockstep_.load(prepared.test);
  // A walker that takes no part in the next walk must not be offered its request, and which of two
  // parts comes first is known only when the step machine has answered. A walker of several walks
  // would take it, and has streams for that.
  const bool offer = next != nullptr && voices_.configuration.walks == 1 &&
                     next->in_device() == prepared.in_device() && next->parts.count == 1;
  ClockedWalk after;
  if (offer) after = walk_of(*next, &*next->context, 0);
  const ClockedWalk* const offered = offer ? &after : nullptr;

  const unsigned last = prepared.parts.count - 1;
  if (first_part(prepared) == last) {
    run_part(prepared, walk_of(prepared, &*prepared.context, last), offered);
    return;
  }
  if (!run_part(prepared, walk_of(prepared, &*prepared.context, 0), nullptr)) return;
  if (clocked_.responses[0].outcome.kind != mmu::OutcomeKind::kTranslated) return;
  mmu::WalkContext context = *prepared.context;
  context.raw.pml_index = clocked_.responses[0].pml_index;
  run_part(prepared, walk_of(prepared, &context, 1), offered);
}

/// Whether there was a response, and no difference.
bool Judge::run_part(const PreparedCase& prepared, const ClockedWalk& walk,
                     const ClockedWalk* next) {
  const bool with_device = voices_.device.has_value() && prepared.in_device();
  Lockstep::Result result = lockstep_.run(walk, next, with_device);
  clocked_.compared += result.compared;
  if (!result.differences.empty()) {
    clocked_.finding =
        finding(kModel, voices_.device->name, std::move(result.differences), lockstep_.recording());
  } else if (!result.response) {
    clocked_.finding =
        finding(kStepMachine, kModel,
                {{"response", "one", "none after " + std::to_string(result.cycle) + " cycles"}},
                lockstep_.recording());
  } else if (result.response->tag != prepared.tag) {
    clocked_.finding =
        finding(kStepMachine, kModel,
                {{"tag", std::to_string(prepared.tag), std::to_string(result.response->tag)}},
                lockstep_.recording());
  } else {
    clocked_.responses[clocked_.count++] = *result.response;
    return true;
  }
  clocked_.finding->cycle = result.cycle;
  return false;
}

std::optional<Finding> Judge::compare_model() {
  Differences differences;
  const mmu::WalkResponse& first = clocked_.responses[0];
  const mmu::WalkResponse& last = clocked_.responses[clocked_.count - 1];
  // Of two walks the answer keeps the lower page's outcome only if both translated.
  const bool both = answer_.second.has_value() && clocked_.count == 2;
  tb::compare(answer_.outcome, both ? first.outcome : last.outcome, differences);
  differences.flag("second page", answer_.second.has_value(),
                   clocked_.count == 2 && last.outcome.kind == mmu::OutcomeKind::kTranslated);
  if (both) tb::compare(*answer_.second, last.outcome, differences);
  unsigned references = first.references;
  if (clocked_.count == 2) references += last.references;
  differences.number("references", answer_.references, references);
  differences.number("pml_index", answer_.pml_index, last.pml_index);
  tb::compare(recording_, lockstep_.recording(), differences);
  compare(memory_.words(), lockstep_.memory().words(), differences);
  return finding(kStepMachine, kModel, differences.take(), lockstep_.recording());
}

std::optional<Finding> Judge::compare_foreign(const PreparedCase& prepared) {
  follower_->load(prepared.test);
  foreign_responses_ = foreign_requests_ = 0;
  mmu::WalkContext context = *prepared.context;
  for (unsigned part = first_part(prepared); part < prepared.parts.count; ++part) {
    Follower::Result result =
        follower_->run({prepared.tag, &context, prepared.parts.part[part]}, prepared.test.timing);
    auto found = finding(kStepMachine, voices_.foreign->name(), std::move(result.differences),
                         follower_->recording());
    if (found) {
      found->cycle = result.cycle;
      return found;
    }
    ++foreign_responses_;
    foreign_requests_ += result.requests;
    if (result.outcome.kind != mmu::OutcomeKind::kTranslated) break;
    context.raw.pml_index = result.pml_index;
  }
  return std::nullopt;
}

void Judge::count(const PreparedCase& prepared) {
  const bool compared = !has_device() || prepared.in_device();
  coverage_.count(prepared.test, answer_, recording_, compared);
  tally_.references += recording_.references.size();
  tally_.writes += recording_.writes.size();
  tally_.swaps += lockstep_.flag_updates().size();
  tally_.failed_swaps += lockstep_.failed_swaps();
  if (compared) {
    for (const FlagUpdate& update : lockstep_.flag_updates()) {
      tb::count(coverage_.flag_updates, update);
    }
  }
  ++(oracle_can_judge() ? tally_.oracle_walks : tally_.oracle_absent);
  tally_.cycles += clocked_.compared;
  if (!has_device()) return;
  if (prepared.in_device()) {
    ++tally_.device_walks;
    tally_.responses += follower_ ? foreign_responses_ : clocked_.count;
    if (follower_) tally_.requests += foreign_requests_;
  } else {
    ++tally_.not_in_device[prepared.not_in_device];
  }
}

std::optional<Finding> Judge::check_alone(const TestCase& test) {
  PreparedCase prepared;
  prepared.test = test;
  reset();
  auto found = prepare(prepared);
  if (!found && prepared.context) found = compare_all(prepared, nullptr);
  return found;
}

}  // namespace eptsim::tb
