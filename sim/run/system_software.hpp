#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/dram.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk.hpp"
#include "sim/run/guest.hpp"
#include "sim/run/hypervisor.hpp"
#include "sim/run/page_list.hpp"
#include "sim/run/physical_frames.hpp"
#include "sim/run/shadow_exits.hpp"
#include "sim/run/shadow_paging.hpp"
#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// The free frames of the machine's memory, those of listed tables and pages reserved. Throws
/// InputError if it is larger than MAXPHYADDR reaches.
PhysicalFrames host_memory(const Machine& machine, Mode mode, const PageLists& lists = {});

/// Of guest-physical memory at most: what an EPT of 4 levels reaches.
inline constexpr std::uint64_t kMostGuestMemory = std::uint64_t{1} << 48;

/// What hardware must forget, and what may be used again once it has.
struct OwedInvalidation {
  mmu::InvalidationScopes scopes;  ///< none ever of a hypervisor that forgets
  ept::PendingInvalidation pending;
};

/// All the software below the traced program: its operating system and, in nested mode, the
/// hypervisor. It has the processor's registers for each address space, and serves what a walk
/// reports. It works at once; what that costs is the core's business.
///
///   nested   guest frames ── EPT ──► host frames      guest-physical memory is as large as the
///   shadow   guest frames ── host map ──► host frames host's, and backed on first touch
///   native   guest frames are host frames
class SystemSoftware {
 public:
  /// Throws InputError for a machine that can't be: memory too small for the first tables, or
  /// registers that VM entry or this build refuses. `host_frames`: of `memory`, shared with other
  /// virtual machines. Both outlive it. `areas`: those of the traced programs. `lists`: what is
  /// mapped from the beginning, its host frames reserved.
  SystemSoftware(mmu::Dram& memory, PhysicalFrames& host_frames, const Machine& machine, Mode mode,
                 LinearAreas areas = {}, const PageLists& lists = {});

  /// What is mapped now.
  PageLists lists() const;

  /// What vCPU `vcpu` translates with in address space `asid`, its translations tagged with `vpid`
  /// and, unless it is 0, with `pcid`.
  /// Stays where it is, and changes but in `handle_log`. The first use builds the address space,
  /// which may cost exits. Throws InputError if memory has run out.
  const mmu::WalkContext& context(std::uint16_t asid, std::uint16_t vpid, std::uint16_t vcpu = 0,
                                  std::uint16_t pcid = 0);

  /// Serves a page fault or an EPT violation that `request` met in address space `asid`, so that
  /// it can be tried again. Any other outcome can't come from these tables: std::logic_error.
  /// Throws InputError if memory has run out.
  void serve(std::uint16_t asid, const mmu::Request& request, const mmu::Outcome& outcome);

  /// The guest takes the page around `linear` out of address space `asid`. The INVLPG is the
  /// caller's.
  void unmap(std::uint16_t asid, std::uint64_t linear);

  /// The guest executes MOV to CR3 or CR4, or INVLPG or INVPCID, which exits under shadow paging.
  /// What the instruction removes from the TLBs, the hypervisor removes in its place: it is the
  /// caller's as ever.
  void intercept_cr_access() { shadow_exits_.cr_accesses += shadow_ ? 1 : 0; }
  void intercept_invlpg() { shadow_exits_.invlpgs += shadow_ ? 1 : 0; }

  // Merging of small pages, by the guest and by the hypervisor, each in two steps. Between them
  // what the first owes must be removed from the TLBs, everywhere, and an access there has to wait.
  bool begin_guest_merge(std::size_t& looks);
  std::uint16_t guest_merge_space() const { return guest_->merge()->asid; }
  void fill_guest_merge() { guest_->fill_merged(); }
  void finish_guest_merge();
  bool begin_hypervisor_merge(std::size_t& looks) { return hypervisor_->begin_merge(looks); }
  void finish_hypervisor_merge() { hypervisor_->finish_merge(); }
  /// Whether the fault that `request` met in address space `asid` is of what is being merged.
  bool is_being_merged(std::uint16_t asid, const mmu::Request& request,
                       const mmu::Outcome& outcome) const;
  std::size_t guest_small_pieces() const { return guest_->small_pieces(); }
  std::size_t hypervisor_small_pieces() const { return hypervisor_->small_pieces(); }
  const MergeCounts& guest_merging() const { return guest_->merging(); }
  const MergeCounts& hypervisor_merging() const { return hypervisor_->merging(); }

  // Dirty logging. A turn of the hypervisor's, which begins it or collects a round, has two parts:
  // between them every vCPU that runs must exit, if there are logs to be drained.
  void begin_dirty_turn();
  /// The pages that the round dirtied; nothing if logging has just begun.
  std::optional<std::vector<arch::Gpa>> end_dirty_turn();
  /// The last round has been collected.
  bool is_dirty_logging_over() const { return dirty_logging_over_; }
  bool uses_pml() const { return hypervisor_ && hypervisor_->dirty_log().uses_pml(); }
  /// The vCPU's PML index, as hardware changes it; nothing without logs.
  std::uint16_t* pml_index(std::uint16_t vcpu);
  /// The vCPU has exited, and nothing of it is under way: the hypervisor drains its log, and has
  /// hardware write it from now on or not. Returns the entries that were in it.
  std::uint64_t handle_log(std::uint16_t vcpu);
  /// All so far. Turns, full logs and cycles are the caller's.
  DirtyLogCounts dirty_log() const {
    return hypervisor_ ? hypervisor_->dirty_log().counts() : DirtyLogCounts{};
  }

  /// What the guest believes to translate with, under shadow paging: its own tables, and the host
  /// map as an EPT.
  const mmu::WalkContext& guest_context(std::uint16_t asid);

  /// What the last changes of the EPT owe, if anything: the caller must have it removed from the
  /// TLBs before the next access, and hands it to `complete` then.
  OwedInvalidation take_owed_invalidation();
  void complete(OwedInvalidation owed);

  std::uint64_t page_faults() const { return page_faults_; }
  /// All VM exits for EPT violations, the ones in the guest's handler included.
  std::uint64_t ept_violations() const {
    return hypervisor_ && !shadow_ ? hypervisor_->violations() : 0;
  }
  /// All VM exits of shadow paging. Page faults include those of the guest's kernel at the first
  /// touch of a page for its tables.
  ShadowExits shadow_exits() const;

  std::uint64_t page_bytes() const;
  const MappedBytes& guest_mapped() const { return guest_->mapped(); }
  /// By the EPT, or the host map.
  MappedBytes host_mapped() const { return hypervisor_ ? hypervisor_->mapped() : MappedBytes{}; }
  MappedBytes shadow_mapped() const { return shadow_ ? shadow_->mapped() : MappedBytes{}; }
  /// Times that a page became smaller because no frame was large enough, in each dimension.
  std::uint64_t guest_no_large_frame() const { return guest_->no_large_frame(); }
  std::uint64_t host_no_large_frame() const {
    return hypervisor_ ? hypervisor_->no_large_frame() : 0;
  }
  std::uint64_t guest_table_bytes() const { return guest_->table_bytes(); }
  /// Of the EPT, or the host map.
  std::uint64_t host_table_bytes() const { return hypervisor_ ? hypervisor_->table_bytes() : 0; }
  std::uint64_t shadow_table_bytes() const { return shadow_ ? shadow_->table_bytes() : 0; }

  /// What changes, for checkpoints, but for `host_frames`.
  template <class Archive>
  void serialize(Archive& archive) {
    // What others are made of comes last: reading makes address spaces, which takes frames.
    archive(*guest_);
    if (shadow_) archive(*shadow_);
    if (hypervisor_) archive(*hypervisor_);
    if (guest_frames_) archive(*guest_frames_);
    serialize_contexts(archive, contexts_);
    serialize_contexts(archive, guest_contexts_);
    archive(logs_, dirty_turn_begins_logging_, dirty_logging_over_, page_faults_, shadow_exits_);
  }

 private:
  struct ContextKey {
    std::uint16_t asid = 0;
    std::uint16_t vcpu = 0;
    std::uint16_t pcid = 0;
    friend constexpr auto operator<=>(const ContextKey&, const ContextKey&) = default;
  };
  using Contexts = std::map<ContextKey, mmu::WalkContext>;
  /// A vCPU's page-modification log, and the VMCS's fields of it (SDM 31.3.6).
  struct Log {
    arch::Hpa page;
    std::uint16_t index;
    bool enabled = false;
  };

  template <class Archive>
  static void serialize_contexts(Archive& archive, Contexts& contexts) {
    std::vector<std::pair<Contexts::key_type, mmu::Context>> all;
    for (const auto& [key, context] : contexts) all.emplace_back(key, context.raw);
    archive(all);
    for (const auto& [key, raw] : all) contexts.try_emplace(key, raw);
  }
  Log& log(std::uint16_t vcpu);
  mmu::Context registers(std::uint16_t asid, std::uint16_t vpid);
  mmu::Context registers_in_ept(std::uint16_t asid, std::uint16_t vpid);
  static const mmu::WalkContext& add(Contexts& contexts, Contexts::key_type key,
                                     const mmu::Context& context);
  void count_table_write();

  mmu::Dram& memory_;
  PhysicalFrames& host_frames_;
  unsigned maxphyaddr_;
  bool invalidates_;
  std::optional<PhysicalFrames> guest_frames_;  ///< but for native
  std::unique_ptr<Hypervisor> hypervisor_;      ///< but for native
  std::optional<ShadowPaging> shadow_;
  ept::IdentityGuestPhysicalMap identity_;
  std::unique_ptr<Guest> guest_;
  Contexts contexts_;
  Contexts guest_contexts_;            ///< shadow
  std::map<std::uint16_t, Log> logs_;  ///< by vCPU
  std::uint64_t dirty_rounds_ = 0;     ///< to collect; 0: without end
  bool dirty_turn_begins_logging_ = false;
  bool dirty_logging_over_ = false;
  std::uint64_t page_faults_ = 0;
  ShadowExits shadow_exits_;
};

}  // namespace eptsim::sim
