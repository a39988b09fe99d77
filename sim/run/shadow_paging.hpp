#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "ept/guest_tables.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk.hpp"
#include "sim/run/hypervisor.hpp"
#include "sim/run/page_policy.hpp"
#include "sim/run/physical_frames.hpp"
#include "sim/run/saved_spaces.hpp"
#include "sim/run/table_frames.hpp"

namespace eptsim::sim {

/// A hypervisor without EPT: for each address space of the guest it keeps tables of its own, from
/// linear to host-physical addresses, and hardware walks those.
///
///   guest's tables    linear ──► guest-physical        the guest writes them, and exits each time
///   host map          guest-physical ──► host          software's alone
///   shadow tables     linear ──► host-physical         what CR3 points at
///
/// A shadow entry is made when hardware faults for want of it, out of a walk in software of the
/// other two, which sets the guest's accessed and dirty flags as hardware would. It maps what both
/// pages have in common, so the smaller of the two, and allows writes only once the guest's entry
/// is dirty: the first write faults, and so becomes known. The guest's tables are write-protected
/// from when they are in use, so no shadow entry ever says more than they do.
class ShadowPaging {
 public:
  /// `host` maps guest-physical memory. All outlive it.
  ShadowPaging(arch::PhysicalMemory& memory, Hypervisor& host, PhysicalFrames& frames,
               unsigned maxphyaddr);

  /// The first shadow table of address space `asid`: what CR3 holds while it runs. The first use
  /// makes it. Throws InputError if memory has run out, as the next one does.
  arch::Hpa root(std::uint16_t asid);

  /// The handler of a page fault that `request` met in hardware. `guest`: what the guest believes
  /// to translate with, its own tables upon the host map. Makes the shadow entry, or returns the
  /// error code of the page fault that the guest is to be given.
  std::optional<std::uint32_t> handle_page_fault(std::uint16_t asid, const mmu::WalkContext& guest,
                                                 const mmu::Request& request);

  /// The guest has taken `page` out of its tables. The INVLPG is the guest's, but where its page
  /// was several in the shadow tables it isn't enough.
  void forget(std::uint16_t asid, const ept::GuestLeaf& page);
  /// The guest has taken a table of its last level out, with all its pages: so the shadow table of
  /// them goes too, and what takes their place may be a large page. Its frame is kept until
  /// `free_tables`.
  void forget_table(std::uint16_t asid, arch::Gva gva);
  /// Nobody walks a table that was forgotten any more.
  void free_tables();
  /// Whether translations must be removed that no INVLPG of the guest removes. Asked for once.
  bool take_owed() { return std::exchange(owed_, false); }

  const MappedBytes& mapped() const { return mapped_; }
  std::uint64_t table_bytes() const { return table_frames_.bytes(); }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    serialize_spaces(archive, spaces_, [this](std::uint16_t asid) -> auto& { return space(asid); });
    archive(table_frames_, mapped_, owed_);
  }

 private:
  ept::GuestTables& space(std::uint16_t asid);
  void map(std::uint16_t asid, arch::Gva gva, const mmu::Outcome& walked);
  void remove(ept::GuestTables& tables, const ept::GuestLeaf& leaf);

  arch::PhysicalMemory& memory_;
  Hypervisor& host_;
  PhysicalFrames& frames_;
  unsigned maxphyaddr_;
  ept::IdentityGuestPhysicalMap identity_;
  TableFrames<arch::Gpa> table_frames_;
  std::map<std::uint16_t, ept::GuestTables> spaces_;
  MappedBytes mapped_;
  bool owed_ = false;
  std::vector<arch::Gpa> forgotten_tables_;
};

}  // namespace eptsim::sim
