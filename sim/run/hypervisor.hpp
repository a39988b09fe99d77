#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "ept/arch/page_size.hpp"
#include "ept/arch/physical_memory.hpp"
#include "ept/extended_page_table.hpp"
#include "ept/guest_tables.hpp"
#include "sim/run/dirty_log.hpp"
#include "sim/run/merging.hpp"
#include "sim/run/page_list.hpp"
#include "sim/run/page_policy.hpp"
#include "sim/run/physical_frames.hpp"
#include "sim/run/table_frames.hpp"

namespace eptsim::sim {

/// The hypervisor's policy: the virtual machine's memory is given on first touch. On an EPT
/// violation the page around the guest-physical address gets a frame, and an EPT leaf with all
/// rights and write-back memory. The page is as large as the policy wants, unless something around
/// it is mapped already or no frame is large enough; the guest's memory counts as one area. Nothing
/// is ever taken away but, as for a live migration, the right to write or dirty flags, to learn
/// which pages are written. Meanwhile pages are mapped by small ones. Otherwise small pages may be
/// merged into a large one. EPT accessed and dirty flags are on if it may use a page-modification
/// log.
class Hypervisor final : public ept::GuestPhysicalMap {
 public:
  /// Maps the pages of `list` from the beginning, each by the tables that it is listed with, whose
  /// frames are reserved. Throws InputError if there is no room for the EPT's root. Memory and
  /// frames outlive it.
  Hypervisor(arch::PhysicalMemory& memory, PhysicalFrames& frames, unsigned maxphyaddr,
             PagePolicy policy, const MergeSettings& merging = {},
             const DirtyLogSettings& dirty_log = {}, const PageList& list = {});

  std::uint64_t eptp() const { return ept_.eptp(); }
  /// The pages of the EPT.
  PageList list() const;

  /// The handler of an EPT violation at `gpa`, where nothing is mapped yet, or a page that was
  /// write-protected: it is made writable again. Throws InputError if memory has run out,
  /// std::logic_error if a violation there can't be.
  void handle_violation(arch::Gpa gpa, bool write);
  /// The same in the course of another exit's handler.
  void back(arch::Gpa gpa, bool write = false);

  DirtyLog& dirty_log() { return dirty_log_; }
  const DirtyLog& dirty_log() const { return dirty_log_; }

  /// Where an access of the guest's own kernel to its paging structures ends up. The first one to a
  /// page exits, and is served as any other violation; a store dirties the page.
  std::optional<arch::Hpa> host_address(arch::Gpa gpa, arch::AccessKind access) override;

  /// VM exits for EPT violations so far.
  std::uint64_t violations() const { return violations_; }
  /// What the changes since the last call owe. The caller does the INVEPT, if one is needed, and
  /// hands it to `complete`.
  ept::PendingInvalidation take_pending();
  void complete(ept::PendingInvalidation pending) { ept_.complete(std::move(pending)); }

  // To merge small pages takes two steps. Between them nothing is mapped there, and an EPT
  // violation there has to wait.
  struct Merge {
    arch::Gpa begin;
    std::vector<ept::Mapping> pages;  ///< that were taken out
    arch::Hpa frame;                  ///< of the large page
  };
  /// Takes the small pages of a piece of 2 MiB out of the EPT, if of the next `looks` pieces there
  /// is one with enough of them, and a frame; of `looks` is left what wasn't needed. None while
  /// writes are logged.
  bool begin_merge(std::size_t& looks);
  /// Copies and maps the large page. The INVEPT that `begin_merge` owed has been done: the small
  /// pages are given back.
  void finish_merge();
  bool is_being_merged(arch::Gpa gpa) const {
    return merge_ && gpa.align_down(arch::bytes(kMergedPage)) == merge_->begin;
  }
  /// Pieces of 2 MiB that small pages are known to lie in.
  std::size_t small_pieces() const { return pieces_.size(); }
  /// All so far, but for cycles.
  const MergeCounts& merging() const { return merging_; }

  /// Host-physical memory that backs the guest's.
  const MappedBytes& mapped() const { return mapped_; }
  /// Times that a page became smaller because no frame was large enough.
  std::uint64_t no_large_frame() const { return no_large_frame_; }
  std::uint64_t table_bytes() const { return table_frames_.bytes(); }

  /// What changes, for checkpoints, while no merge is under way.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(table_frames_, ept_, pending_, violations_, mapped_, dirty_log_, no_large_frame_,
            pieces_, merging_);
  }

 private:
  void map(const PageList& list);
  void map(arch::Gpa gpa, arch::Hpa hpa, arch::PageSize size, bool write);
  bool is_empty(arch::Gpa gpa, arch::PageSize size) const;
  std::vector<ept::Mapping> mergeable(ept::GpaRange range) const;
  arch::Hpa merged_address(arch::Gpa gpa) const;

  arch::PhysicalMemory& memory_;
  PhysicalFrames& frames_;
  TableFrames<arch::Hpa> table_frames_;
  PagePolicy policy_;
  ept::ExtendedPageTable ept_;
  ept::PendingInvalidation pending_;
  std::uint64_t violations_ = 0;
  MappedBytes mapped_;
  DirtyLog dirty_log_;
  std::uint64_t no_large_frame_ = 0;
  MergeSettings merge_settings_;
  SmallPieces pieces_;  ///< if they may be merged
  std::optional<Merge> merge_;
  MergeCounts merging_;
};

}  // namespace eptsim::sim
