// The guest entry in hand of each walk, as it was read last, what one cycle makes of it, and the
// entry that a refusal names: that one, or one above it that lacked the right first.

module guest_judgment #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1
) (
  input  logic                      clk_i,
  input  logic [SlotBits-1:0]       slot_i,
  input  walker_pkg::mode_t         mode_i,
  input  walker_pkg::access_t       access_i,
  input  logic                      user_i,          // a user-mode access
  input  logic                      implicit_i,      // an implicit supervisor access
  input  logic                      judge_i,         // an entry has come from memory
  input  logic                      accessed_set_i,  // its accessed flag has been set
  input  logic                      dirty_set_i,     // its dirty flag has been set
  input  logic [63:0]               answer_i,
  input  logic [51:0]               address_i,
  input  logic [2:0]                level_i,
  input  logic                      hlat_i,          // it is one of the HLAT tables
  input  walker_pkg::guest_rights_t upper_rights_i,
  output logic [63:0]               entry_o,         // as it came from memory
  output walker_pkg::guest_rights_t rights_o,
  output logic                      refused_o,
  output logic                      right_missing_o,  // that is why
  output walker_pkg::reason_e       reason_o,
  output logic [7:0]                error_code_o,
  output logic [2:0]                fault_level_o,    // of the entry to be named
  output logic [51:0]               fault_address_o,
  output logic [63:0]               fault_entry_o,
  output logic                      update_due_o,
  output logic                      dirty_due_o,
  output logic [63:0]               expected_o,
  output logic [63:0]               desired_o,
  output logic                      restarts_o,
  output logic                      descends_o,
  output logic                      done_o
);

  logic [63:0] entry_q [Walks];
  logic [2:0] lacking_level_q [Walks];
  logic [51:0] lacking_address_q [Walks];
  logic [63:0] lacking_entry_q [Walks];
  logic first_lacking, lacked_above;

  assign entry_o = judge_i ? answer_i : entry_q[slot_i];

  guest_step u_guest_step (
    .mode_i(mode_i),
    .access_i(access_i),
    .user_i(user_i),
    .implicit_i(implicit_i),
    .judge_i(judge_i),
    .accessed_set_i(accessed_set_i),
    .dirty_set_i(dirty_set_i),
    .entry_i(entry_o),
    .level_i(level_i),
    .hlat_i(hlat_i),
    .upper_rights_i(upper_rights_i),
    .rights_o(rights_o),
    .refused_o(refused_o),
    .reason_o(reason_o),
    .error_code_o(error_code_o),
    .first_lacking_o(first_lacking),
    .lacked_above_o(lacked_above),
    .update_due_o(update_due_o),
    .dirty_due_o(dirty_due_o),
    .expected_o(expected_o),
    .desired_o(desired_o),
    .restarts_o(restarts_o),
    .descends_o(descends_o),
    .done_o(done_o)
  );

  assign right_missing_o = refused_o & (reason_o != walker_pkg::ReasonGuestNotPresent) &
                           (reason_o != walker_pkg::ReasonGuestReservedBit);

  always_comb begin
    fault_level_o = level_i;
    fault_address_o = address_i;
    fault_entry_o = right_missing_o ? desired_o : entry_o;
    if (lacked_above) begin
      fault_level_o = lacking_level_q[slot_i];
      fault_address_o = lacking_address_q[slot_i];
      fault_entry_o = lacking_entry_q[slot_i];
    end
  end

  always_ff @(posedge clk_i) begin
    if (judge_i) begin
      entry_q[slot_i] <= answer_i;
    end
    if (descends_o & first_lacking) begin
      lacking_level_q[slot_i] <= level_i;
      lacking_address_q[slot_i] <= address_i;
      lacking_entry_q[slot_i] <= desired_o;
    end
  end

endmodule
