// One step of one walk: what has come, what the entry in hand is judged to be, and what the step
// leads to. The way from step to step stands in walk_path.sv.

module walk_step #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1,
  parameter bit HasCombined = 1'b0,
  parameter bit HasGuestPhysical = 1'b0
) (
  input  logic                        clk_i,
  input  logic                        take_i,
  input  logic [SlotBits-1:0]         take_slot_i,
  input  walker_pkg::request_t        request_i,
  input  walker_pkg::context_t        context_i,

  // The walk that is followed, and what it is followed from: at most one of the three.
  input  logic [SlotBits-1:0]         slot_i,
  input  logic                        first_i,
  input  logic                        lookup_i,
  input  logic                        answered_i,
  input  logic [63:0]                 answer_i,

  // Where it leads: exactly one of the three.
  output logic                        issues_o,
  output logic                        looks_up_o,
  output logic                        responds_o,
  output walker_pkg::response_t       response_o,  // but for its cycles

  // The memory request of any walk.
  input  logic [SlotBits-1:0]         memory_slot_i,
  output walker_pkg::memory_request_t memory_o,

  // The caches are asked, and answer in the same cycle.
  output logic                        asks_combined_o,
  output logic                        asks_ept_o,
  output walker_pkg::space_t          space_o,
  output logic [56:0]                 linear_o,
  output logic                        wide_pde_o,  // a PDE of 32-bit paging: it covers 4 MiB
  output logic [2:0]                  guest_root_level_o,
  output logic [51:0]                 gpa_o,
  output logic                        writes_page_o,  // a nested hit needs its dirty flag set
  input  logic [2:0]                  combined_level_i,
  input  walker_pkg::guest_table_t    combined_table_i,
  input  logic [2:0]                  nested_level_i,
  input  logic [63:0]                 nested_leaf_i,
  input  walker_pkg::ept_rights_t     nested_rights_i,
  input  logic [2:0]                  ept_level_i,
  input  walker_pkg::ept_table_t      ept_table_i,

  // What the caches are to hold.
  output logic [4:2]                  combined_fills_o,
  output walker_pkg::guest_table_t    combined_pml4e_o,
  output walker_pkg::guest_table_t    combined_pdpte_o,
  output walker_pkg::guest_table_t    combined_pde_o,
  output logic [4:2]                  ept_fills_o,
  output walker_pkg::ept_table_t      ept_pml4e_o,
  output walker_pkg::ept_table_t      ept_pdpte_o,
  output walker_pkg::ept_table_t      ept_pde_o,
  output logic                        nested_fills_o,
  output logic [2:0]                  nested_level_o,
  output logic [63:0]                 nested_leaf_o,
  output walker_pkg::ept_rights_t     nested_rights_o
);

  // ---------------------------------------------------------------------------------------------
  // The walk in hand, and what happens to it in this cycle

  walker_pkg::request_t request;
  walker_pkg::mode_t mode;
  walker_pkg::annex_t annex;
  walker_pkg::op_e op;
  logic hlat, new_hlat, memory_hlat;
  logic [2:0] guest_level, restart_level, guest_fault_level, ept_level;
  logic [51:0] gpa, address, guest_fault_address;
  logic [63:0] expected, desired;
  logic [15:0] pml_index;
  walker_pkg::guest_rights_t guest_rights_so_far;

  logic judge_ept, judge_guest, judge_sub_page, ept_swapped, reflagged, accessed_set, dirty_set;
  logic logged, ve_loaded, ve_stored;

  walk_context #(.Walks(Walks), .SlotBits(SlotBits)) u_walk_context (
    .clk_i(clk_i),
    .take_i(take_i),
    .take_slot_i(take_slot_i),
    .request_i(request_i),
    .context_i(context_i),
    .slot_i(slot_i),
    .logged_i(logged),
    .request_o(request),
    .mode_o(mode),
    .annex_o(annex),
    .space_o(space_o),
    .pml_index_o(pml_index)
  );

  walk_answer u_walk_answer (
    .answered_i(answered_i),
    .op_i(op),
    .answer_i(answer_i),
    .expected_i(expected),
    .judge_ept_o(judge_ept),
    .judge_guest_o(judge_guest),
    .judge_sub_page_o(judge_sub_page),
    .ept_swapped_o(ept_swapped),
    .reflagged_o(reflagged),
    .accessed_set_o(accessed_set),
    .dirty_set_o(dirty_set),
    .logged_o(logged),
    .ve_loaded_o(ve_loaded),
    .ve_stored_o(ve_stored)
  );

  walker_pkg::access_t access;
  logic steps, user, linear_refused, refused_at_once, walks_guest, own_access;
  walker_pkg::reason_e linear_reason;

  assign steps = first_i | lookup_i | answered_i;

  access_decode u_access_decode (.kind_i(request.access), .access_o(access));
  assign user = request.user & ~request.implicit;

  linear_address_check u_linear_address_check (
    .asked_i(first_i),
    .mode_i(mode),
    .address_i(request.address[63:47]),
    .access_i(access),
    .user_i(user),
    .implicit_i(request.implicit),
    .refused_o(linear_refused),
    .reason_o(linear_reason)
  );

  assign refused_at_once = first_i & request.linear & linear_refused;
  assign walks_guest = request.linear & mode.paging;
  assign own_access = guest_level == 3'd0;  // the address in translation is no guest table's

  // ---------------------------------------------------------------------------------------------
  // What the caches say

  logic combined_hit, nested_hit, ept_hit, ept_missed;

  assign asks_combined_o = HasCombined & lookup_i & (op == walker_pkg::OpLookupCombined);
  assign asks_ept_o = HasGuestPhysical & lookup_i & (op == walker_pkg::OpLookupEpt);
  assign linear_o = request.address[56:0];
  assign wide_pde_o = mode.narrow;
  assign gpa_o = gpa;
  assign writes_page_o = mode.ept_flags & (~own_access | access.write);

  assign combined_hit = asks_combined_o & (combined_level_i != 3'd0);
  assign nested_hit = asks_ept_o & (nested_level_i != 3'd0);
  assign ept_hit = asks_ept_o & ~nested_hit & (ept_level_i != 3'd0);
  assign ept_missed = asks_ept_o & ~nested_hit & ~ept_hit;

  // ---------------------------------------------------------------------------------------------
  // The guest entry in hand

  logic [63:0] guest_entry, guest_fault_entry, guest_expected, guest_desired;
  logic guest_refused, guest_right_missing, restarts, guest_descends, guest_done;
  logic update_due, dirty_due, update_refused;
  logic [7:0] error_code;
  walker_pkg::guest_rights_t guest_rights_here;
  walker_pkg::reason_e guest_reason;

  guest_judgment #(.Walks(Walks), .SlotBits(SlotBits)) u_guest_judgment (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .mode_i(mode),
    .access_i(access),
    .user_i(user),
    .implicit_i(request.implicit),
    .judge_i(judge_guest),
    .accessed_set_i(accessed_set),
    .dirty_set_i(dirty_set),
    .answer_i(answer_i),
    .address_i(address),
    .level_i(guest_level),
    .hlat_i(hlat),
    .upper_rights_i(guest_rights_so_far),
    .entry_o(guest_entry),
    .rights_o(guest_rights_here),
    .refused_o(guest_refused),
    .right_missing_o(guest_right_missing),
    .reason_o(guest_reason),
    .error_code_o(error_code),
    .fault_level_o(guest_fault_level),
    .fault_address_o(guest_fault_address),
    .fault_entry_o(guest_fault_entry),
    .update_due_o(update_due),
    .dirty_due_o(dirty_due),
    .expected_o(guest_expected),
    .desired_o(guest_desired),
    .restarts_o(restarts),
    .descends_o(guest_descends),
    .done_o(guest_done)
  );

  // Setting a guest entry's flag is a write to the page that holds it.
  walker_pkg::ept_rights_t table_rights, ept_rights;
  logic [$bits(table_rights)-1:0] table_rights_q [Walks];
  logic reads_guest;
  assign table_rights = table_rights_q[slot_i];
  assign update_refused = update_due & mode.ept &
                          ~(mode.paging_write ? table_rights.paging_write : table_rights.write);

  always_ff @(posedge clk_i) begin
    if (reads_guest) begin
      table_rights_q[slot_i] <= combined_hit ? combined_table_i.ept_rights : ept_rights;
    end
  end

  // ---------------------------------------------------------------------------------------------
  // The EPT entry in hand

  logic begins_ept, verified;
  logic [2:0] begin_level;
  logic [39:0] begin_frame;
  walker_pkg::ept_rights_t begin_rights;
  logic ept_absent, ept_malformed, ept_descends, ept_refused, ept_unverified;
  logic sub_page_event, sub_page_miss, reads_sub_page;
  logic log_full, log_due, ept_flag_due, ept_done;
  walker_pkg::reason_e ept_malformed_reason, ept_refusal;
  logic [2:0] ept_leaf_level, ept_next_level;
  logic [39:0] ept_next_frame;
  logic [63:0] ept_leaf, ept_named_entry, ept_expected, ept_desired;

  ept_step #(.Walks(Walks), .SlotBits(SlotBits)) u_ept_step (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .mode_i(mode),
    .access_i(access),
    .own_access_i(own_access),
    .supervisor_i(~user),
    .user_address_i(request.linear & guest_rights_so_far.user),
    .verified_i(verified),
    .pml_index_i(pml_index),
    .begin_i(begins_ept),
    .begin_level_i(begin_level),
    .begin_frame_i(begin_frame),
    .begin_rights_i(begin_rights),
    .judge_i(judge_ept),
    .swapped_i(ept_swapped),
    .reflagged_i(reflagged),
    .logged_i(logged),
    .nested_hit_i(nested_hit),
    .update_refused_i(update_refused),
    .update_due_i(update_due),
    .level_i(ept_level),
    .entry_i(ept_swapped ? desired : answer_i),
    .expected_i(expected),
    .nested_level_i(nested_level_i),
    .nested_leaf_i(nested_leaf_i),
    .nested_rights_i(nested_rights_i),
    .table_rights_i(table_rights),
    .sub_page_root_i(annex.sub_page_root),
    .offset_i(gpa[11:0]),
    .size_i(request.size),
    .judge_sub_page_i(judge_sub_page),
    .absent_o(ept_absent),
    .malformed_o(ept_malformed),
    .malformed_reason_o(ept_malformed_reason),
    .descends_o(ept_descends),
    .refused_o(ept_refused),
    .unverified_o(ept_unverified),
    .refusal_o(ept_refusal),
    .sub_page_event_o(sub_page_event),
    .sub_page_miss_o(sub_page_miss),
    .reads_sub_page_o(reads_sub_page),
    .log_full_o(log_full),
    .log_due_o(log_due),
    .flag_due_o(ept_flag_due),
    .done_o(ept_done),
    .fills_o(nested_fills_o),
    .leaf_level_o(ept_leaf_level),
    .leaf_o(ept_leaf),
    .rights_o(ept_rights),
    .next_level_o(ept_next_level),
    .next_frame_o(ept_next_frame),
    .named_entry_o(ept_named_entry),
    .flag_expected_o(ept_expected),
    .flag_desired_o(ept_desired),
    .tables_o(ept_fills_o),
    .pml4e_o(ept_pml4e_o),
    .pdpte_o(ept_pdpte_o),
    .pde_o(ept_pde_o)
  );

  // ---------------------------------------------------------------------------------------------
  // Where the walk goes

  logic begins_again, asks_first, asks_ept, pdpte_absent, too_wide, reads_ept;
  logic [2:0] new_guest_level, guest_leaf_level, next_ept_level, memory_guest_level;
  logic [51:0] new_gpa, hpa, ept_entry_hpa;
  logic [15:0] references;
  walker_pkg::guest_rights_t guest_rights;

  walk_path #(
    .Walks(Walks),
    .SlotBits(SlotBits),
    .HasCombined(HasCombined),
    .HasGuestPhysical(HasGuestPhysical)
  ) u_walk_path (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .mode_i(mode),
    .pdpte_present_i(annex.pdpte[arch_pkg::GuestEntryPresent]),
    .walks_guest_i(walks_guest),
    .address_i(request.address[56:0]),
    .hlat_root_i(annex.hlat_root),
    .first_i(first_i),
    .refused_i(refused_at_once),
    .steps_i(steps),
    .right_missing_i(guest_right_missing | update_refused | ept_refused | sub_page_event),
    .combined_missed_i(asks_combined_o & ~combined_hit),
    .combined_hit_i(combined_hit),
    .combined_level_i(combined_level_i),
    .combined_frame_i(combined_table_i.frame),
    .combined_rights_i(combined_table_i.rights),
    .combined_verified_i(combined_table_i.paging_verified),
    .nested_hit_i(nested_hit),
    .ept_missed_i(ept_missed),
    .ept_hit_i(ept_hit),
    .ept_hit_level_i(ept_level_i),
    .ept_hit_table_i(ept_table_i),
    .restarts_i(restarts),
    .guest_descends_i(guest_descends),
    .guest_done_i(guest_done),
    .guest_frame_i(guest_entry[arch_pkg::GuestEntryAddressHigh:arch_pkg::GuestEntryAddressLow]),
    .entry_rights_i(guest_rights_here),
    .ept_descends_i(ept_descends),
    .ept_done_i(ept_done),
    .ept_next_level_i(ept_next_level),
    .ept_next_frame_i(ept_next_frame),
    .ept_leaf_level_i(ept_leaf_level),
    .ept_leaf_i(ept_leaf),
    .ept_rights_i(ept_rights),
    .reads_sub_page_i(reads_sub_page),
    .guest_root_level_o(guest_root_level_o),
    .guest_level_o(guest_level),
    .hlat_o(hlat),
    .restart_level_o(restart_level),
    .gpa_o(gpa),
    .guest_rights_o(guest_rights_so_far),
    .verified_o(verified),
    .references_o(references),
    .begins_again_o(begins_again),
    .asks_combined_o(asks_first),
    .asks_ept_o(asks_ept),
    .pdpte_absent_o(pdpte_absent),
    .too_wide_o(too_wide),
    .begins_ept_o(begins_ept),
    .begin_level_o(begin_level),
    .begin_frame_o(begin_frame),
    .begin_rights_o(begin_rights),
    .reads_ept_o(reads_ept),
    .reads_guest_o(reads_guest),
    .new_guest_level_o(new_guest_level),
    .new_hlat_o(new_hlat),
    .guest_leaf_level_o(guest_leaf_level),
    .new_guest_rights_o(guest_rights),
    .new_gpa_o(new_gpa),
    .hpa_o(hpa),
    .ept_level_o(next_ept_level),
    .ept_entry_address_o(ept_entry_hpa),
    .memory_slot_i(memory_slot_i),
    .memory_guest_level_o(memory_guest_level),
    .memory_hlat_o(memory_hlat),
    .fills_o(combined_fills_o),
    .pml4e_o(combined_pml4e_o),
    .pdpte_o(combined_pdpte_o),
    .pde_o(combined_pde_o)
  );

  // ---------------------------------------------------------------------------------------------
  // Where the step leads

  logic swaps_guest, violated, ve_due, ve_stores;
  logic [51:0] ve_address;
  logic [3:0] ve_size;
  logic [63:0] ve_value;
  walker_pkg::response_t report;

  assign swaps_guest = update_due & ~update_refused;
  // A violation that the entry which decided allows to become an exception: it was absent, or is
  // the leaf.
  assign violated = ((ept_refused | update_refused) & ~begins_again) | ept_absent;
  assign ve_due = violated & mode.violation_ve & ~ept_leaf[arch_pkg::EptEntrySuppressVe];

  assign issues_o = reads_ept | reads_guest | reads_sub_page | ept_flag_due | swaps_guest |
                    log_due | ve_due | ve_stores;
  assign looks_up_o = asks_first | asks_ept;
  assign responds_o = steps & ~issues_o & ~looks_up_o;

  virtualization_exception #(.Walks(Walks), .SlotBits(SlotBits)) u_virtualization_exception (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .report_i(report),
    .due_i(ve_due),
    .loaded_i(ve_loaded),
    .busy_i(answer_i[31:0] != '0),
    .stored_i(ve_stored),
    .frame_i(annex.ve_frame),
    .linear_i(request.linear ? request.address : '0),
    .gpa_i(gpa),
    .eptp_index_i(annex.eptp_index),
    .stores_o(ve_stores),
    .address_o(ve_address),
    .size_o(ve_size),
    .value_o(ve_value),
    .response_o(response_o)
  );

  walk_next #(.Walks(Walks), .SlotBits(SlotBits)) u_walk_next (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .op_o(op),
    .address_o(address),
    .expected_o(expected),
    .desired_o(desired),
    .ept_level_o(ept_level),
    .leads_on_i(issues_o | looks_up_o),
    .asks_combined_i(asks_first),
    .asks_ept_i(asks_ept),
    .loads_area_i(ve_due),
    .stores_area_i(ve_stores),
    .area_address_i(ve_address),
    .area_size_i(ve_size),
    .area_value_i(ve_value),
    .area_level_i(report.place.ept_level),
    .logs_i(log_due),
    .log_address_i({annex.pml_frame, pml_index[8:0], 3'b000}),
    .log_page_i(gpa[51:12]),
    .swaps_ept_i(ept_flag_due),
    .ept_expected_i(ept_expected),
    .ept_desired_i(ept_desired),
    .reads_guest_i(reads_guest),
    .narrow_i(mode.narrow),
    .guest_entry_address_i(hpa),
    .reads_sub_page_i(reads_sub_page),
    .reads_ept_i(reads_ept),
    .ept_entry_address_i(ept_entry_hpa),
    .ept_level_i(next_ept_level),
    .swaps_guest_i(swaps_guest),
    .sets_dirty_i(dirty_due),
    .guest_expected_i(guest_expected),
    .guest_desired_i(guest_desired),
    .memory_slot_i(memory_slot_i),
    .memory_guest_level_i(memory_guest_level),
    .memory_hlat_i(memory_hlat),
    .memory_o(memory_o)
  );

  walk_response u_walk_response (
    .responds_i(responds_o | ve_due),
    .mode_i(mode),
    .tag_i(request.tag),
    .linear_i(request.linear),
    .access_i(access),
    .user_i(user),
    .references_i(references),
    .pml_index_i(logged ? pml_index - 16'd1 : pml_index),
    .linear_refused_i(refused_at_once),
    .linear_reason_i(linear_reason),
    .pdpte_absent_i(pdpte_absent),
    .pdpte_i(annex.pdpte),
    .guest_refused_i(guest_refused & ~begins_again),
    .guest_reason_i(guest_reason),
    .error_code_i(error_code),
    .too_wide_i(too_wide),
    .ept_absent_i(ept_absent),
    .ept_malformed_i(ept_malformed),
    .ept_malformed_reason_i(ept_malformed_reason),
    .update_refused_i(update_refused & ~begins_again),
    .ept_refused_i(ept_refused & ~begins_again),
    .ept_unverified_i(ept_refused & ~begins_again & ept_unverified),
    .ept_refusal_i(ept_refusal),
    .log_full_i(log_full),
    .sub_page_event_i(sub_page_event & ~begins_again),
    .sub_page_miss_i(sub_page_miss),
    .guest_level_i(too_wide ? new_guest_level : guest_level),
    .hlat_i(too_wide ? new_hlat : hlat),
    .restart_level_i(restart_level),
    .guest_leaf_level_i(guest_leaf_level),
    .guest_entry_i(guest_entry),
    .guest_rights_i(guest_rights),
    .guest_fault_level_i(guest_fault_level),
    .guest_fault_address_i(guest_fault_address),
    .guest_fault_entry_i(guest_fault_entry),
    .ept_level_i(ept_level),
    .ept_leaf_level_i(ept_leaf_level),
    .ept_leaf_i(ept_leaf),
    .ept_rights_i(update_refused ? table_rights : ept_rights),
    .ept_lacking_level_i(next_ept_level),
    .ept_lacking_address_i(ept_entry_hpa),
    .ept_lacking_entry_i(ept_named_entry),
    .entry_address_i(address),
    .entry_i(answer_i),
    .gpa_i(new_gpa),
    .hpa_i(hpa),
    .response_o(report)
  );

  // ---------------------------------------------------------------------------------------------
  // What the caches are to hold

  assign nested_level_o = ept_leaf_level;
  assign nested_leaf_o = ept_leaf;
  assign nested_rights_o = ept_rights;

endmodule
