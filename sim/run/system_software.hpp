#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/dram.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk.hpp"
#include "sim/run/guest.hpp"
#include "sim/run/hypervisor.hpp"
#include "sim/run/physical_frames.hpp"
#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// All the software below the traced program: its operating system and, in nested mode, the
/// hypervisor. It has the processor's registers for each address space, and serves what a walk
/// reports. It works at once; what that costs is the core's business.
///
///   nested   guest frames ── EPT ──► host frames      guest-physical memory is as large as the
///   native   guest frames are host frames             host's, and backed on first touch
class SystemSoftware {
 public:
  /// Throws InputError for a machine that can't be: memory larger than MAXPHYADDR reaches or too
  /// small for the first tables, or registers that VM entry or this build refuses.
  SystemSoftware(mmu::Dram& memory, const Machine& machine, Mode mode);

  /// What the processor translates with in address space `asid`. Stays where it is. The first use
  /// builds the address space, which may cost exits. Throws InputError if memory has run out.
  const mmu::WalkContext& context(std::uint16_t asid);

  /// Serves a page fault or an EPT violation that `request` met in address space `asid`, so that
  /// it can be tried again. Any other outcome can't come from these tables: std::logic_error.
  /// Throws InputError if memory has run out.
  void serve(std::uint16_t asid, const mmu::Request& request, const mmu::Outcome& outcome);

  /// The guest takes the page around `linear` out of address space `asid`. The INVLPG is the
  /// caller's.
  void unmap(std::uint16_t asid, std::uint64_t linear);

  /// The hypervisor write-protects every page. Whether there is a hypervisor.
  bool write_protect();

  /// What the last changes of the EPT owe, if anything: the caller must remove it from the TLBs
  /// before the next access. Nothing ever if the hypervisor is one that forgets.
  mmu::InvalidationScopes take_owed_invalidation();

  std::uint64_t page_faults() const { return page_faults_; }
  /// All VM exits for EPT violations, the ones in the guest's handler included.
  std::uint64_t ept_violations() const { return hypervisor_ ? hypervisor_->violations() : 0; }

  /// Of them, for writes to write-protected pages.
  std::uint64_t protected_writes() const {
    return hypervisor_ ? hypervisor_->protected_writes() : 0;
  }

  std::uint64_t page_bytes() const;
  std::uint64_t guest_table_bytes() const { return guest_->table_bytes(); }
  std::uint64_t ept_table_bytes() const { return hypervisor_ ? hypervisor_->table_bytes() : 0; }

 private:
  unsigned maxphyaddr_;
  bool invalidates_;
  PhysicalFrames host_frames_;
  std::optional<PhysicalFrames> guest_frames_;  ///< nested
  std::unique_ptr<Hypervisor> hypervisor_;      ///< nested
  ept::IdentityGuestPhysicalMap identity_;
  std::unique_ptr<Guest> guest_;
  std::map<std::uint16_t, mmu::WalkContext> contexts_;
  std::uint64_t page_faults_ = 0;
};

}  // namespace eptsim::sim
