#include "sim/image/memory_image.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "sim/input_error.hpp"
#include "sim/number.hpp"

namespace eptsim::sim {
namespace {

/// FILE@BASE taken apart. A file whose name has an @ in it is taken whole if it exists.
std::pair<std::string, std::optional<std::uint64_t>> split_base(const std::string& text) {
  const std::size_t at = text.rfind('@');
  struct stat status{};
  if (at == std::string::npos || ::stat(text.c_str(), &status) == 0) return {text, std::nullopt};
  const std::string base = text.substr(at + 1);
  const std::optional<std::uint64_t> number = parse_number(base);
  if (!number) {
    throw InputError("--memory " + text, fmt::format("'{}' is no address, expected FILE or "
                                                     "FILE@BASE with BASE decimal or 0x…",
                                                     base));
  }
  if (at == 0) throw InputError("--memory " + text, "no file, expected FILE or FILE@BASE");
  return {text.substr(0, at), number};
}

}  // namespace

void MemoryImage::add(const std::string& file_at_base) {
  const auto [path, base] = split_base(file_at_base);
  const MappedFile& file = files_.emplace_back(path);
  if (is_elf(file.bytes())) {
    if (base) {
      throw InputError(path, "an ELF core says itself where its memory lies, expected no @BASE");
    }
    for (const PhysicalSegment& segment : segments_of_core(file.bytes(), path)) {
      add_segment(segment, path);
    }
    return;
  }
  add_segment({base.value_or(0), file.bytes().size(), file.bytes()}, path);
}

void MemoryImage::add_segment(const PhysicalSegment& memory, const std::string& path) {
  if (memory.base >= kEndOfPhysicalMemory || kEndOfPhysicalMemory - memory.base < memory.size) {
    throw InputError(path,
                     fmt::format("{} bytes at {:#x} run past the end of physical memory, 2^52",
                                 memory.size, memory.base));
  }
  const auto next = std::ranges::lower_bound(segments_, memory.base, {},
                                             [](const Segment& s) { return s.memory.base; });
  const Segment* other = nullptr;
  if (next != segments_.end() && next->memory.base - memory.base < memory.size) other = &*next;
  if (next != segments_.begin() &&
      memory.base - std::prev(next)->memory.base < std::prev(next)->memory.size) {
    other = &*std::prev(next);
  }
  if (other != nullptr) {
    throw InputError(path,
                     fmt::format("physical memory {:#x} to {:#x} overlaps {:#x} to {:#x} of {}",
                                 memory.base, memory.base + memory.size - 1, other->memory.base,
                                 other->memory.base + other->memory.size - 1, other->path));
  }
  segments_.insert(next, {memory, path});
}

bool MemoryImage::holds(arch::Hpa address) const {
  const PhysicalSegment* memory = segment_of(address.value());
  return memory != nullptr && address.value() - memory->base < memory->size;
}

const PhysicalSegment* MemoryImage::segment_of(std::uint64_t address) const {
  if (recent_ < segments_.size()) {
    const PhysicalSegment& recent = segments_[recent_].memory;
    if (address - recent.base < recent.size) return &recent;
  }
  const auto after = std::ranges::upper_bound(segments_, address, {},
                                              [](const Segment& s) { return s.memory.base; });
  if (after == segments_.begin()) return nullptr;
  recent_ = static_cast<std::size_t>(std::prev(after) - segments_.begin());
  return &segments_[recent_].memory;
}

std::uint64_t MemoryImage::loaded(std::uint64_t address) const {
  const PhysicalSegment* memory = segment_of(address);
  if (memory != nullptr && address - memory->base < memory->bytes.size() &&
      memory->bytes.size() - (address - memory->base) >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, memory->bytes.data() + (address - memory->base), 8);
    return word;
  }
  // Segments need not begin or end on a word.
  std::uint64_t word = 0;
  for (unsigned i = 0; i < 8; ++i) {
    memory = segment_of(address + i);
    if (memory != nullptr && address + i - memory->base < memory->bytes.size()) {
      word |= std::to_integer<std::uint64_t>(memory->bytes[address + i - memory->base]) << (8 * i);
    }
  }
  return word;
}

std::uint64_t MemoryImage::read64(arch::Hpa address) const {
  if (!written_.empty()) {
    const std::uint64_t* found = written_.find(address.value());
    if (found != nullptr) return *found;
  }
  return loaded(address.value());
}

void MemoryImage::write64(arch::Hpa address, std::uint64_t value) {
  written_.put(address.value(), value);
}

std::uint64_t MemoryImage::compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                              std::uint64_t desired) {
  const std::uint64_t found = read64(address);
  if (found == expected) write64(address, desired);
  return found;
}

}  // namespace eptsim::sim
