#pragma once

#include <tl/expected.hpp>

#include <optional>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "ept/errors.hpp"
#include "ept/frame_allocator.hpp"
#include "ept/mapping.hpp"
#include "ept/pending_invalidation.hpp"
#include "ept/settings.hpp"

namespace eptsim::ept {

/// How a page is to be mapped, besides its rights.
struct MapOptions {
  /// Nothing means 4 KiB to `map`, and to `map_range` the largest pages that fit.
  std::optional<arch::PageSize> size = std::nullopt;
  arch::MemoryType memory_type = arch::MemoryType::kWB;
  bool ignore_pat = false;
  /// Of a leaf's VERIFY, PAGING_WRITE_ACCESS, SUPERVISOR_SHADOW_STACK, SUBPAGE_WRITE_PERMISSION and
  /// SUPPRESS_VE; others are left out.
  Flags flags = {};
  /// Take rights and memory types that hardware calls a misconfiguration. An entry without any
  /// right is refused even so: it would not be there.
  bool raw = false;
};

/// One 64-bit entry where it lies in memory.
class EntryRef {
 public:
  EntryRef(arch::PhysicalMemory& memory, arch::Hpa address) : memory_(&memory), address_(address) {}

  arch::Hpa address() const { return address_; }
  std::uint64_t load() const { return memory_->read64(address_); }
  /// One store, behind the table's back: whoever changes a present entry so must know what section
  /// 31.4.3.3 of the SDM asks of him.
  void store(std::uint64_t value) { memory_->write64(address_, value); }
  /// Stores `desired` if `expected` is there; returns what was found.
  std::uint64_t compare_exchange(std::uint64_t expected, std::uint64_t desired) {
    return memory_->compare_exchange64(address_, expected, desired);
  }

 private:
  arch::PhysicalMemory* memory_;
  arch::Hpa address_;
};

/// The leaf entry that maps an address.
struct Leaf {
  EntryRef entry;
  unsigned level;   ///< 1, 2 or 3
  Mapping mapping;  ///< what it mapped when it was read

  /// The host-physical address of `gpa`, which lies in the page.
  arch::Hpa hpa_of(arch::Gpa gpa) const { return mapping.hpa + (gpa - mapping.gpa); }
};

/// What `unmap` gives back: the page, with the flags that processors had set, and what is owed.
struct Unmapped {
  Mapping page;
  PendingInvalidation pending;
};

/// What `unmap_range` gives back.
struct UnmappedRange {
  std::vector<Mapping> pages;  ///< ascending
  PendingInvalidation pending;
};

/// Which flags `clear_flags` clears.
struct AccessedDirty {
  bool accessed = true;
  bool dirty = true;
};

/// What `clear_flags` gives back: the pages that had one of the flags, as they were before.
struct ClearedFlags {
  std::vector<Mapping> pages;  ///< ascending
  PendingInvalidation pending;
};

/// The EPT paging structures of one virtual machine (SDM 31.3): tables in physical memory that
/// processors walk while this class changes them.
///
/// One thread changes a table at a time; processors may walk it, and set accessed and dirty flags
/// in it, at any moment: a table is filled before the single store that links it, a present entry
/// is changed by compare-and-swap, and a large page is replaced in one store. Whatever a processor
/// may have cached comes back as a PendingInvalidation.
///
/// The tables belong to the class and go back to the allocator with it; the pages that they map do
/// not. An operation that is refused has changed nothing, whichever frame the allocator lacked.
class ExtendedPageTable {
 public:
  /// An empty table: a root and nothing below. Memory and allocator outlive it.
  [[nodiscard]] static tl::expected<ExtendedPageTable, CreateError> create(
      arch::PhysicalMemory& memory, FrameAllocator& frames, const Settings& settings);

  ~ExtendedPageTable();
  ExtendedPageTable(ExtendedPageTable&& other) noexcept;
  ExtendedPageTable& operator=(ExtendedPageTable&& other) noexcept;

  const Settings& settings() const { return settings_; }
  arch::Hpa root() const { return root_; }
  /// The EPT pointer for the VMCS (SDM 27.6.11): write-back tables, and depth, accessed and dirty
  /// flags and shadow-stack control as in the settings.
  std::uint64_t eptp() const;

  /// Maps the page at `gpa` to the page at `hpa`. Checks in the order of MapError. A large page
  /// over a lower table in which nothing is mapped replaces it; the pending invalidation then owes
  /// the frame. It owes nothing otherwise: entries that are not present are never cached. Of the
  /// tables that are missing the lowest gets the first frame of the allocator.
  [[nodiscard]] tl::expected<PendingInvalidation, MapError> map(arch::Gpa gpa, arch::Hpa hpa,
                                                                Permission permission,
                                                                const MapOptions& options = {});

  /// Unmaps the page of `size` at `gpa`. Tables that become empty stay until `clean_up`.
  [[nodiscard]] tl::expected<Unmapped, UnmapError> unmap(arch::Gpa gpa,
                                                         arch::PageSize size = arch::PageSize::k4K);

  /// The leaf that maps the page in which `gpa` lies.
  [[nodiscard]] tl::expected<Leaf, WalkError> walk(arch::Gpa gpa) const;

  /// Changes the rights of the page of `size` at `gpa`. Owes an INVEPT if one is taken away.
  [[nodiscard]] tl::expected<PendingInvalidation, ProtectError> protect(
      arch::Gpa gpa, Permission permission, arch::PageSize size = arch::PageSize::k4K,
      bool raw = false);

  /// Lets the page of `size` at `gpa` lead to another page; its dirty flag starts anew. Owes an
  /// INVEPT unless it led there before.
  [[nodiscard]] tl::expected<PendingInvalidation, RemapError> remap(
      arch::Gpa gpa, arch::Hpa hpa, arch::PageSize size = arch::PageSize::k4K);

  /// Changes memory type and ignore-PAT of the page of `size` at `gpa`. Owes an INVEPT if either
  /// changes.
  [[nodiscard]] tl::expected<PendingInvalidation, MemoryTypeError> set_memory_type(
      arch::Gpa gpa, arch::MemoryType type, bool ignore_pat,
      arch::PageSize size = arch::PageSize::k4K);

  /// Replaces the large page in which `gpa` lies by 512 of the next smaller size with the same
  /// rights, memory type and flags.
  [[nodiscard]] tl::expected<PendingInvalidation, SplitError> split(arch::Gpa gpa);

  /// Replaces the 512 pages from `gpa` on by one page of `size` (2 MiB or 1 GiB), accessed or dirty
  /// if one of them was. A flag that a processor sets in one of the 512 after it was read here,
  /// through a translation it cached before, is lost: stop the writers first if dirty flags must be
  /// exact.
  [[nodiscard]] tl::expected<PendingInvalidation, MergeError> merge(arch::Gpa gpa,
                                                                    arch::PageSize size);

  /// Maps `bytes` bytes from `gpa` on to those from `hpa` on, with the largest supported pages that
  /// fit at each place, or with pages of one given size. All of it or, on an error, nothing; each
  /// page is checked as by `map`.
  [[nodiscard]] tl::expected<PendingInvalidation, MapError> map_range(
      arch::Gpa gpa, arch::Hpa hpa, std::uint64_t bytes, Permission permission,
      const MapOptions& options = {});

  /// Unmaps every page in the range, of whatever size or of the given one. Places where nothing is
  /// mapped are passed over.
  [[nodiscard]] tl::expected<UnmappedRange, UnmapRangeError> unmap_range(
      GpaRange range, std::optional<arch::PageSize> size = std::nullopt);

  /// Changes the rights of every page in the range, of whatever size or of the given one.
  [[nodiscard]] tl::expected<PendingInvalidation, ProtectRangeError> protect_range(
      GpaRange range, Permission permission, std::optional<arch::PageSize> size = std::nullopt,
      bool raw = false);

  /// Takes out every table below the root in which nothing is mapped; with a range, of those on the
  /// way to its addresses.
  [[nodiscard]] PendingInvalidation clean_up(std::optional<GpaRange> range = std::nullopt);

  /// The pages mapped, or those that overlap a range.
  Mappings mappings() const;
  Mappings mappings(GpaRange range) const;

  /// The pages that overlap the range and have their accessed or dirty flag set.
  std::vector<Mapping> harvest(GpaRange range) const;

  /// Clears flags of the pages that overlap the range, each by compare-and-swap, so that none that
  /// a processor sets meanwhile is lost. Owes an INVEPT for each flag cleared: until then a
  /// processor need not set it again (SDM 31.3.5).
  [[nodiscard]] ClearedFlags clear_flags(GpaRange range, AccessedDirty which = {});

  /// To be called once the INVEPT that `pending` asked for has been done: gives the frames of the
  /// tables taken out back to the allocator.
  void complete(PendingInvalidation pending);

  /// What is not in memory, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(root_);
  }

 private:
  ExtendedPageTable(arch::PhysicalMemory& memory, FrameAllocator& frames, const Settings& settings,
                    arch::Hpa root)
      : memory_(&memory), frames_(&frames), settings_(settings), root_(root) {}

  arch::PhysicalMemory* memory_;
  FrameAllocator* frames_;
  Settings settings_;
  arch::Hpa root_;
};

}  // namespace eptsim::ept
