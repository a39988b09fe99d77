#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/dram.hpp"
#include "sim/run/pcids.hpp"
#include "sim/run/physical_frames.hpp"
#include "sim/run/simulation.hpp"
#include "sim/run/system_software.hpp"

namespace eptsim::sim {

struct VirtualMachine;

/// A virtual processor. It stays on the core that entered it first.
struct Vcpu {
  VirtualMachine& machine;
  std::uint8_t name = 0;     ///< as the trace numbers it
  std::uint16_t number = 0;  ///< in its machine
  std::uint16_t vpid = 0;    ///< its own in the whole machine; 0 where translations carry none
  unsigned core = 0;
  Pcids pcids;              ///< that its guest gives; natively its core has them
  bool entered = false;     ///< it has been in an address space
  std::uint16_t asid = 0;   ///< which
  bool owes_flush = false;  ///< it wasn't running when its guest had others forget translations

  bool is_in(const VirtualMachine& of, std::uint16_t space) const {
    return &machine == &of && asid == space;
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(vpid, entered, asid, owes_flush, pcids);
  }
};

/// A guest with its hypervisor and its vCPUs; on bare metal just an operating system with its
/// processors.
struct VirtualMachine {
  VirtualMachine(std::uint16_t trace_name, mmu::Dram& memory, PhysicalFrames& host_frames,
                 const RunSettings& settings, const LinearAreas& areas, const PageLists& lists)
      : name(trace_name),
        software(memory, host_frames, settings.machine, settings.mode, areas, lists) {}

  std::uint16_t name;  ///< as the trace numbers it
  SystemSoftware software;
  std::deque<Vcpu> vcpus;
  /// By core: what it must forget before it enters the machine again. The hypervisor changed the
  /// machine's tables while the core ran something else.
  std::vector<mmu::InvalidationScopes> owed;

  // What cores have taken account of, of what `software` counts.
  std::uint64_t exits_accounted = 0;
  ShadowExits shadow_accounted;
  std::uint64_t faults_accounted = 0;
  DirtyLogCounts dirty_log_accounted;
  /// Accesses of its first vCPU's core until the hypervisor's next turn at dirty logging.
  std::uint64_t next_dirty_turn = 0;
  /// The same until the guest, or the hypervisor, next merges pages.
  std::uint64_t next_guest_merge = 0;
  std::uint64_t next_hypervisor_merge = 0;
  /// The cycle from which what is being merged is mapped again, kNever while it isn't.
  mmu::Cycle merged = 0;

  /// What changes, for checkpoints, but for the vCPUs.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(software, owed, exits_accounted, shadow_accounted, faults_accounted,
            dirty_log_accounted, next_dirty_turn, next_guest_merge, next_hypervisor_merge, merged);
  }
};

/// All virtual machines of a run, over the same host memory. Each is made when a core first comes
/// to a record of its, and so are its vCPUs.
class VirtualMachines {
 public:
  /// Makes the software of the first, so that what can't be is said before anything runs. `areas`:
  /// of all programs. Throws InputError as SystemSoftware does.
  VirtualMachines(mmu::Dram& memory, const RunSettings& settings, unsigned cores,
                  LinearAreas areas);

  /// The vCPU that a trace calls so. If there is none yet, it is made, and belongs to `core`.
  Vcpu& vcpu(std::uint16_t machine, std::uint8_t name, unsigned core);

  /// Those with which the vCPU's translations are tagged: its own, natively the core's.
  Pcids& pcids(Vcpu& vcpu) {
    return settings_.mode == Mode::kNative ? core_pcids_[vcpu.core] : vcpu.pcids;
  }

  const std::deque<VirtualMachine>& all() const { return machines_; }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    std::vector<NamedVcpu> vcpus;
    for (const VirtualMachine& machine : machines_) {
      for (const Vcpu& vcpu : machine.vcpus) vcpus.push_back({machine.name, vcpu.name, vcpu.core});
    }
    archive(vcpus);
    for (const NamedVcpu& made : vcpus) {
      Vcpu& vcpu = this->vcpu(made.machine, made.vcpu, made.core);
      archive(vcpu);
    }
    for (VirtualMachine& machine : machines_) archive(machine);
    archive(host_frames_, core_pcids_);
  }

 private:
  struct NamedVcpu {
    std::uint16_t machine = 0;
    std::uint8_t vcpu = 0;
    unsigned core = 0;
  };

  VirtualMachine& machine(std::uint16_t name);

  mmu::Dram& memory_;
  const RunSettings& settings_;
  unsigned cores_;
  std::vector<Pcids> core_pcids_;
  LinearAreas areas_;
  PhysicalFrames host_frames_;
  std::deque<VirtualMachine> machines_;
  bool first_is_named_ = false;
  std::uint16_t vcpus_ = 0;
};

}  // namespace eptsim::sim
