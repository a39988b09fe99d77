#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sim/report/run.hpp"
#include "sim/report/table.hpp"

/// Tables of measures below one another, with a column for each run; with two runs, one of ratios.
namespace eptsim::sim::report {

struct Measured {
  std::string shown;
  double number = 0;  ///< behind it
};
struct Measure {
  std::string label;
  std::function<Measured(const Run&)> of;
};

/// A count of the stats document, or a number with decimals.
Measure count(const std::string& label, const char* pointer);
Measure number(const std::string& label, const char* pointer, int decimals);
Measure bytes(const std::string& label, const char* pointer);
/// What few machines have: a row only where some run counted it.
void add_if_any(std::vector<Measure>& measures, const Runs& runs, const std::string& label,
                const char* pointer);

Html measures_table(const std::string& caption, const Runs& runs,
                    const std::vector<Measure>& measures);

/// Those of `caches` that were asked; nothing if none was.
Html look_ups(const std::string& caption, const Runs& runs,
              std::vector<Figures::LookUps> Figures::* caches);

bool any(const Runs& runs, bool (Run::*what)() const);

}  // namespace eptsim::sim::report
