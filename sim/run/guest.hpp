#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "ept/arch/page_size.hpp"
#include "ept/arch/physical_memory.hpp"
#include "ept/guest_tables.hpp"
#include "sim/run/linear_areas.hpp"
#include "sim/run/page_policy.hpp"
#include "sim/run/physical_frames.hpp"
#include "sim/run/table_frames.hpp"

namespace eptsim::sim {

/// The policy of the operating system that runs the traced programs: memory is given on first
/// touch. On a page fault the page around the address gets a frame of guest-physical memory, and a
/// leaf with all rights: user, writable, executable, accessed as Linux makes it, and dirty if the
/// fault was a write's. The page is as large as the policy wants, unless smaller ones are mapped
/// around it already or no frame is large enough; as a transparent huge page it must lie within the
/// program's areas. Nothing is merged later. Each address space of the trace has paging structures
/// of its own, of 4 levels.
class Guest {
 public:
  /// `memory`: physical memory as bytes; `where`: where guest-physical memory lies in it; `frames`:
  /// guest-physical memory. All three outlive it.
  Guest(arch::PhysicalMemory& memory, ept::GuestPhysicalMap& where, PhysicalFrames& frames,
        unsigned maxphyaddr, PagePolicy policy, LinearAreas areas = {});

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

  /// Guest-physical memory given to programs.
  const MappedBytes& mapped() const { return mapped_; }
  /// Times that a page became smaller because no frame was large enough.
  std::uint64_t no_large_frame() const { return no_large_frame_; }
  std::uint64_t table_bytes() const { return table_frames_.bytes(); }

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
};

}  // namespace eptsim::sim
