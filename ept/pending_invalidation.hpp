#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ept/arch/address.hpp"

namespace eptsim::ept {

/// Guest-physical addresses from `begin` up to, and not with, `end`.
struct GpaRange {
  arch::Gpa begin;
  arch::Gpa end;

  constexpr std::uint64_t bytes() const { return end - begin; }
  friend constexpr bool operator==(const GpaRange&, const GpaRange&) = default;
};

/// The range of `bytes` bytes from `begin` on.
constexpr GpaRange range_of(arch::Gpa begin, std::uint64_t bytes) { return {begin, begin + bytes}; }

/// What a change of an EPT table leaves to be done: guest-physical ranges whose translations
/// processors may still hold and which are owed an INVEPT (SDM 31.4.3.3), and frames of tables that
/// were taken out and may be used again only after it.
///
/// Do the INVEPT if `needs_invept()`, then hand this to ExtendedPageTable::complete(). Several can
/// be merged first, so that one INVEPT serves many changes. One that is dropped leaks its frames.
class [[nodiscard("an INVEPT may be owed: see PendingInvalidation")]] PendingInvalidation {
 public:
  PendingInvalidation() = default;
  PendingInvalidation(PendingInvalidation&& other) noexcept = default;
  PendingInvalidation& operator=(PendingInvalidation&& other) noexcept = default;
  PendingInvalidation(const PendingInvalidation&) = delete;
  PendingInvalidation& operator=(const PendingInvalidation&) = delete;

  /// Whether a processor may still use what was changed.
  bool needs_invept() const { return !ranges_.empty(); }

  /// Disjoint, ascending; ranges that touch are one.
  std::span<const GpaRange> ranges() const { return ranges_; }
  /// Tables that were taken out, in the order of removal.
  std::span<const arch::Hpa> frames() const { return frames_; }

  /// Adds a range; empty ranges add nothing.
  void add(GpaRange range);
  /// Adds a table's frame.
  void add_frame(arch::Hpa frame) { frames_.push_back(frame); }
  /// Adds all that `other` owes.
  void merge(PendingInvalidation other);

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(ranges_, frames_);
  }

 private:
  std::vector<GpaRange> ranges_;
  std::vector<arch::Hpa> frames_;
};

}  // namespace eptsim::ept
