#pragma once

#include <string>

#include "mmu_model/walk/context.hpp"
#include "sim/image/memory_image.hpp"
#include "sim/walk/cached_engine.hpp"
#include "sim/walk/walk_engine.hpp"

namespace eptsim::sim {

/// Answers the requests of the file `requests` ("-": standard input), one a line, with a line each
/// on standard output, in order. Each request starts from the image as it was loaded. A bad line is
/// an InputError after the answers to those before it.
void answer_batch(const std::string& requests, const mmu::Context& context, MemoryImage& image,
                  WalkEngine& engine);

/// The same on one processor whose caches, registers and memory stay as each line leaves them, and
/// for which lines may be operations too.
void answer_cached_batch(const std::string& requests, CachedEngine& engine);

}  // namespace eptsim::sim
