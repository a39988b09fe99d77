#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/walk.hpp"

/// Walks run at once over a memory: no time, no caches.
namespace eptsim::mmu {

/// One read of a paging-structure entry.
struct Reference {
  Place place{};
  std::uint64_t address = 0;  ///< host-physical
  std::uint64_t value = 0;    ///< the entry as read; of 32 bits in 32-bit paging

  friend constexpr bool operator==(const Reference&, const Reference&) = default;
};

/// One store that a walk made: a flag update that succeeded, a log entry.
struct MemoryWrite {
  std::uint64_t address = 0;  ///< host-physical
  std::uint8_t size = 8;      ///< bytes
  std::uint64_t value = 0;    ///< as it stands in memory afterwards

  friend constexpr bool operator==(const MemoryWrite&, const MemoryWrite&) = default;
};

/// A recorder that keeps everything, in order.
struct Recording {
  std::vector<Reference> references;
  std::vector<MemoryWrite> writes;

  void reference(const Reference& reference) { references.push_back(reference); }
  void write(const MemoryWrite& write) { writes.push_back(write); }
};

/// A recorder that keeps nothing: the fast path, which allocates nothing.
struct NoRecording {
  void reference(const Reference&) {}
  void write(const MemoryWrite&) {}
};

struct TranslateResult {
  Outcome outcome;  ///< of the lower page, or the first failure
  /// Of the upper page, if the access crosses a 4 KiB boundary and both pages translated.
  std::optional<Outcome> second;
  std::uint64_t address = 0;    ///< what `outcome` is about: linear, or as requested
  unsigned references = 0;      ///< of both pages
  unsigned walks = 0;           ///< made: one a page, none for what is refused before
  std::uint16_t pml_index = 0;  ///< the VMCS field afterwards: each page logged counts it down
};

/// Translates `request`, which `check` accepted, setting accessed and dirty flags in `memory`. An
/// access that crosses a 4 KiB boundary (`size` up to 64 bytes) has both pages translated, the
/// lower first; flags of the lower stay set if the upper fails. A linear address that is refused
/// before paging (#GP) is refused for all its bytes, before anything is read.
/// Recorder: Recording or NoRecording.
template <class Recorder>
TranslateResult translate(const WalkContext& context, const Request& request,
                          arch::PhysicalMemory& memory, Recorder& recorder);

extern template TranslateResult translate(const WalkContext&, const Request&, arch::PhysicalMemory&,
                                          Recording&);
extern template TranslateResult translate(const WalkContext&, const Request&, arch::PhysicalMemory&,
                                          NoRecording&);

/// The fast path.
inline TranslateResult translate(const WalkContext& context, const Request& request,
                                 arch::PhysicalMemory& memory) {
  NoRecording nothing;
  return translate(context, request, memory, nothing);
}

}  // namespace eptsim::mmu
