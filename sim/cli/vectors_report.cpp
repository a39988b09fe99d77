#include "sim/cli/vectors_report.hpp"

#include <fmt/format.h>

#include "sim/version.hpp"

namespace eptsim::sim {
namespace {

using tb::conformance::Count;
using tb::conformance::FamilyResult;
using tb::conformance::Report;

std::uint64_t asked(const Count& count) { return count.passed + count.failed + count.not_yet; }

/// "4,296", "4,290 of 4,296" where some failed, "-" where the voice was not asked.
std::string cell(const Count& count) {
  if (asked(count) == 0) return "-";
  if (count.passed == asked(count)) return grouped(count.passed);
  return fmt::format("{} of {}", grouped(count.passed), grouped(asked(count)));
}

FamilyResult total_of(const Report& report) {
  FamilyResult total{.family = "all", .subject = "", .vectors = 0, .voices = {}};
  total.voices.resize(report.voices.size());
  for (const FamilyResult& family : report.families) {
    total.vectors += family.vectors;
    for (std::size_t i = 0; i < total.voices.size(); ++i) {
      total.voices[i].passed += family.voices[i].passed;
      total.voices[i].failed += family.voices[i].failed;
      total.voices[i].not_applicable += family.voices[i].not_applicable;
      total.voices[i].not_yet += family.voices[i].not_yet;
      total.voices[i].left_out += family.voices[i].left_out;
    }
  }
  return total;
}

Json counts_object(const Report& report, const FamilyResult& family) {
  Json voices = Json::object();
  for (std::size_t i = 0; i < report.voices.size(); ++i) {
    const Count& count = family.voices[i];
    voices[report.voices[i]] = {{"passed", count.passed},
                                {"failed", count.failed},
                                {"not_applicable", count.not_applicable},
                                {"not_yet", count.not_yet},
                                {"left_out", count.left_out}};
  }
  return voices;
}

/// What was not put to a voice, and why.
std::string remarks_text(const Report& report, const FamilyResult& total) {
  std::string text;
  for (std::size_t i = 0; i < report.voices.size(); ++i) {
    const Count& count = total.voices[i];
    text += fmt::format(
        "  {:<16}{:>14} vectors{}{}{}{}\n", report.voices[i], grouped(asked(count)),
        count.failed == 0 ? "" : fmt::format(", {} failed", grouped(count.failed)),
        count.not_yet == 0 ? "" : fmt::format(", {} not yet possible", grouped(count.not_yet)),
        count.not_applicable == 0
            ? ""
            : fmt::format(", {} not applicable", grouped(count.not_applicable)),
        count.left_out == 0
            ? ""
            : fmt::format(", {} of the matrices left out", grouped(count.left_out)));
  }
  return text;
}

std::string failures_text(const Report& report) {
  std::string text;
  for (const tb::conformance::Failure& failure : report.failures) {
    text += fmt::format("  {}, {}: {}\n", failure.family, failure.voice, failure.vector);
    for (const tb::Difference& difference : failure.differences) {
      text += fmt::format("    {}: expected {}, got {}\n", difference.field, difference.expected,
                          difference.got);
    }
  }
  return text;
}

}  // namespace

Json vectors_document(const Report& report) {
  Json families = Json::array();
  for (const FamilyResult& family : report.families) {
    families.push_back({{"family", family.family},
                        {"subject", family.subject},
                        {"vectors", family.vectors},
                        {"voices", counts_object(report, family)}});
  }
  Json failures = Json::array();
  for (const tb::conformance::Failure& failure : report.failures) {
    Json differences = Json::array();
    for (const tb::Difference& difference : failure.differences) {
      differences.push_back({{"field", difference.field},
                             {"expected", difference.expected},
                             {"got", difference.got}});
    }
    failures.push_back({{"family", failure.family},
                        {"voice", failure.voice},
                        {"vector", failure.vector},
                        {"differences", differences}});
  }
  return {{"schema_version", 1},
          {"eptsim_version", kVersion},
          {"passed", report.passed()},
          {"families", families},
          {"failures", failures}};
}

std::string vectors_summary(const Report& report, Style style) {
  std::string header = fmt::format("  {:<27}{:>13}", "passed", "vectors");
  for (const std::string& voice : report.voices) header += fmt::format("{:>15}", voice);
  std::string text = style.heading(report.passed() ? "Conformance vectors: all passed"
                                                   : "Conformance vectors: NOT all passed") +
                     "\n" + header + "\n";
  const auto line = [&](const FamilyResult& family) {
    text += fmt::format("  {:<27}{:>13}", family.family, grouped(family.vectors));
    for (const Count& count : family.voices) text += fmt::format("{:>15}", cell(count));
    text += '\n';
  };
  for (const FamilyResult& family : report.families) line(family);
  const FamilyResult total = total_of(report);
  line(total);
  text += "\n" + style.heading("Asked") + "\n" + remarks_text(report, total);
  if (!report.failures.empty()) {
    text += "\n" + style.heading("Failures, the first of each family and voice") + "\n" +
            failures_text(report);
  }
  return text;
}

}  // namespace eptsim::sim
