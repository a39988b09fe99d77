#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "ept/arch/page_size.hpp"

/// Small pages that system software merges into a large one after they were given: docs/merging.md.
namespace eptsim::sim {

/// What is merged: pages of 4 KiB into one of 2 MiB.
inline constexpr arch::PageSize kMergedPage = arch::PageSize::k2M;
inline constexpr unsigned kMergedPieces = 512;

/// How system software of one dimension goes about it.
struct MergeSettings {
  /// Accesses of the core that the machine's first vCPU is on, from one pass to the next; 0: none.
  std::uint64_t interval = 0;
  unsigned pieces = 8;         ///< of 2 MiB, looked at in a pass; 0: all
  unsigned most_absent = 511;  ///< of a piece's 512 pages, which are new in the large one
  unsigned page_cycles = 500;  ///< for each of the 512, to copy or to clear it
};

/// What it came to.
struct MergeCounts {
  std::uint64_t merges = 0;   ///< large pages made
  std::uint64_t pages = 0;    ///< small pages that were merged into them
  std::uint64_t refused = 0;  ///< times that no large frame was to be had
  std::uint64_t cycles = 0;   ///< of the core that did it, exits and waiting for others included

  MergeCounts& operator+=(const MergeCounts& more);
  /// What came since `before`.
  MergeCounts operator-(const MergeCounts& before) const;
};

/// The pieces of 2 MiB in which small pages were mapped, looked at in turns: by address space, then
/// address, and round again.
class SmallPieces {
 public:
  struct Piece {
    std::uint16_t asid = 0;  ///< 0 in an EPT
    std::uint64_t begin = 0;
    friend constexpr auto operator<=>(const Piece&, const Piece&) = default;
  };

  /// That in which `address` lies.
  void add(std::uint16_t asid, std::uint64_t address);
  void remove(const Piece& piece) { pieces_.erase(piece); }
  /// The next one; nothing if there is none.
  std::optional<Piece> next();
  std::size_t size() const { return pieces_.size(); }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(pieces_, last_);
  }

 private:
  std::set<Piece> pieces_;
  Piece last_{.asid = 0xffff, .begin = ~0ull};  ///< looked at
};

}  // namespace eptsim::sim
