#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "ept/arch/page_size.hpp"
#include "ept/arch/physical_memory.hpp"
#include "ept/extended_page_table.hpp"
#include "ept/guest_tables.hpp"
#include "sim/run/dirty_log.hpp"
#include "sim/run/page_policy.hpp"
#include "sim/run/physical_frames.hpp"
#include "sim/run/table_frames.hpp"

namespace eptsim::sim {

/// The hypervisor's policy: the virtual machine's memory is given on first touch. On an EPT
/// violation the page around the guest-physical address gets a frame, and an EPT leaf with all
/// rights and write-back memory. The page is as large as the policy wants, unless something around
/// it is mapped already or no frame is large enough; the guest's memory counts as one area. Nothing
/// is ever taken away but, as for a live migration, the right to write or dirty flags, to learn
/// which pages are written. Meanwhile pages are mapped by small ones. EPT accessed and dirty flags
/// are on if it may use a page-modification log.
class Hypervisor final : public ept::GuestPhysicalMap {
 public:
  /// Throws InputError if there is no room for the EPT's root. Both outlive it.
  Hypervisor(arch::PhysicalMemory& memory, PhysicalFrames& frames, unsigned maxphyaddr,
             PagePolicy policy, const DirtyLogSettings& dirty_log = {});

  std::uint64_t eptp() const { return ept_.eptp(); }

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

  /// Host-physical memory that backs the guest's.
  const MappedBytes& mapped() const { return mapped_; }
  /// Times that a page became smaller because no frame was large enough.
  std::uint64_t no_large_frame() const { return no_large_frame_; }
  std::uint64_t table_bytes() const { return table_frames_.bytes(); }

 private:
  void map(arch::Gpa gpa, arch::Hpa hpa, arch::PageSize size, bool write);
  bool is_empty(arch::Gpa gpa, arch::PageSize size) const;

  PhysicalFrames& frames_;
  TableFrames<arch::Hpa> table_frames_;
  PagePolicy policy_;
  ept::ExtendedPageTable ept_;
  ept::PendingInvalidation pending_;
  std::uint64_t violations_ = 0;
  MappedBytes mapped_;
  DirtyLog dirty_log_;
  std::uint64_t no_large_frame_ = 0;
};

}  // namespace eptsim::sim
