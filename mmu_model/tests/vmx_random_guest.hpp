#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mmu_model/tests/random.hpp"
#include "mmu_model/tests/vmx_guest_tables.hpp"
#include "mmu_model/tests/vmx_machine.hpp"

/// A guest and its hypervisor at random on two logical processors: one has caches, the other has
/// none. Software on both does the same, and carries out the invalidations that its changes of
/// tables ask for, by any instruction that suffices. So nothing that it sees may differ.
namespace eptsim::mmu::test {

class RandomGuest {
 public:
  RandomGuest(std::uint64_t seed, const CacheSettings& settings);

  /// Does one operation.
  void step();

  /// What the processors disagreed about, with the seed and the operation; empty as long as they
  /// agree.
  const std::string& difference() const { return difference_; }
  /// Compares the memories, whole.
  void compare_memories();

  /// How often things happened.
  struct Counts {
    std::uint64_t done = 0, page_faults = 0, virtualization_exceptions = 0;
    std::uint64_t ept_violations = 0, ept_misconfigurations = 0, pml_full = 0;
    std::uint64_t not_invalidated = 0;  ///< changes of tables that ask for no invalidation
    std::array<std::uint64_t, kPagingModes> accesses{};
    Counts& operator+=(const Counts& other);
  };
  const Counts& counts() const { return counts_; }
  Activity cached() const { return cached_.cpu.activity(); }
  Activity uncached() const { return uncached_.cpu.activity(); }

 private:
  struct Side {
    Side(const VmxCapabilities& capabilities, const CacheSettings& settings)
        : cpu(capabilities, settings, memory) {}
    PatternMemory memory;
    Vmcs vmcs;
    LogicalProcessor cpu;
  };
  using Instruction = std::function<Completion(Side&)>;
  /// All that software can see of an operation's end.
  using Seen = std::array<std::uint64_t, 21>;
  static Seen look(const Side& side, const Completion& completion);

  /// An entry that was changed, and how to change it back.
  struct Change {
    std::optional<unsigned> ept{};  ///< which; else it is the guest's
    EntryAddress entry{};
    std::uint64_t address = 0;  ///< one that it translates: linear, or guest-physical of an EPT's
    std::uint64_t good = 0;     ///< its value before
    PagingMode mode{};
    TableRoot root{};
    bool is_leaf() const { return entry.level == leaf_level(address); }
  };
  enum class Flush : std::uint8_t;  ///< instructions that remove translations

  // --- The machine -------------------------------------------------------------------------------
  void write_vmcs(Vmcs& vmcs) const;
  template <class Action>
  void each(Action action) {
    action(cached_);
    action(uncached_);
  }
  /// Both do it and end alike. A VM exit leaves both in VMX root operation.
  Completion execute(const char* what, const Instruction& instruction);
  /// The same; the hypervisor then serves a VM exit, and resumes the guest.
  Completion both(const char* what, const Instruction& instruction);
  /// The guest calls the hypervisor, which does `work`.
  void in_hypervisor(const std::function<void()>& work);
  void serve(const Completion& exit);
  void resume();
  void store(const EntryAddress& entry, std::uint64_t value);
  std::uint64_t load(const EntryAddress& entry) const;
  const Registers& registers() const { return cached_.cpu.registers(); }
  bool has(BitField cr4_bit) const { return cr4_bit.any(registers().cr4); }
  void set_cpl(std::uint8_t cpl);

  // --- What the guest does -----------------------------------------------------------------------
  void access();
  void switch_mode();
  void move_to_cr0();
  void move_to_cr3();
  void move_to_cr4();
  void switch_ept();
  void write_pkru();
  void write_pkrs();
  void set_alignment_check();
  void change_tables();
  void invalidate_needlessly();
  // --- What the hypervisor does ------------------------------------------------------------------
  void call_hypervisor();
  void change_ept();
  void change_vpid();

  std::uint64_t any_linear();
  std::uint64_t any_cr4();
  void set_paging(PagingMode mode);
  std::uint64_t cr3_of(TableRoot root) const;

  /// One of the changed entries that the guest, or the hypervisor, may mend now, taken from the
  /// list: mostly when there are many.
  std::optional<Change> take_changed(bool ept);
  void mend_guest(const Change& change);
  void mend_ept(const Change& change);
  std::uint64_t damaged_guest_entry(const Change& change);
  std::uint64_t damaged_ept_entry(const Change& change);
  void remember(const Change& change);

  std::vector<Flush> sufficient(const Change& change) const;
  void invalidate(const Change& change);
  /// Whether that was done: a fault may have kept an instruction from doing it.
  bool flush(const Change& change, Flush how);
  bool invpcid(InvpcidType type, std::uint64_t pcid, std::uint64_t linear);
  /// In VMX root operation.
  void invvpid(InvvpidType type, std::uint64_t vpid, std::uint64_t linear);
  void invept(unsigned ept);
  std::vector<std::uint64_t> pages_of(const Change& change) const;
  std::uint64_t pcid_of(TableRoot root) const;
  std::uint64_t vpid() const;
  std::uint64_t eptp_of(unsigned ept) const;

  std::uint64_t seed_;
  Random random_;
  GuestFeatures features_;
  bool vpid_, mode_based_execute_, pml_, virtualization_exceptions_, hlat_;
  std::array<bool, 2> accessed_dirty_{};  ///< by EPT
  VmxCapabilities capabilities_;
  Side cached_;
  Side uncached_;

  PagingMode mode_ = PagingMode::kNone;
  TableRoot root_ = TableRoot::kFirst;
  std::vector<Change> changed_;

  Counts counts_;
  std::string difference_;
};

}  // namespace eptsim::mmu::test
