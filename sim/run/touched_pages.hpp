#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ept/arch/access.hpp"

namespace eptsim::sim {

/// Pages that the program has accessed lately: where they are, which entries of page tables say so,
/// and by which kinds of access. One more of those finds nothing to be done in memory, neither a
/// fault nor an accessed or dirty flag to be set. Direct-mapped; what is forgotten is walked for
/// again.
class TouchedPages {
 public:
  struct Page {
    std::uint64_t number = 0;
    std::uint64_t frame = 0;                 ///< the host-physical page
    std::array<std::uint64_t, 2> entries{};  ///< host-physical: the guest's leaf, the last one read
    std::uint64_t round = 0;                 ///< of changes
    std::uint64_t kinds = 0;                 ///< by bit of AccessKind
  };

  /// The page if it is known, nullptr otherwise.
  const Page* find(std::uint64_t number) const {
    const Page& there = pages_[number & (kPages - 1)];
    return there.number == number && there.round == round_ ? &there : nullptr;
  }
  /// The same if an access of `kind` leaves nothing to be done.
  const Page* find(std::uint64_t number, arch::AccessKind kind) const {
    const Page* const page = find(number);
    return page != nullptr && (page->kinds >> bit(kind) & 1) != 0 ? page : nullptr;
  }
  /// An access of `kind` has been made to what `page` says.
  const Page& add(const Page& page, arch::AccessKind kind) {
    const Page* const before = find(page.number);
    const std::uint64_t kinds = before == nullptr ? 0 : before->kinds;
    Page& there = pages_[page.number & (kPages - 1)];
    there = page;
    there.round = round_;
    there.kinds = kinds | std::uint64_t{1} << bit(kind);
    return there;
  }
  /// Forgets all if `changes` (RunningProgram::changes) isn't what it was.
  void follow(std::uint64_t changes) { round_ = changes + 1; }

  /// Has the host bring what `find` will read.
  void prefetch(std::uint64_t number) const { __builtin_prefetch(&pages_[number & (kPages - 1)]); }

 private:
  static constexpr std::size_t kPages = std::size_t{1} << 16;
  static unsigned bit(arch::AccessKind kind) { return static_cast<unsigned>(kind); }

  std::vector<Page> pages_ = std::vector<Page>(kPages);
  std::uint64_t round_ = 1;  ///< of those that are known; 0 is no page's
};

}  // namespace eptsim::sim
