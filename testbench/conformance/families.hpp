#pragma once

#include "testbench/conformance/vector.hpp"

/// Every family of vectors, one a file.
namespace eptsim::tb::conformance {

void ept_data_page(const Sink& sink);
void ept_reserved_bits(const Sink& sink);
void ept_priority(const Sink& sink);
void guest_table_page(const Sink& sink);
void accessed_dirty(const Sink& sink);
void page_modification_log(const Sink& sink);
void vm_entry(const Sink& sink);
void guest_reserved_bits(const Sink& sink);
void guest_rights(const Sink& sink);
void legacy_paging(const Sink& sink);
void nested_references(const Sink& sink);
void memory_types(const Sink& sink);
void sub_page_permission(const Sink& sink);
void virtualization_exception(const Sink& sink);
void paging_write(const Sink& sink);
void guest_paging_verification(const Sink& sink);
void hlat(const Sink& sink);
void supervisor_shadow_stack(const Sink& sink);

}  // namespace eptsim::tb::conformance
