#include "mmu_model/walk/walk_context.hpp"
#include "sim/fuzz/memory_file.hpp"
#include "sim/input_error.hpp"
#include "sim/walk/context_file.hpp"

// Any text is a context or an InputError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const eptsim::sim::MemoryFile file(bytes, size);
  try {
    const eptsim::mmu::WalkContext context(eptsim::sim::read_context(file.path()));
    if (context.ept_levels > 5) std::abort();
  } catch (const eptsim::sim::InputError&) {
  }
  return 0;
}
