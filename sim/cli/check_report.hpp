#pragma once

#include <cstdint>
#include <string>

#include "ept/check.hpp"
#include "ept/settings.hpp"
#include "sim/output/style.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// What a survey of the tables under an EPT pointer found.
struct CheckReport {
  std::uint64_t eptp = 0;
  ept::Settings settings;
  ept::Survey survey;

  bool is_clean() const { return survey.findings.empty() && !survey.stopped_at; }
};

/// For people: by kind, each finding with its place, the entry, and the bits that are wrong.
std::string check_text(const CheckReport& report, const Style& style);

/// docs/schema/check.schema.json.
Json check_document(const CheckReport& report);

}  // namespace eptsim::sim
