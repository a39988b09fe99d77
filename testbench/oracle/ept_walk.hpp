#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "testbench/oracle/journal.hpp"
#include "testbench/oracle/oracle.hpp"

namespace eptsim::oracle {

// An access to a guest-physical address, as the EPT sees it.
struct GuestPhysicalAccess {
  std::uint64_t gpa = 0;
  unsigned size = 1;  // bytes, all of one page
  bool read = false;
  bool write = false;
  bool fetch = false;
  bool shadow_stack = false;
  bool supervisor_shadow_stack = false;

  // To a guest paging-structure entry (a walk, or an update of its flags); otherwise the access
  // itself.
  bool guest_table = false;

  // What guest paging says of the linear address; absent if there is no linear address.
  struct Linear {
    std::uint64_t gva = 0;
    bool user_mode = true;
    bool writable = true;
    bool execute_disable = false;
    bool tables_verified =
        true;  // every guest entry used was mapped by an EPT leaf with bit 58 = 1
  };
  std::optional<Linear> linear{};
};

// An EPT paging-structure entry used in a walk.
struct EptEntry {
  unsigned level = 0;
  std::uint64_t address = 0;
  std::uint64_t value = 0;
};

// Where a guest-physical address is mapped: the entries used, root first; the last maps the page.
struct EptMapping {
  std::uint64_t hpa = 0;
  std::uint64_t page_size = 0;
  std::vector<EptEntry> entries{};
  std::uint64_t leaf() const { return entries.back().value; }
};

// Translates guest-physical addresses (SDM 31.3). With EPT on, each throws Stop where the manual
// has a VM exit.
class EptWalk {
 public:
  EptWalk(const State& state, Journal& journal)
      : state_(state), journal_(journal), pml_index_(state.pml_index) {}

  // The whole access: walk, rights, sub-pages, verification, logging, accessed and dirty flags.
  EptMapping translate(const GuestPhysicalAccess& access);

  // The right to update a flag of a guest entry whose address was just translated.
  void check_flag_update(const GuestPhysicalAccess& walk, const EptMapping& mapping);

  // The VMCS field as it stands now.
  std::uint16_t pml_index() const { return pml_index_; }

 private:
  void descend(unsigned level, std::uint64_t table, const GuestPhysicalAccess& access,
               EptMapping& mapping);
  bool is_present(std::uint64_t entry) const;
  bool is_misconfigured(unsigned level, std::uint64_t entry) const;
  bool maps_page(unsigned level, std::uint64_t entry) const;
  void check_rights(const GuestPhysicalAccess& access, const EptMapping& mapping);
  void check_guest_paging(const GuestPhysicalAccess& access, const EptMapping& mapping) const;
  bool sub_page_allows(const GuestPhysicalAccess& access);
  void update_flags(const GuestPhysicalAccess& access, const EptMapping& mapping);

  [[noreturn]] void violation(const GuestPhysicalAccess& access, const EptMapping& mapping,
                              bool leaf_reached, bool by_verification = false) const;
  [[noreturn]] void sub_page_event(const GuestPhysicalAccess& access, bool miss) const;

  const State& state_;
  Journal& journal_;
  std::uint16_t pml_index_;
};

}  // namespace eptsim::oracle
