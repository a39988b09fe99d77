#include "testbench/conformance/families.hpp"

#include "testbench/conformance/procedure.hpp"
#include "testbench/conformance/suite.hpp"

namespace eptsim::tb::conformance {

std::span<const Family> families() {
  static constexpr Family kFamilies[] = {
      {"ept_data_page", "EPT rights on the way to a page, at each level", ept_data_page},
      {"ept_reserved_bits", "reserved, ignored and memory-type bits of EPT entries",
       ept_reserved_bits},
      {"ept_priority", "which fault of a walk is reported", ept_priority},
      {"guest_table_page", "EPT rights of the pages that hold guest tables", guest_table_page},
      {"accessed_dirty", "accessed and dirty flags of both dimensions", accessed_dirty},
      {"page_modification_log", "the log of pages written", page_modification_log},
      {"vm_entry", "contexts that VM entry accepts or refuses", vm_entry},
      {"guest_reserved_bits", "reserved, ignored and absent guest entries", guest_reserved_bits},
      {"guest_rights", "SMAP, protection keys, shadow stacks, LASS, canonical addresses",
       guest_rights},
      {"legacy_paging", "32-bit and PAE paging", legacy_paging},
      {"nested_references", "how many entries a translation reads", nested_references},
      {"memory_types", "memory types of EPT and PAT together", memory_types},
      {"sub_page_permission", "sub-page write permissions", sub_page_permission},
      {"virtualization_exception", "EPT violations as exceptions", virtualization_exception},
      {"paging_write", "writes of the walk that only a leaf bit allows", paging_write},
      {"guest_paging_verification", "pages that ask for verified tables",
       guest_paging_verification},
      {"hlat", "the hypervisor's own linear-address tables", hlat},
      {"supervisor_shadow_stack", "supervisor shadow stacks in the EPT", supervisor_shadow_stack},
  };
  return kFamilies;
}

std::span<const Procedure> procedures() {
  static constexpr Procedure kProcedures[] = {
      {"eptp_switching", "VM function 0", eptp_switching},
      {"invalidation", "what each operation removes of what is cached, and what it leaves",
       invalidation},
      {"invalidation_operands", "types and operands of INVEPT and INVVPID", invalidation_operands},
  };
  return kProcedures;
}

}  // namespace eptsim::tb::conformance
