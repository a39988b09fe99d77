#pragma once

#include <string>

#include "testbench/scoreboard/cross_check.hpp"

namespace eptsim::tb {

/// A context as eptsim's context files spell it; what has its default value is left out.
std::string context_text(const mmu::Context& context);
/// A request as eptsim's request files spell it.
std::string request_text(const mmu::Request& request);
/// Entries read, in order, and then what was written.
std::string walk_text(const mmu::Recording& recording);
/// A case: context, request, outside store, and the words of memory.
std::string case_text(const TestCase& test);

/// Fields, expected and got, in columns.
std::string difference_table(const Finding& finding);
/// All that is known of a mismatch. `replay` is the command that shows it again.
std::string mismatch_text(const Mismatch& mismatch, const std::string& replay);

}  // namespace eptsim::tb
