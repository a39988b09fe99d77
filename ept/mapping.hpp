#pragma once

#include <array>
#include <cstddef>
#include <iterator>

#include "ept/arch/physical_memory.hpp"
#include "ept/entry_format.hpp"
#include "ept/pending_invalidation.hpp"

namespace eptsim::ept {

/// One mapped page, as read from its leaf entry.
struct Mapping {
  arch::Gpa gpa;
  arch::Hpa hpa;
  arch::PageSize size = arch::PageSize::k4K;
  std::uint64_t entry = 0;  ///< the leaf's value
  arch::Hpa entry_address;

  Permission permission() const { return Permission::of(entry); }
  /// The code; it may be a reserved one in an entry that was mapped raw or written by others.
  std::uint64_t memory_type() const { return arch::ept_entry::kMemoryType.get(entry); }
  bool ignore_pat() const { return arch::ept_entry::kIgnorePat.any(entry); }
  bool accessed() const { return arch::ept_entry::kAccessed.any(entry); }
  bool dirty() const { return arch::ept_entry::kDirty.any(entry); }

  friend bool operator==(const Mapping&, const Mapping&) = default;
};

/// The pages of a table that lie in a range of guest-physical addresses, wholly or in part, in
/// ascending order: `for (const Mapping& page : table.mappings())`. The tables may be changed while
/// one goes through them: what lies ahead is read when it is reached, but a table that is ahead
/// must not be given back.
class Mappings {
 public:
  class Iterator {
   public:
    using value_type = Mapping;
    using difference_type = std::ptrdiff_t;

    const Mapping& operator*() const { return current_; }
    const Mapping* operator->() const { return &current_; }
    Iterator& operator++();
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.done_; }

   private:
    friend class Mappings;
    explicit Iterator(const Mappings& pages);
    void find_next();

    const Mappings* pages_;
    std::array<arch::Hpa, 6> path_{};  ///< the table that is being read, by level
    unsigned level_;
    std::uint64_t next_gpa_;  ///< where the search goes on
    Mapping current_;
    bool done_ = false;
  };

  /// The pages under the table `root`, of level `settings.depth`, that overlap `range`.
  Mappings(const arch::PhysicalMemory& memory, arch::Hpa root, const Settings& settings,
           GpaRange range)
      : memory_(&memory), root_(root), settings_(settings), range_(range) {}

  Iterator begin() const { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  const arch::PhysicalMemory* memory_;
  arch::Hpa root_;
  Settings settings_;
  GpaRange range_;
};

}  // namespace eptsim::ept
