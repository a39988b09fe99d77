#include <span>

#include "sim/fuzz/memory_file.hpp"
#include "sim/image/elf_core.hpp"
#include "sim/image/memory_image.hpp"
#include "sim/input_error.hpp"
#include "sim/walk/context_from_core.hpp"

namespace {

using eptsim::arch::Hpa;
using eptsim::sim::InputError;

/// Reads, in words that need not lie within, around both ends of what the file holds.
void read_image(const std::string& path, std::span<const std::byte> bytes) {
  eptsim::sim::MemoryImage image;
  image.add(path);
  std::uint64_t sum = image.read64(Hpa(0));
  if (eptsim::sim::is_elf(bytes)) {
    for (const auto& segment : eptsim::sim::segments_of_core(bytes, path)) {
      const std::uint64_t begin = segment.base & ~std::uint64_t{7};
      const std::uint64_t end = (segment.base + segment.size) & ~std::uint64_t{7};
      sum += image.read64(Hpa(begin)) + image.read64(Hpa(end));
      if (!image.holds(Hpa(segment.base))) std::abort();
    }
  }
  image.write64(Hpa(0), ~sum);
  if (image.read64(Hpa(0)) != ~sum) std::abort();
  image.forget_writes();
}

}  // namespace

// Any bytes are an image, a core's registers, or an InputError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const eptsim::sim::MemoryFile file(bytes, size);
  try {
    read_image(file.path(), std::as_bytes(std::span(bytes, size)));
  } catch (const InputError&) {
  }
  try {
    eptsim::sim::context_from_core(file.path());
  } catch (const InputError&) {
  }
  return 0;
}
