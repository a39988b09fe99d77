#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/output/figures.hpp"
#include "sim/report/chart.hpp"

namespace eptsim::sim::report {

/// A run as a report shows it: its stats document, and what is asked of it more than once.
class Run {
 public:
  /// `document` may hold text of any bytes.
  explicit Run(const Json& document);

  const Json& document() const { return document_; }
  const Figures& figures() const { return figures_; }
  bool nested() const { return label() == "nested"; }
  bool partial() const { return document_.at("partial").get<bool>(); }

  std::string label() const { return text("/mode"); }
  /// "nested, with 4K guest pages on 4K EPT pages"
  std::string paging() const;
  /// "plain, dram.cycles=50"
  std::string machine() const;
  /// The trace's file without its folders.
  std::string trace_name() const;

  /// What stands at a JSON pointer of the document, which must be there.
  std::string text(const char* pointer) const;
  std::uint64_t count(const char* pointer) const;

  /// Where the core's cycles went: parts that sum to the cycles.
  const std::vector<Part>& parts() const { return parts_; }

 private:
  Json document_;
  Figures figures_;
  std::vector<Part> parts_;
};

using Runs = std::vector<Run>;

}  // namespace eptsim::sim::report
