// The walker: one two-dimensional walk at a time. docs/microarchitecture.md says to the cycle what
// it does. All outputs come from registers.
//
// A request, or the answer to the last memory request, is followed in its own cycle through as many
// of these steps as it reaches; the end of the path is the next memory request or the response.
//
//   EPT entry ─► descend ─────────────────────────────────────► read the next EPT entry
//             └► leaf ─► rights ─► flags due ───────────────────► swap an EPT entry
//                               └► located ─► guest table ──────► read the guest entry
//                                          └► the access's own ─► translated
//   guest entry ─► accessed due ────────────────────────────────► swap the guest entry
//               └► descend ─► new guest-physical address
//               └► leaf ─► rights ─► dirty due ─────────────────► swap the guest entry
//                                 └► new guest-physical address
//   new guest-physical address ─────────────────────────────────► read the EPT's root entry
//                              └► EPT off: located

module walker (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  // A count of cycles kept outside: the response's cycles are differences of it.
  input  logic [63:0]                 time_i,

  input  logic                        request_valid_i,
  output logic                        request_ready_o,
  input  walker_pkg::request_t        request_i,
  input  walker_pkg::context_t        context_i,  // taken with the request

  output logic                        memory_valid_o,
  input  logic                        memory_ready_i,
  output walker_pkg::memory_request_t memory_o,
  input  logic                        answer_valid_i,
  input  walker_pkg::memory_answer_t  answer_i,

  output logic                        response_valid_o,
  input  logic                        response_ready_i,
  output walker_pkg::response_t       response_o
);

  typedef enum logic [1:0] {StateIdle, StateIssue, StateWait, StateRespond} state_e;
  typedef enum logic [2:0] {OpEptRead, OpEptSwap, OpGuestRead, OpGuestAccessed, OpGuestDirty} op_e;

  state_e state_q, state_d;

  // The walk under way.
  walker_pkg::mode_t mode_q;
  walker_pkg::request_t request_q;
  logic [63:0] start_q;
  logic [15:0] references_q;
  logic [2:0] guest_level_q;  // of the guest entry being located or read, 0 for the access's own
  logic [51:0] gpa_q;         // being translated
  logic [2:0] ept_leaf_level_q;
  logic [51:0] ept_leaf_address_q;
  logic [63:0] guest_entry_q;                 // the last judged, as read
  logic [2:0] guest_leaf_level_q;             // 0 before the leaf is reached, and without paging
  walker_pkg::guest_rights_t guest_rights_q;  // and of the levels used so far

  // The memory request.
  op_e op_q, op_d;
  logic [51:0] address_q, address_d;
  logic [63:0] expected_q, expected_d, desired_q, desired_d;
  logic [2:0] ept_level_q, ept_level_d;

  walker_pkg::response_t response_q, response_d;

  // ---------------------------------------------------------------------------------------------
  // What happens in this cycle

  logic taken, answered, is_swap, swapped, reflagged, judge_ept, judge_guest;
  logic [63:0] found_change;

  assign taken = (state_q == StateIdle) & request_valid_i;
  assign answered = (state_q == StateWait) & answer_valid_i & (answer_i.id == memory_o.id);
  assign is_swap = op_q == OpEptSwap || op_q == OpGuestAccessed || op_q == OpGuestDirty;
  assign swapped = answered & is_swap & (answer_i.value == expected_q);
  // A word found by a swap that failed is judged as if it had just been read, unless only the flags
  // of an EPT entry are others than expected: they decide nothing.
  always_comb begin
    found_change = answer_i.value ^ expected_q;
    found_change[arch_pkg::EptEntryAccessed] = 1'b0;
    found_change[arch_pkg::EptEntryDirty] = 1'b0;
  end
  assign reflagged = answered & ~swapped & (op_q == OpEptSwap) & (found_change == '0);
  assign judge_ept = answered & ~swapped & ~reflagged & (op_q == OpEptRead || op_q == OpEptSwap);
  assign judge_guest = answered & ~swapped & ~reflagged & ~judge_ept;

  walker_pkg::mode_t mode_taken, mode;
  walker_pkg::request_t request;
  walker_pkg::access_t access;
  logic user;

  context_decode u_context_decode (.context_i(context_i), .mode_o(mode_taken));

  assign mode = taken ? mode_taken : mode_q;
  assign request = taken ? request_i : request_q;

  access_decode u_access_decode (.kind_i(request.access), .access_o(access));

  assign user = request.user & ~request.implicit;

  logic linear_refused, refused_at_once;
  walker_pkg::reason_e linear_reason;

  linear_address_check u_linear_address_check (
    .mode_i(mode),
    .address_i(request.address[63:47]),
    .access_i(access),
    .user_i(user),
    .implicit_i(request.implicit),
    .refused_o(linear_refused),
    .reason_o(linear_reason)
  );

  assign refused_at_once = taken & request.linear & linear_refused;

  logic walks_guest;
  logic [2:0] guest_root_level, ept_root_level;
  assign walks_guest = request.linear & mode.paging;
  assign guest_root_level = mode.five_levels ? 3'd5 : 3'd4;
  assign ept_root_level = mode.ept_five_levels ? 3'd5 : 3'd4;

  // ---------------------------------------------------------------------------------------------
  // The guest entry in hand

  logic [63:0] guest_entry, guest_expected, guest_desired;
  logic guest_refused, guest_descends, guest_done, update_due, dirty_due;
  logic [7:0] error_code;
  walker_pkg::guest_rights_t guest_rights_here;
  walker_pkg::reason_e guest_reason;

  assign guest_entry = judge_guest ? answer_i.value : guest_entry_q;

  guest_step u_guest_step (
    .mode_i(mode),
    .access_i(access),
    .user_i(user),
    .implicit_i(request.implicit),
    .judge_i(judge_guest),
    .accessed_set_i(swapped & (op_q == OpGuestAccessed)),
    .dirty_set_i(swapped & (op_q == OpGuestDirty)),
    .entry_i(guest_entry),
    .level_i(guest_level_q),
    .upper_rights_i(guest_rights_q),
    .rights_o(guest_rights_here),
    .refused_o(guest_refused),
    .reason_o(guest_reason),
    .error_code_o(error_code),
    .update_due_o(update_due),
    .dirty_due_o(dirty_due),
    .expected_o(guest_expected),
    .desired_o(guest_desired),
    .descends_o(guest_descends),
    .done_o(guest_done)
  );

  // ---------------------------------------------------------------------------------------------
  // The EPT entry in hand

  logic ept_present, ept_is_leaf, ept_misconfigured, ept_leaf_reached, ept_descends, ept_allowed;
  logic ept_absent, ept_malformed, ept_settled, ept_flag_due, ept_done;
  walker_pkg::reason_e ept_misconfiguration;

  ept_entry_check u_ept_entry_check (
    .mode_i(mode),
    .entry_i(answer_i.value),
    .level_i(ept_level_q),
    .present_o(ept_present),
    .leaf_o(ept_is_leaf),
    .misconfigured_o(ept_misconfigured),
    .reason_o(ept_misconfiguration)
  );

  assign ept_absent = judge_ept & ~ept_present;
  assign ept_malformed = judge_ept & ept_present & ept_misconfigured;
  assign ept_leaf_reached = judge_ept & ept_present & ~ept_misconfigured & ept_is_leaf;
  assign ept_descends = judge_ept & ept_present & ~ept_misconfigured & ~ept_is_leaf;

  logic own_access;  // the address in translation is the access's own, not a guest table's
  logic [63:0] ept_leaf, ept_due_entry, ept_due_update;
  logic [2:0] ept_leaf_level, ept_due_level;
  logic [39:0] ept_due_frame;
  logic ept_due;
  walker_pkg::ept_rights_t ept_rights;

  assign own_access = guest_level_q == 3'd0;
  assign ept_leaf_level = judge_ept ? ept_level_q : ept_leaf_level_q;

  ept_levels u_ept_levels (
    .clk_i(clk_i),
    .root_frame_i(mode.ept_root),
    .root_level_i(ept_root_level),
    .in_hand_i(judge_ept | reflagged | (swapped & (op_q == OpEptSwap))),
    .level_i(ept_level_q),
    .entry_i(swapped ? desired_q : answer_i.value),
    .leaf_level_i(ept_leaf_level),
    .flags_i(mode.ept_flags),
    // With EPT flags on, every access to a guest table counts as a write.
    .write_i(~own_access | access.write),
    .rights_o(ept_rights),
    .leaf_o(ept_leaf),
    .due_o(ept_due),
    .due_level_o(ept_due_level),
    .due_frame_o(ept_due_frame),
    .due_entry_o(ept_due_entry),
    .due_update_o(ept_due_update)
  );

  // Setting a guest entry's flag is a write to the page that holds it, whose EPT walk is the last
  // one made.
  logic update_refused;
  assign update_refused = update_due & mode.ept & ~ept_rights.write;

  walker_pkg::access_t ept_access;
  walker_pkg::guest_rights_t guest_rights;
  walker_pkg::reason_e ept_refusal;
  logic new_gpa_due, new_own_access, ept_access_refused;
  logic [2:0] new_guest_level;

  always_comb begin
    if (new_gpa_due ? new_own_access : own_access) begin
      ept_access = access;
    end else begin
      ept_access = '0;
      ept_access.read = 1'b1;
      ept_access.write = mode.ept_flags | update_due;
    end
  end

  ept_access_check u_ept_access_check (
    .rights_i(ept_rights),
    .access_i(ept_access),
    .mode_based_execute_i(mode.mode_based_execute),
    .user_address_i(request.linear & guest_rights.user),
    .refused_o(ept_access_refused),
    .reason_o(ept_refusal)
  );

  assign ept_allowed = ept_leaf_reached & ~ept_access_refused;
  assign ept_settled = ept_allowed | reflagged | (swapped & (op_q == OpEptSwap));
  assign ept_flag_due = ept_settled & ept_due;
  assign ept_done = ept_settled & ~ept_due;

  // ---------------------------------------------------------------------------------------------
  // A new guest-physical address

  logic [51:0] guest_entry_gpa, page_gpa, new_gpa;
  logic too_wide, ept_starts, flat;

  assign new_gpa_due = (taken & ~refused_at_once) | guest_descends | guest_done;

  always_comb begin
    if (taken) begin
      new_guest_level = walks_guest ? guest_root_level : 3'd0;
    end else begin
      new_guest_level = guest_done ? 3'd0 : guest_level_q - 3'd1;
    end
  end

  assign new_own_access = new_guest_level == 3'd0;

  entry_address u_guest_entry_address (
    .frame_i(taken ? mode.root
                   : guest_entry[arch_pkg::GuestEntryAddressHigh:arch_pkg::GuestEntryAddressLow]),
    .level_i(new_guest_level),
    .address_i(request.address[56:12]),
    .entry_address_o(guest_entry_gpa)
  );

  page_address u_guest_page_address (
    .frame_i(guest_entry[arch_pkg::GuestEntryAddressHigh:arch_pkg::GuestEntryAddressLow]),
    .level_i(guest_level_q),
    .offset_i(request.address[29:0]),
    .address_o(page_gpa)
  );

  always_comb begin
    if (!new_own_access) begin
      new_gpa = guest_entry_gpa;
    end else begin
      new_gpa = walks_guest ? page_gpa : request.address[51:0];
    end
  end

  // Rights of the levels used, the one in hand included once its use is settled.
  always_comb begin
    if (taken) begin
      guest_rights = '1;
    end else begin
      guest_rights = new_gpa_due ? guest_rights_here : guest_rights_q;
    end
  end

  assign too_wide = new_gpa_due & mode.ept & ~mode.ept_five_levels & (new_gpa[51:48] != '0);
  assign ept_starts = new_gpa_due & mode.ept & ~too_wide;
  assign flat = new_gpa_due & ~mode.ept;

  // ---------------------------------------------------------------------------------------------
  // A host-physical address

  logic [51:0] page_hpa, hpa, ept_entry_hpa;
  logic located, located_own_access, locates_guest_entry;

  page_address u_ept_page_address (
    .frame_i(ept_leaf[arch_pkg::EptEntryAddressHigh:arch_pkg::EptEntryAddressLow]),
    .level_i(ept_leaf_level),
    .offset_i(gpa_q[29:0]),
    .address_o(page_hpa)
  );

  assign hpa = flat ? new_gpa : page_hpa;
  assign located = ept_done | flat;
  assign located_own_access = flat ? new_own_access : own_access;
  assign locates_guest_entry = located & ~located_own_access;

  // The next EPT entry: the root's, the one below, or one that lacks a flag.
  logic [39:0] next_ept_frame;
  logic [2:0] next_ept_level;

  always_comb begin
    if (ept_starts) begin
      next_ept_frame = mode.ept_root;
      next_ept_level = ept_root_level;
    end else if (ept_flag_due) begin
      next_ept_frame = ept_due_frame;
      next_ept_level = ept_due_level;
    end else begin
      next_ept_frame =
          answer_i.value[arch_pkg::EptEntryAddressHigh:arch_pkg::EptEntryAddressLow];
      next_ept_level = ept_level_q - 3'd1;
    end
  end

  entry_address u_ept_entry_address (
    .frame_i(next_ept_frame),
    .level_i(next_ept_level),
    .address_i({5'd0, ept_starts ? new_gpa[51:12] : gpa_q[51:12]}),
    .entry_address_o(ept_entry_hpa)
  );

  // ---------------------------------------------------------------------------------------------
  // The next memory request

  logic reads, issues, responds;
  assign reads = ept_starts | ept_descends | locates_guest_entry;
  assign issues = reads | ept_flag_due | (update_due & ~update_refused);
  assign responds = (taken | answered) & ~issues;

  always_comb begin
    op_d = OpEptRead;
    address_d = ept_entry_hpa;
    ept_level_d = next_ept_level;
    expected_d = '0;
    desired_d = '0;
    if (ept_flag_due) begin
      op_d = OpEptSwap;
      expected_d = ept_due_entry;
      desired_d = ept_due_update;
    end else if (locates_guest_entry) begin
      op_d = OpGuestRead;
      address_d = hpa;
      ept_level_d = 3'd0;
    end else if (update_due) begin
      op_d = dirty_due ? OpGuestDirty : OpGuestAccessed;
      address_d = address_q;
      ept_level_d = 3'd0;
      expected_d = guest_expected;
      desired_d = guest_desired;
    end
  end

  // ---------------------------------------------------------------------------------------------
  // The response

  logic violated;
  logic [16:0] qualification;
  logic [2:0] guest_leaf_level;

  assign violated =
      ept_absent | (ept_leaf_reached & ept_access_refused) | update_refused | too_wide;

  ept_qualification u_ept_qualification (
    .mode_i(mode),
    .access_i(ept_access),
    .linear_i(request.linear),
    .final_i(new_gpa_due ? new_own_access : own_access),
    .leaf_reached_i(ept_leaf_reached | update_refused),
    .rights_i(ept_rights),
    .leaf_shadow_stack_i(ept_leaf[arch_pkg::EptEntrySupervisorShadowStack]),
    .guest_rights_i(guest_rights),
    .qualification_o(qualification)
  );

  // Without EPT the guest's leaf is in hand when the walk ends; else it was left in registers.
  always_comb begin
    if (taken) begin
      guest_leaf_level = 3'd0;
    end else begin
      guest_leaf_level = guest_done ? guest_level_q : guest_leaf_level_q;
    end
  end

  logic [2:0] ept_page, page, page_type;
  walker_pkg::ept_rights_t page_ept_rights;
  logic page_dirty, page_global;
  logic [3:0] page_key;

  translation u_translation (
    .mode_i(mode),
    .write_i(access.write),
    .guest_level_i(guest_leaf_level),
    .guest_leaf_i(guest_entry),
    .ept_level_i(ept_leaf_level),
    .ept_leaf_i(ept_leaf),
    .ept_rights_i(ept_rights),
    .ept_page_o(ept_page),
    .page_o(page),
    .memory_type_o(page_type),
    .ept_rights_o(page_ept_rights),
    .dirty_o(page_dirty),
    .global_o(page_global),
    .key_o(page_key)
  );

  always_comb begin
    response_d = '0;
    if (responds) begin
      response_d.tag = request.tag;
      response_d.references = taken ? 16'd0 : references_q;
      response_d.cycles = taken ? 64'd0 : time_i - start_q;
      if (refused_at_once) begin
        response_d.outcome = walker_pkg::OutcomeGeneralProtection;
        response_d.reason = linear_reason;
      end else if (guest_refused) begin
        response_d.outcome = walker_pkg::OutcomePageFault;
        response_d.reason = guest_reason;
        response_d.error_code = error_code;
        response_d.place.guest_level = guest_level_q;
        response_d.entry_address = address_q;
        response_d.entry = guest_entry;
      end else if (violated) begin
        response_d.outcome = walker_pkg::OutcomeEptViolation;
        response_d.qualification = qualification;
        response_d.linear_valid = request.linear;
        response_d.gpa = too_wide ? new_gpa : gpa_q;
        response_d.place.guest_level = too_wide ? new_guest_level : guest_level_q;
        if (too_wide) begin
          response_d.reason = walker_pkg::ReasonEptAddressTooWide;
          response_d.place.ept_level = ept_root_level;
        end else if (update_refused) begin
          response_d.reason = walker_pkg::ReasonEptNotWritable;
          response_d.place.ept_level = ept_leaf_level;
          response_d.entry_address = ept_leaf_address_q;
          response_d.entry = ept_leaf;
        end else begin
          response_d.reason = ept_absent ? walker_pkg::ReasonEptNotPresent : ept_refusal;
          response_d.place.ept_level = ept_level_q;
          response_d.entry_address = address_q;
          response_d.entry = answer_i.value;
        end
      end else if (ept_malformed) begin
        response_d.outcome = walker_pkg::OutcomeEptMisconfiguration;
        response_d.reason = ept_misconfiguration;
        response_d.gpa = gpa_q;
        response_d.place.guest_level = guest_level_q;
        response_d.place.ept_level = ept_level_q;
        response_d.entry_address = address_q;
        response_d.entry = answer_i.value;
      end else begin
        response_d.outcome = walker_pkg::OutcomeTranslated;
        response_d.gpa = flat ? new_gpa : gpa_q;
        response_d.hpa = hpa;
        response_d.guest_page = guest_leaf_level;
        response_d.ept_page = ept_page;
        response_d.page = page;
        response_d.memory_type = page_type;
        response_d.guest_rights = guest_rights;
        response_d.ept_rights = page_ept_rights;
        response_d.dirty = page_dirty;
        response_d.global_page = page_global;
        response_d.protection_key = page_key;
      end
    end
  end

  // ---------------------------------------------------------------------------------------------
  // State

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      StateIdle, StateWait: begin
        if (issues) begin
          state_d = StateIssue;
        end else if (responds) begin
          state_d = StateRespond;
        end
      end
      StateIssue: begin
        if (memory_ready_i) begin
          state_d = StateWait;
        end
      end
      StateRespond: begin
        if (response_ready_i) begin
          state_d = StateIdle;
        end
      end
      default: state_d = StateIdle;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StateIdle;
    end else begin
      state_q <= state_d;
    end
  end

  // None of these is read before a request has been taken.
  always_ff @(posedge clk_i) begin
    if (taken) begin
      mode_q <= mode_taken;
      request_q <= request_i;
      start_q <= time_i;
    end
    if (taken | answered) begin
      references_q <= (taken ? 16'd0 : references_q) + {15'd0, reads};
    end
    if (judge_guest) begin
      guest_entry_q <= answer_i.value;
    end
    if (taken | guest_done) begin
      guest_leaf_level_q <= guest_leaf_level;
    end
    if (new_gpa_due) begin
      guest_level_q <= new_guest_level;
      guest_rights_q <= guest_rights;
      gpa_q <= new_gpa;
    end
    if (ept_leaf_reached) begin
      ept_leaf_level_q <= ept_level_q;
      ept_leaf_address_q <= address_q;
    end
    if (issues) begin
      op_q <= op_d;
      address_q <= address_d;
      expected_q <= expected_d;
      desired_q <= desired_d;
      ept_level_q <= ept_level_d;
    end
    if (responds) begin
      response_q <= response_d;
    end
  end

  // ---------------------------------------------------------------------------------------------
  // Outputs

  assign request_ready_o = state_q == StateIdle;
  assign memory_valid_o = state_q == StateIssue;
  assign response_valid_o = state_q == StateRespond;
  assign response_o = response_q;

  always_comb begin
    memory_o = '0;
    memory_o.swap = is_swap;
    memory_o.address = address_q;
    memory_o.expected = expected_q;
    memory_o.desired = desired_q;
    memory_o.place.guest_level = guest_level_q;
    memory_o.place.ept_level = ept_level_q;
  end

endmodule
