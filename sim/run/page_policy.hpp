#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ept/arch/page_size.hpp"

namespace eptsim::sim {

/// Which pages system software of one dimension gives: all of a size or, as transparent huge pages,
/// 2 MiB where they fit. Where no frame is large enough, or smaller pages are there already, it
/// gives smaller ones.
struct PagePolicy {
  arch::PageSize largest = arch::PageSize::k4K;  ///< 4K, 2M or 1G
  /// Large pages only where the program's areas are known to reach.
  bool transparent = false;

  constexpr PagePolicy() = default;
  constexpr PagePolicy(arch::PageSize size) : largest(size) {}
  static constexpr PagePolicy transparent_huge_pages() {
    PagePolicy policy(arch::PageSize::k2M);
    policy.transparent = true;
    return policy;
  }
  friend constexpr bool operator==(PagePolicy, PagePolicy) = default;
};

/// The next smaller size of 4K, 2M and 1G.
constexpr arch::PageSize next_smaller(arch::PageSize size) {
  return arch::page_of_level(arch::leaf_level(size) - 1);
}

/// Bytes that are mapped, by the size of the pages that map them.
class MappedBytes {
 public:
  void add(arch::PageSize size) { of(size) += arch::bytes(size); }
  void remove(arch::PageSize size) { of(size) -= arch::bytes(size); }
  std::uint64_t operator[](arch::PageSize size) const {
    return bytes_.at(arch::leaf_level(size) - 1);
  }
  std::uint64_t sum() const { return bytes_[0] + bytes_[1] + bytes_[2]; }
  MappedBytes& operator+=(const MappedBytes& more) {
    for (std::size_t size = 0; size < bytes_.size(); ++size)
      bytes_.at(size) += more.bytes_.at(size);
    return *this;
  }
  friend bool operator==(const MappedBytes&, const MappedBytes&) = default;

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(bytes_);
  }

 private:
  std::uint64_t& of(arch::PageSize size) { return bytes_.at(arch::leaf_level(size) - 1); }

  std::array<std::uint64_t, 3> bytes_{};  ///< 4K, 2M, 1G
};

}  // namespace eptsim::sim
