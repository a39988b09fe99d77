#pragma once

#include <string>

#include "mmu_model/walk/context.hpp"

namespace eptsim::sim {

/// Reads a translation context from a JSON file (docs/schema/context.schema.json), or from standard
/// input if `path` is "-". What is absent
/// takes its default; an unknown key, a value of the wrong type or out of range, and a context that
/// VM entry would refuse or the model does not support are InputErrors with file, line and column,
/// or with the field's name and the rule.
mmu::Context read_context(const std::string& path);

}  // namespace eptsim::sim
