#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "sim/image/elf_core.hpp"
#include "sim/image/mapped_file.hpp"
#include "sim/image/write_overlay.hpp"

namespace eptsim::sim {

/// Physical memory as one or more dumps hold it. Files are mapped, never copied, and never changed:
/// writes go to an overlay that `forget_writes` drops. Outside the dumps memory reads as zero.
class MemoryImage final : public arch::PhysicalMemory {
 public:
  MemoryImage() = default;
  MemoryImage(MemoryImage&&) = default;
  MemoryImage& operator=(MemoryImage&&) = delete;

  /// Adds FILE or FILE@BASE: a raw dump that starts at BASE (0 if not given), or an ELF64 core,
  /// told by content. Throws InputError: unreadable, a BASE that is no number, a BASE for a core,
  /// an end beyond physical memory, an overlap with what is there.
  void add(const std::string& file_at_base);

  std::uint64_t read64(arch::Hpa address) const override;
  void write64(arch::Hpa address, std::uint64_t value) override;
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override;

  /// Whether a dump says what lies at `address`.
  bool holds(arch::Hpa address) const;

  /// The image as it was loaded.
  void forget_writes() { written_.clear(); }

 private:
  struct Segment {
    PhysicalSegment memory;
    std::string path;
  };

  void add_segment(const PhysicalSegment& memory, const std::string& path);
  /// The segment with the highest base at or below `address`; it may end before.
  const PhysicalSegment* segment_of(std::uint64_t address) const;
  std::uint64_t loaded(std::uint64_t address) const;

  std::vector<MappedFile> files_;
  std::vector<Segment> segments_;  ///< by base
  WriteOverlay written_;
  mutable std::size_t recent_ = 0;  ///< the segment found last: where the next is too, mostly
};

}  // namespace eptsim::sim
