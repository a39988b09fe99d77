#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "ept/arch/page_size.hpp"
#include "ept/arch/physical_memory.hpp"
#include "ept/guest_tables.hpp"
#include "sim/run/linear_areas.hpp"
#include "sim/run/merging.hpp"
#include "sim/run/page_list.hpp"
#include "sim/run/page_policy.hpp"
#include "sim/run/physical_frames.hpp"
#include "sim/run/saved_spaces.hpp"
#include "sim/run/table_frames.hpp"

namespace eptsim::sim {

/// The policy of the operating system that runs the traced programs: memory is given on first
/// touch. On a page fault the page around the address gets a frame of guest-physical memory, and a
/// leaf with all rights: user, writable, executable, accessed as Linux makes it, and dirty if the
/// fault was a write's. The page is as large as the policy wants, unless smaller ones are mapped
/// around it already or no frame is large enough; as a transparent huge page it must lie within the
/// program's areas. Small pages may be merged into a large one later. Each address space of the
/// trace has paging structures of its own, of 4 levels.
class Guest {
 public:
  /// `memory`: physical memory as bytes; `where`: where guest-physical memory lies in it; `frames`:
  /// guest-physical memory. All three outlive it.
  Guest(arch::PhysicalMemory& memory, ept::GuestPhysicalMap& where, PhysicalFrames& frames,
        unsigned maxphyaddr, PagePolicy policy, const MergeSettings& merging,
        LinearAreas areas = {});

  /// Maps pages before the program runs, each by the tables that it is listed with, whose frames
  /// are reserved. Their rights are those of any other page.
  void map(const PageList& list);
  /// The pages of all address spaces.
  PageList list() const;

  /// The registers with which address space `asid` runs. The first use makes the space, which takes
  /// a frame for its first table. Throws InputError if memory has run out, as the next one does.
  ept::GuestState state(std::uint16_t asid);

  /// The handler of a page fault at `linear`, where nothing is mapped yet. Throws std::logic_error
  /// if such a fault can't be.
  void handle_page_fault(std::uint16_t asid, std::uint64_t linear, bool write);

  /// Takes the page around `linear`, if there is one, from the address space; its next use faults
  /// and gets a frame anew. The INVLPG is the caller's.
  /// Says what it was.
  std::optional<ept::GuestLeaf> unmap(std::uint16_t asid, std::uint64_t linear);

  // To merge small pages takes two steps. Between them nothing is mapped there, and a page fault
  // there has to wait.
  struct Merge {
    std::uint16_t asid = 0;
    arch::Gva begin;
    ept::GuestLastTable table;  ///< that was taken out
    arch::Gpa frame;            ///< of the large page
    bool gone = false;          ///< the program has given it up meanwhile
  };
  /// Takes the small pages of a piece of 2 MiB out of its address space, if of the next `looks`
  /// pieces there is one with enough of them, and a frame; of `looks` is left what wasn't needed.
  bool begin_merge(std::size_t& looks);
  /// The merge that has begun.
  const std::optional<Merge>& merge() const { return merge_; }
  /// Writes all of the large page, as the copying of small pages and the clearing of others does.
  void fill_merged();
  /// Maps the large page. Nobody uses the table and the small pages any more: they are given back.
  void finish_merge();
  bool is_being_merged(std::uint16_t asid, std::uint64_t linear) const {
    return merge_ && merge_->asid == asid &&
           linear - merge_->begin.value() < arch::bytes(kMergedPage);
  }
  /// Pieces of 2 MiB that small pages are known to lie in.
  std::size_t small_pieces() const { return pieces_.size(); }
  /// All so far, but for cycles.
  const MergeCounts& merging() const { return merging_; }

  /// Guest-physical memory given to programs.
  const MappedBytes& mapped() const { return mapped_; }
  /// Times that a page became smaller because no frame was large enough.
  std::uint64_t no_large_frame() const { return no_large_frame_; }
  std::uint64_t table_bytes() const { return table_frames_.bytes(); }

  /// What changes, for checkpoints, while no merge is under way.
  template <class Archive>
  void serialize(Archive& archive) {
    serialize_spaces(archive, spaces_, [this](std::uint16_t asid) -> auto& { return space(asid); });
    archive(table_frames_, mapped_, no_large_frame_, pieces_, merging_);
  }

 private:
  ept::GuestTables& space(std::uint16_t asid);
  arch::PageSize wanted_size(std::uint64_t linear) const;

  arch::PhysicalMemory& memory_;
  ept::GuestPhysicalMap& where_;
  PhysicalFrames& frames_;
  TableFrames<arch::Gpa> table_frames_;
  ept::GuestSettings settings_;
  PagePolicy policy_;
  LinearAreas areas_;
  std::map<std::uint16_t, ept::GuestTables> spaces_;
  MappedBytes mapped_;
  std::uint64_t no_large_frame_ = 0;
  MergeSettings merge_settings_;
  SmallPieces pieces_;  ///< if they may be merged
  std::optional<Merge> merge_;
  MergeCounts merging_;
};

}  // namespace eptsim::sim
