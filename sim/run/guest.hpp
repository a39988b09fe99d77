#pragma once

#include <cstdint>
#include <map>

#include "ept/arch/page_size.hpp"
#include "ept/arch/physical_memory.hpp"
#include "ept/guest_tables.hpp"
#include "sim/run/physical_frames.hpp"
#include "sim/run/table_frames.hpp"

namespace eptsim::sim {

/// The policy of the operating system that runs the traced programs: memory is given on first
/// touch. On a page fault the page around the address gets a frame of guest-physical memory, and a
/// leaf with all rights: user, writable, executable, accessed as Linux makes it, and dirty if the
/// fault was a write's. All pages have one size. Each address space of the trace has paging
/// structures of its own, of 4 levels.
class Guest {
 public:
  /// `memory`: physical memory as bytes; `where`: where guest-physical memory lies in it; `frames`:
  /// guest-physical memory. All three outlive it.
  Guest(arch::PhysicalMemory& memory, ept::GuestPhysicalMap& where, PhysicalFrames& frames,
        unsigned maxphyaddr, arch::PageSize page);

  /// The registers with which address space `asid` runs. The first use makes the space, which takes
  /// a frame for its first table. Throws InputError if memory has run out, as the next one does.
  ept::GuestState state(std::uint16_t asid);

  /// The handler of a page fault at `linear`, where nothing is mapped yet. Throws std::logic_error
  /// if such a fault can't be.
  void handle_page_fault(std::uint16_t asid, std::uint64_t linear, bool write);

  /// Takes the page around `linear`, if there is one, from the address space; its next use faults
  /// and gets a frame anew. The INVLPG is the caller's.
  void unmap(std::uint16_t asid, std::uint64_t linear);

  /// Guest-physical memory given to programs.
  std::uint64_t page_bytes() const { return page_bytes_; }
  std::uint64_t table_bytes() const { return table_frames_.bytes(); }

 private:
  ept::GuestTables& space(std::uint16_t asid);

  arch::PhysicalMemory& memory_;
  ept::GuestPhysicalMap& where_;
  PhysicalFrames& frames_;
  TableFrames<arch::Gpa> table_frames_;
  ept::GuestSettings settings_;
  arch::PageSize page_;
  std::map<std::uint16_t, ept::GuestTables> spaces_;
  std::uint64_t page_bytes_ = 0;
};

}  // namespace eptsim::sim
