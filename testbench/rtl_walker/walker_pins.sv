// The walker with one scalar port per field, for C++: what Verilator makes of a packed struct is a
// bit vector whose layout the facade would have to repeat.
//
// Each call of what Verilator makes evaluates all logic behind the inputs, and behind flip-flops
// that are clocked. So wide inputs go through flip-flops with strobes of their own: the logic
// behind a port without news is left alone. And a strobe may rise together with the clock, which
// ends one cycle and shows the inputs of the next, so that the walker's step is evaluated once.

module walker_pins #(
  parameter int unsigned Walks = 1,
  parameter int unsigned CombinedPml4e = 0,
  parameter int unsigned CombinedPdpte = 0,
  parameter int unsigned CombinedPde = 0,
  parameter int unsigned EptPml4e = 0,
  parameter int unsigned EptPdpte = 0,
  parameter int unsigned EptPde = 0,
  parameter int unsigned NestedTlb = 0
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [63:0] time_i,

  // Rise where there is something new to see of a port: in the low half of the cycle that it
  // belongs to, or with the edge before.
  input  logic        answer_strobe_i,  // of a valid answer
  input  logic        news_strobe_i,    // of a request, an invalidation, disable bits

  input  logic        request_valid_i,
  output logic        request_ready_o,
  input  logic [31:0] request_tag_i,
  input  logic [63:0] request_address_i,
  input  logic        request_linear_i,
  input  logic [7:0]  request_size_i,
  input  logic [2:0]  request_access_i,
  input  logic        request_user_i,
  input  logic        request_implicit_i,

  input  logic        context_ept_enabled_i,
  input  logic [63:0] context_eptp_i,
  input  logic [63:0] context_cr0_i,
  input  logic [63:0] context_cr3_i,
  input  logic [63:0] context_cr4_i,
  input  logic [63:0] context_efer_i,
  input  logic [31:0] context_pkru_i,
  input  logic [31:0] context_pkrs_i,
  input  logic [63:0] context_pat_i,
  input  logic        context_rflags_ac_i,
  input  logic [15:0] context_vpid_i,
  input  logic [63:0] context_pdpte0_i,
  input  logic [63:0] context_pdpte1_i,
  input  logic [63:0] context_pdpte2_i,
  input  logic [63:0] context_pdpte3_i,
  input  logic        context_mode_based_execute_i,
  input  logic        context_violation_ve_i,
  input  logic        context_pml_i,
  input  logic        context_paging_write_i,
  input  logic        context_guest_paging_verification_i,
  input  logic        context_sub_page_permission_i,
  input  logic [63:0] context_sppt_pointer_i,
  input  logic        context_hlat_i,
  input  logic [63:0] context_hlat_pointer_i,
  input  logic [15:0] context_hlat_prefix_size_i,
  input  logic [63:0] context_pml_address_i,
  input  logic [15:0] context_pml_index_i,
  input  logic [63:0] context_ve_info_address_i,
  input  logic [15:0] context_eptp_index_i,
  input  logic [5:0]  context_maxphyaddr_i,
  input  logic        context_execute_only_i,
  input  logic        context_page_1g_i,
  input  logic        context_page_2m_i,
  input  logic        context_guest_page_1g_i,
  input  logic        context_advanced_exit_info_i,

  output logic        memory_valid_o,
  input  logic        memory_ready_i,
  output logic [7:0]  memory_id_o,
  output logic [1:0]  memory_kind_o,
  output logic [3:0]  memory_size_o,
  output logic [51:0] memory_address_o,
  output logic [63:0] memory_expected_o,
  output logic [63:0] memory_desired_o,
  output logic [2:0]  memory_guest_level_o,
  output logic [2:0]  memory_ept_level_o,
  output logic [2:0]  memory_sub_page_level_o,
  output logic        memory_hlat_o,
  input  logic [7:0]  answer_id_i,
  input  logic [63:0] answer_value_i,

  output logic        response_valid_o,
  input  logic        response_ready_i,
  output logic [31:0] response_tag_o,
  output logic [2:0]  response_outcome_o,
  output logic [4:0]  response_reason_o,
  output logic [51:0] response_gpa_o,
  output logic [51:0] response_hpa_o,
  output logic [2:0]  response_guest_page_o,
  output logic [2:0]  response_ept_page_o,
  output logic [2:0]  response_page_o,
  output logic [2:0]  response_memory_type_o,
  output logic        response_guest_write_o,
  output logic        response_guest_user_o,
  output logic        response_guest_execute_o,
  output logic        response_shadow_stack_o,
  output logic        response_ept_read_o,
  output logic        response_ept_write_o,
  output logic        response_ept_execute_o,
  output logic        response_ept_user_execute_o,
  output logic        response_ept_paging_write_o,
  output logic        response_ept_supervisor_shadow_stack_o,
  output logic        response_dirty_o,
  output logic        response_global_o,
  output logic [3:0]  response_protection_key_o,
  output logic [16:0] response_qualification_o,
  output logic [7:0]  response_error_code_o,
  output logic        response_linear_valid_o,
  output logic [2:0]  response_guest_level_o,
  output logic [2:0]  response_ept_level_o,
  output logic [2:0]  response_sub_page_level_o,
  output logic        response_hlat_o,
  output logic [51:0] response_entry_address_o,
  output logic [63:0] response_entry_o,
  output logic [15:0] response_references_o,
  output logic [63:0] response_cycles_o,
  output logic [15:0] response_pml_index_o,

  input  logic        invalidation_valid_i,
  input  logic        invalidation_linear_mappings_i,
  input  logic        invalidation_combined_mappings_i,
  input  logic        invalidation_guest_physical_mappings_i,
  input  logic        invalidation_vpid_valid_i,
  input  logic [15:0] invalidation_vpid_i,
  input  logic        invalidation_keep_vpid_zero_i,
  input  logic        invalidation_pcid_valid_i,
  input  logic [11:0] invalidation_pcid_i,
  input  logic        invalidation_ept_root_valid_i,
  input  logic [39:0] invalidation_ept_root_i,
  input  logic        invalidation_linear_valid_i,
  input  logic [56:0] invalidation_linear_i,
  input  logic        invalidation_gpa_valid_i,
  input  logic [51:0] invalidation_gpa_i,
  input  logic        disabled_combined_i,
  input  logic        disabled_ept_i,
  input  logic        disabled_nested_tlb_i,

  output logic        lookup_valid_o,
  output logic [7:0]  lookup_id_o,
  output logic        lookup_combined_o,
  output logic [2:0]  lookup_combined_level_o,
  output logic [2:0]  lookup_nested_level_o,
  output logic        lookup_ept_asked_o,
  output logic [2:0]  lookup_ept_level_o,

  output logic        active_o
);

  walker_pkg::request_t request;
  walker_pkg::context_t ctx;
  walker_pkg::memory_request_t memory;
  walker_pkg::memory_answer_t answer;
  walker_pkg::response_t response;
  walker_pkg::invalidation_t invalidation;
  walker_pkg::caches_disabled_t disabled;
  walker_pkg::cache_lookup_t lookup;
  logic request_valid, answer_valid, invalidation_valid;

  logic [7:0] answer_id;
  logic [63:0] answer_value;
  assign answer = {answer_id, answer_value};

  // Valid until the clock's next edge has come.
  always_ff @(posedge answer_strobe_i or posedge clk_i) begin
    answer_valid <= answer_strobe_i;
  end
  always_ff @(posedge answer_strobe_i) begin
    answer_id <= answer_id_i;
    answer_value <= answer_value_i;
  end
  always_ff @(posedge news_strobe_i or posedge clk_i) begin
    request_valid <= news_strobe_i & request_valid_i;
    invalidation_valid <= news_strobe_i & invalidation_valid_i;
  end

  always_ff @(posedge news_strobe_i) begin
    request.tag <= request_tag_i;
    request.address <= request_address_i;
    request.linear <= request_linear_i;
    request.size <= request_size_i;
    request.access <= request_access_i;
    request.user <= request_user_i;
    request.implicit <= request_implicit_i;
  end

  always_ff @(posedge news_strobe_i) begin
    ctx.ept_enabled <= context_ept_enabled_i;
    ctx.eptp <= context_eptp_i;
    ctx.cr0 <= context_cr0_i;
    ctx.cr3 <= context_cr3_i;
    ctx.cr4 <= context_cr4_i;
    ctx.efer <= context_efer_i;
    ctx.pkru <= context_pkru_i;
    ctx.pkrs <= context_pkrs_i;
    ctx.pat <= context_pat_i;
    ctx.rflags_ac <= context_rflags_ac_i;
    ctx.vpid <= context_vpid_i;
    ctx.pdptes <= {context_pdpte3_i, context_pdpte2_i, context_pdpte1_i, context_pdpte0_i};
    ctx.mode_based_execute <= context_mode_based_execute_i;
    ctx.violation_ve <= context_violation_ve_i;
    ctx.pml <= context_pml_i;
    ctx.paging_write <= context_paging_write_i;
    ctx.guest_paging_verification <= context_guest_paging_verification_i;
    ctx.sub_page_permission <= context_sub_page_permission_i;
    ctx.sppt_pointer <= context_sppt_pointer_i;
    ctx.hlat <= context_hlat_i;
    ctx.hlat_pointer <= context_hlat_pointer_i;
    ctx.hlat_prefix_size <= context_hlat_prefix_size_i;
    ctx.pml_address <= context_pml_address_i;
    ctx.pml_index <= context_pml_index_i;
    ctx.ve_info_address <= context_ve_info_address_i;
    ctx.eptp_index <= context_eptp_index_i;
    ctx.maxphyaddr <= context_maxphyaddr_i;
    ctx.execute_only <= context_execute_only_i;
    ctx.page_1g <= context_page_1g_i;
    ctx.page_2m <= context_page_2m_i;
    ctx.guest_page_1g <= context_guest_page_1g_i;
    ctx.advanced_exit_info <= context_advanced_exit_info_i;
  end

  always_ff @(posedge news_strobe_i) begin
    invalidation.linear_mappings <= invalidation_linear_mappings_i;
    invalidation.combined_mappings <= invalidation_combined_mappings_i;
    invalidation.guest_physical_mappings <= invalidation_guest_physical_mappings_i;
    invalidation.vpid_valid <= invalidation_vpid_valid_i;
    invalidation.vpid <= invalidation_vpid_i;
    invalidation.keep_vpid_zero <= invalidation_keep_vpid_zero_i;
    invalidation.pcid_valid <= invalidation_pcid_valid_i;
    invalidation.pcid <= invalidation_pcid_i;
    invalidation.ept_root_valid <= invalidation_ept_root_valid_i;
    invalidation.ept_root <= invalidation_ept_root_i;
    invalidation.linear_valid <= invalidation_linear_valid_i;
    invalidation.linear <= invalidation_linear_i;
    invalidation.gpa_valid <= invalidation_gpa_valid_i;
    invalidation.gpa <= invalidation_gpa_i;
  end

  always_ff @(posedge news_strobe_i) begin
    disabled.combined <= disabled_combined_i;
    disabled.ept <= disabled_ept_i;
    disabled.nested_tlb <= disabled_nested_tlb_i;
  end

  walker #(
    .Walks(Walks),
    .CombinedPml4e(CombinedPml4e),
    .CombinedPdpte(CombinedPdpte),
    .CombinedPde(CombinedPde),
    .EptPml4e(EptPml4e),
    .EptPdpte(EptPdpte),
    .EptPde(EptPde),
    .NestedTlb(NestedTlb)
  ) u_walker (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .time_i(time_i),
    .request_valid_i(request_valid),
    .request_ready_o(request_ready_o),
    .request_i(request),
    .context_i(ctx),
    .memory_valid_o(memory_valid_o),
    .memory_ready_i(memory_ready_i),
    .memory_o(memory),
    .answer_valid_i(answer_valid),
    .answer_i(answer),
    .response_valid_o(response_valid_o),
    .response_ready_i(response_ready_i),
    .response_o(response),
    .invalidation_valid_i(invalidation_valid),
    .invalidation_i(invalidation),
    .disabled_i(disabled),
    .lookup_valid_o(lookup_valid_o),
    .lookup_o(lookup),
    .active_o(active_o)
  );

  assign memory_id_o = memory.id;
  assign memory_kind_o = memory.kind;
  assign memory_size_o = memory.size;
  assign memory_address_o = memory.address;
  assign memory_expected_o = memory.expected;
  assign memory_desired_o = memory.desired;
  assign memory_guest_level_o = memory.place.guest_level;
  assign memory_ept_level_o = memory.place.ept_level;
  assign memory_sub_page_level_o = memory.place.sub_page_level;
  assign memory_hlat_o = memory.place.hlat;

  assign lookup_id_o = lookup.id;
  assign lookup_combined_o = lookup.combined;
  assign lookup_combined_level_o = lookup.combined_level;
  assign lookup_nested_level_o = lookup.nested_level;
  assign lookup_ept_asked_o = lookup.ept_asked;
  assign lookup_ept_level_o = lookup.ept_level;

  always_comb begin
    response_tag_o = '0;
    response_outcome_o = '0;
    response_reason_o = '0;
    response_gpa_o = '0;
    response_hpa_o = '0;
    response_guest_page_o = '0;
    response_ept_page_o = '0;
    response_page_o = '0;
    response_memory_type_o = '0;
    response_guest_write_o = '0;
    response_guest_user_o = '0;
    response_guest_execute_o = '0;
    response_shadow_stack_o = '0;
    response_ept_read_o = '0;
    response_ept_write_o = '0;
    response_ept_execute_o = '0;
    response_ept_user_execute_o = '0;
    response_ept_paging_write_o = '0;
    response_ept_supervisor_shadow_stack_o = '0;
    response_dirty_o = '0;
    response_global_o = '0;
    response_protection_key_o = '0;
    response_qualification_o = '0;
    response_error_code_o = '0;
    response_linear_valid_o = '0;
    response_guest_level_o = '0;
    response_ept_level_o = '0;
    response_sub_page_level_o = '0;
    response_hlat_o = '0;
    response_entry_address_o = '0;
    response_entry_o = '0;
    response_references_o = '0;
    response_cycles_o = '0;
    response_pml_index_o = '0;
    if (response_valid_o) begin
      response_tag_o = response.tag;
      response_outcome_o = response.outcome;
      response_reason_o = response.reason;
      response_gpa_o = response.gpa;
      response_hpa_o = response.hpa;
      response_guest_page_o = response.guest_page;
      response_ept_page_o = response.ept_page;
      response_page_o = response.page;
      response_memory_type_o = response.memory_type;
      response_guest_write_o = response.guest_rights.write;
      response_guest_user_o = response.guest_rights.user;
      response_guest_execute_o = response.guest_rights.execute;
      response_shadow_stack_o = response.guest_rights.shadow_stack;
      response_ept_read_o = response.ept_rights.read;
      response_ept_write_o = response.ept_rights.write;
      response_ept_execute_o = response.ept_rights.execute;
      response_ept_user_execute_o = response.ept_rights.user_execute;
      response_ept_paging_write_o = response.ept_rights.paging_write;
      response_ept_supervisor_shadow_stack_o = response.ept_rights.supervisor_shadow_stack;
      response_dirty_o = response.dirty;
      response_global_o = response.global_page;
      response_protection_key_o = response.protection_key;
      response_qualification_o = response.qualification;
      response_error_code_o = response.error_code;
      response_linear_valid_o = response.linear_valid;
      response_guest_level_o = response.place.guest_level;
      response_ept_level_o = response.place.ept_level;
      response_sub_page_level_o = response.place.sub_page_level;
      response_hlat_o = response.place.hlat;
      response_entry_address_o = response.entry_address;
      response_entry_o = response.entry;
      response_references_o = response.references;
      response_cycles_o = response.cycles;
      response_pml_index_o = response.pml_index;
    end
  end

endmodule
