#pragma once

#include <cstdint>
#include <optional>

#include "testbench/oracle/ept_walk.hpp"
#include "testbench/oracle/guest_rights.hpp"
#include "testbench/oracle/journal.hpp"
#include "testbench/oracle/oracle.hpp"

namespace eptsim::oracle {

// Where guest paging maps a linear address, ready for the access itself.
struct GuestMapping {
  std::uint64_t gpa = 0;
  std::uint64_t page_size = 0;  // 0: no paging
  std::uint64_t tlb_limit =
      0;                  // a restart in HLAT tables limits what one TLB entry covers; 0: no limit
  std::uint64_t pat = 0;  // the type of IA32_PAT that applies
  GuestRights rights{};
  bool tables_verified = true;  // every guest entry used was mapped by an EPT leaf with bit 58 = 1
};

// Guest paging (SDM, "Paging", with 31.3 around it). Throws Stop for page faults and for the exits
// of the EPT.
class GuestWalk {
 public:
  GuestWalk(const State& state, const Access& access, std::uint64_t gva, Journal& journal,
            EptWalk& ept)
      : state_(state), access_(access), gva_(gva), journal_(journal), ept_(ept) {}

  GuestMapping translate();

 private:
  // The last guest entry used: it maps the page, or restarts the walk.
  struct Last {
    unsigned level = 0;
    bool restarts = false;
    std::uint64_t entry = 0;
    GuestPhysicalAccess walk{};  // the access that read it
    EptMapping mapping{};        // where it is
  };

  Last walk(Structure structure, unsigned level, std::uint64_t table);
  Last walk_from_cr3();
  std::uint64_t pdpte() const;
  bool uses_hlat() const;
  void set_flag(const Last& at, std::uint64_t flag);
  [[noreturn]] void page_fault(std::uint32_t error_code) const;

  const State& state_;
  const Access& access_;
  std::uint64_t gva_;
  Journal& journal_;
  EptWalk& ept_;
  GuestRights rights_{};
  bool tables_verified_ = true;
};

}  // namespace eptsim::oracle
