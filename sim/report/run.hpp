#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/output/figures.hpp"
#include "sim/report/bars.hpp"

namespace eptsim::sim::report {

/// A run as a report shows it: its stats document, and what is asked of it more than once.
class Run {
 public:
  /// `document` may hold text of any bytes. `name`: its mode, if empty. `number`: among the runs of
  /// a page.
  explicit Run(const Json& document, std::string name = "", std::size_t number = 0);

  const Json& document() const { return document_; }
  const Figures& figures() const { return figures_; }
  bool partial() const { return document_.at("partial").get<bool>(); }
  /// Through the EPT, in hardware.
  bool nested() const { return text("/mode") == "nested"; }
  /// In a virtual machine, however that translates.
  bool virtualised() const { return text("/mode") != "native"; }

  const std::string& label() const { return name_; }
  /// A part of the name of its drawings.
  std::string id() const { return std::to_string(number_); }
  /// Its colour among the runs of a page.
  std::string kind() const;
  /// "nested, with 4K guest pages on 4K EPT pages"
  std::string paging() const;
  /// "plain, dram.cycles=50"
  std::string machine() const;
  /// The trace's file without its folders.
  std::string trace_name() const;

  /// What stands at a JSON pointer of the document, which must be there.
  std::string text(const char* pointer) const;
  std::uint64_t count(const char* pointer) const;
  double real(const char* pointer) const;
  /// An array or an object of the document.
  const Json& list(const char* pointer) const;

  /// Where the core's cycles went: parts that sum to the cycles.
  const std::vector<Part>& parts() const { return parts_; }

 private:
  Json document_;
  std::string name_;
  std::size_t number_;
  Figures figures_;
  std::vector<Part> parts_;
};

using Runs = std::vector<Run>;

/// Colours of runs that a style sheet has; further ones begin again.
inline constexpr std::size_t kRunColours = 8;

}  // namespace eptsim::sim::report
