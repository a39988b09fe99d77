#include "testbench/conformance/suite.hpp"

#include <algorithm>

#include "testbench/conformance/guest_paging_matrix.hpp"

namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t kFailuresShown = 5;

}  // namespace

bool Report::passed() const {
  return std::all_of(families.begin(), families.end(), [](const FamilyResult& family) {
    return std::all_of(family.voices.begin(), family.voices.end(),
                       [](const Count& count) { return count.failed == 0 && count.not_yet == 0; });
  });
}

Suite::Suite(Voices voices) : voices_(conformance_voices(std::move(voices))) {
  for (const auto& voice : voices_) report_.voices.emplace_back(voice->name());
  report_.voices.emplace_back("processor");
}

void Suite::run(const Family& family) {
  FamilyResult& result = begin(family.name, family.subject);
  family.generate([&](const Vector& vector) { put(vector, result); });
  result.voices.back().not_applicable = result.vectors;
}

void Suite::run(const Procedure& procedure) {
  FamilyResult& result = begin(procedure.name, procedure.subject);
  const std::size_t processor = result.voices.size() - 1;
  Count& count = result.voices[processor];
  procedure.generate([&](const Check& check) {
    ++result.vectors;
    const bool good = check.expected == check.got;
    ++(good ? count.passed : count.failed);
    if (!good) fail(result, processor, check.name, {{"outcome", check.expected, check.got}});
  });
  for (std::size_t i = 0; i < processor; ++i) result.voices[i].not_applicable = result.vectors;
}

FamilyResult& Suite::begin(std::string_view family, std::string_view subject) {
  report_.families.push_back({.family = family,
                              .subject = subject,
                              .vectors = 0,
                              .voices = std::vector<Count>(report_.voices.size())});
  return report_.families.back();
}

void Suite::put(const Vector& vector, FamilyResult& result) {
  ++result.vectors;
  std::optional<mmu::WalkContext> context;
  for (std::size_t i = 0; i < voices_.size(); ++i) {
    Count& count = result.voices[i];
    memory_.load(vector.image);
    const Standing standing = voices_[i]->standing(vector.context, vector.request, memory_);
    if (standing == Standing::kNotApplicable) {
      ++count.not_applicable;
    } else if (standing == Standing::kNotYet) {
      ++count.not_yet;
    } else if ((standing == Standing::kAnswers) != vector.expected.entered) {
      ++count.failed;
      fail(result, i, vector.name,
           {{"VM entry", vector.expected.entered ? "accepted" : "refused",
             vector.expected.entered ? "refused" : "accepted"}});
    } else if (standing == Standing::kRefused) {
      ++count.passed;
    } else {
      if (!context) {
        context.emplace(vector.context);
        // MOV to CR3 did it before.
        mmu::load_pdptes(*context, memory_);
      }
      answer_.clear();
      voices_[i]->ask(*context, vector.request, memory_, answer_);
      auto differences = judge(vector.expected, answer_, memory_);
      ++(differences.empty() ? count.passed : count.failed);
      if (!differences.empty()) fail(result, i, vector.name, std::move(differences));
    }
  }
}

void Suite::fail(const FamilyResult& result, std::size_t voice, const std::string& vector,
                 std::vector<Difference> differences) {
  if (result.voices[voice].failed > kFailuresShown) return;
  report_.failures.push_back({.family = std::string(result.family),
                              .voice = report_.voices[voice],
                              .vector = vector,
                              .differences = std::move(differences)});
}

void Suite::run_guest_paging(const Strides& strides, const GoOn& go_on) {
  constexpr struct {
    GuestPagingMatrix::Ept ept;
    std::string_view family, subject;
  } kMatrices[] = {
      {GuestPagingMatrix::Ept::kOff, "guest_paging",
       "every combination of the guest's last two levels, rights and accesses"},
      {GuestPagingMatrix::Ept::kIdentity, "guest_paging_nested", "the same under an EPT"},
  };
  const std::uint64_t stride_of[] = {strides.step_machine, strides.clocked_model, strides.oracle,
                                     strides.device};
  for (const auto& each : kMatrices) {
    FamilyResult& result = begin(each.family, each.subject);
    result.vectors = GuestPagingMatrix::kVectors;
    result.voices.back().not_applicable = result.vectors;
    GuestPagingMatrix matrix(each.ept);
    for (std::size_t i = 0; i < voices_.size(); ++i) {
      Count& count = result.voices[i];
      const auto done =
          matrix.run(*voices_[i], stride_of[i], go_on,
                     [&](const std::string& vector, const std::vector<Difference>& differences) {
                       ++count.failed;
                       fail(result, i, vector, differences);
                     });
      count.failed = done.failed;
      count.passed = done.vectors - done.failed;
      count.not_applicable = done.not_applicable;
      count.left_out = result.vectors - done.vectors - done.not_applicable;
    }
  }
}

void Suite::run_all(const Strides& strides, const GoOn& go_on) {
  for (const Family& family : families()) run(family);
  for (const Procedure& procedure : procedures()) run(procedure);
  run_guest_paging(strides, go_on);
}

}  // namespace eptsim::tb::conformance
