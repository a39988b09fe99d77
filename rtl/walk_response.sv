// The response of a walk that ends in this cycle: refused by one of the rules, or else translated.

module walk_response (
  input  logic                      responds_i,
  input  walker_pkg::mode_t         mode_i,
  input  logic [31:0]               tag_i,
  input  logic                      linear_i,  // the request has a linear address
  input  walker_pkg::access_t       access_i,
  input  logic                      user_i,  // a user-mode access
  input  logic [15:0]               references_i,
  input  logic [15:0]               pml_index_i,
  input  logic                      linear_refused_i,
  input  walker_pkg::reason_e       linear_reason_i,
  input  logic                      pdpte_absent_i,
  input  logic [63:0]               pdpte_i,
  input  logic                      guest_refused_i,
  input  walker_pkg::reason_e       guest_reason_i,
  input  logic [7:0]                error_code_i,
  input  logic                      too_wide_i,
  input  logic                      update_refused_i,  // a guest entry's flag can't be set
  input  logic                      ept_absent_i,
  input  logic                      ept_malformed_i,
  input  walker_pkg::reason_e       ept_malformed_reason_i,
  input  logic                      ept_refused_i,
  input  logic                      ept_unverified_i,  // by guest-paging verification alone
  input  walker_pkg::reason_e       ept_refusal_i,
  input  logic                      log_full_i,
  input  logic                      sub_page_event_i,
  input  logic                      sub_page_miss_i,
  input  logic [2:0]                guest_level_i,  // where the walk is
  input  logic                      hlat_i,  // in HLAT tables
  input  logic [2:0]                restart_level_i,
  input  logic [2:0]                guest_leaf_level_i,
  input  logic [63:0]               guest_entry_i,
  input  walker_pkg::guest_rights_t guest_rights_i,
  // The guest entry that is at fault.
  input  logic [2:0]                guest_fault_level_i,
  input  logic [51:0]               guest_fault_address_i,
  input  logic [63:0]               guest_fault_entry_i,
  input  logic [2:0]                ept_level_i,  // of the EPT entry in hand
  input  logic [2:0]                ept_leaf_level_i,
  input  logic [63:0]               ept_leaf_i,
  input  walker_pkg::ept_rights_t   ept_rights_i,
  // The EPT entry that is refused for, or that lacks a flag that can't be logged.
  input  logic [2:0]                ept_lacking_level_i,
  input  logic [51:0]               ept_lacking_address_i,
  input  logic [63:0]               ept_lacking_entry_i,
  input  logic [51:0]               entry_address_i,  // of the entry in hand
  input  logic [63:0]               entry_i,
  input  logic [51:0]               gpa_i,
  input  logic [51:0]               hpa_i,
  output walker_pkg::response_t     response_o
);

  walker_pkg::access_t ept_access;
  logic own_access, violated;
  logic [16:0] qualification;

  assign own_access = guest_level_i == 3'd0;
  assign violated = responds_i & (too_wide_i | update_refused_i | ept_absent_i | ept_refused_i);

  always_comb begin
    ept_access = access_i;
    if (!own_access) begin
      ept_access = '0;
      ept_access.read = 1'b1;
      ept_access.write = mode_i.ept_flags | update_refused_i;
    end
  end

  ept_qualification u_ept_qualification (
    .asked_i(violated),
    .mode_i(mode_i),
    .access_i(ept_access),
    .linear_i(linear_i),
    .final_i(own_access),
    .leaf_reached_i(ept_refused_i | update_refused_i),
    .rights_i(ept_rights_i),
    .leaf_shadow_stack_i(ept_leaf_i[arch_pkg::EptEntrySupervisorShadowStack]),
    .unverified_i(ept_unverified_i),
    .guest_rights_i(guest_rights_i),
    .qualification_o(qualification)
  );

  logic [7:0] pdpte_error_code;

  page_fault_code u_pdpte_fault_code (
    .asked_i(pdpte_absent_i),
    .mode_i(mode_i),
    .access_i(access_i),
    .user_i(user_i),
    .present_i(1'b0),
    .reserved_i(1'b0),
    .key_refused_i(1'b0),
    .hlat_i(1'b0),
    .error_code_o(pdpte_error_code)
  );

  logic [2:0] guest_page, ept_page, page, page_type;
  walker_pkg::ept_rights_t page_ept_rights;
  logic page_dirty, page_global;
  logic [3:0] page_key;

  translation u_translation (
    .asked_i(responds_i),
    .mode_i(mode_i),
    .write_i(access_i.write),
    .guest_level_i(guest_leaf_level_i),
    .guest_leaf_i(guest_entry_i),
    .restart_level_i(restart_level_i),
    .ept_level_i(ept_leaf_level_i),
    .ept_leaf_i(ept_leaf_i),
    .ept_rights_i(ept_rights_i),
    .guest_page_o(guest_page),
    .ept_page_o(ept_page),
    .page_o(page),
    .memory_type_o(page_type),
    .ept_rights_o(page_ept_rights),
    .dirty_o(page_dirty),
    .global_o(page_global),
    .key_o(page_key)
  );

  always_comb begin
    response_o = '0;
    if (responds_i) begin
      response_o.tag = tag_i;
      response_o.references = references_i;
      response_o.pml_index = pml_index_i;
      if (linear_refused_i) begin
        response_o.outcome = walker_pkg::OutcomeGeneralProtection;
        response_o.reason = linear_reason_i;
      end else if (pdpte_absent_i) begin
        response_o.outcome = walker_pkg::OutcomePageFault;
        response_o.reason = walker_pkg::ReasonGuestNotPresent;
        response_o.error_code = pdpte_error_code;
        response_o.place.guest_level = 3'd3;
        response_o.entry = pdpte_i;
      end else if (guest_refused_i) begin
        response_o.outcome = walker_pkg::OutcomePageFault;
        response_o.reason = guest_reason_i;
        response_o.error_code = error_code_i;
        response_o.place.guest_level = guest_fault_level_i;
        response_o.place.hlat = hlat_i;
        response_o.entry_address = guest_fault_address_i;
        response_o.entry = guest_fault_entry_i;
      end else if (violated) begin
        response_o.outcome = walker_pkg::OutcomeEptViolation;
        response_o.qualification = qualification;
        response_o.linear_valid = linear_i;
        response_o.gpa = gpa_i;
        response_o.place.guest_level = guest_level_i;
        response_o.place.hlat = hlat_i;
        if (too_wide_i) begin
          response_o.reason = walker_pkg::ReasonEptAddressTooWide;
          response_o.place.ept_level = 3'd4;  // the root's: five levels take any address
        end else if (ept_absent_i) begin
          response_o.reason = walker_pkg::ReasonEptNotPresent;
          response_o.place.ept_level = ept_level_i;
          response_o.entry_address = entry_address_i;
          response_o.entry = entry_i;
        end else begin
          response_o.reason = ept_refusal_i;
          response_o.place.ept_level = ept_lacking_level_i;
          response_o.entry_address = ept_lacking_address_i;
          response_o.entry = ept_lacking_entry_i;
        end
      end else if (log_full_i) begin
        response_o.outcome = walker_pkg::OutcomePmlFull;
        response_o.reason = walker_pkg::ReasonPmlIndex;
        response_o.gpa = gpa_i;
        response_o.place.guest_level = guest_level_i;
        response_o.place.hlat = hlat_i;
        response_o.place.ept_level = ept_lacking_level_i;
        response_o.entry_address = ept_lacking_address_i;
        response_o.entry = ept_lacking_entry_i;
      end else if (sub_page_event_i) begin
        response_o.outcome = walker_pkg::OutcomeSppEvent;
        response_o.reason = sub_page_miss_i ? walker_pkg::ReasonSppMiss
                                            : walker_pkg::ReasonSppMisconfiguration;
        response_o.qualification[11] = sub_page_miss_i;
        response_o.linear_valid = linear_i;
        response_o.gpa = gpa_i;
        response_o.place.sub_page_level = ept_level_i;
        response_o.entry_address = entry_address_i;
        response_o.entry = entry_i;
      end else if (ept_malformed_i) begin
        response_o.outcome = walker_pkg::OutcomeEptMisconfiguration;
        response_o.reason = ept_malformed_reason_i;
        response_o.gpa = gpa_i;
        response_o.place.guest_level = guest_level_i;
        response_o.place.hlat = hlat_i;
        response_o.place.ept_level = ept_level_i;
        response_o.entry_address = entry_address_i;
        response_o.entry = entry_i;
      end else begin
        response_o.outcome = walker_pkg::OutcomeTranslated;
        response_o.gpa = gpa_i;
        response_o.hpa = hpa_i;
        response_o.guest_page = guest_page;
        response_o.ept_page = ept_page;
        response_o.page = page;
        response_o.memory_type = page_type;
        response_o.guest_rights = guest_rights_i;
        response_o.guest_rights.shadow_stack = guest_rights_i.shadow_stack & (guest_page != 3'd0);
        response_o.ept_rights = page_ept_rights;
        response_o.dirty = page_dirty;
        response_o.global_page = page_global;
        response_o.protection_key = page_key;
      end
    end
  end

endmodule
