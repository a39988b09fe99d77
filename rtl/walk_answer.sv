// What the answer to a walk's memory request means for it, by what it waited for.

module walk_answer (
  input  logic            answered_i,
  input  walker_pkg::op_e op_i,
  input  logic [63:0]     answer_i,
  input  logic [63:0]     expected_i,  // by a swap
  // An entry is to be judged.
  output logic            judge_ept_o,
  output logic            judge_guest_o,
  output logic            judge_sub_page_o,
  // Flags of an entry have been set, or others are set than were expected.
  output logic            ept_swapped_o,
  output logic            reflagged_o,
  output logic            accessed_set_o,
  output logic            dirty_set_o,
  output logic            logged_o,
  output logic            ve_loaded_o,
  output logic            ve_stored_o
);

  logic of_ept_swap, of_accessed, of_dirty, swapped;
  logic [63:0] found_change;

  assign of_ept_swap = answered_i & (op_i == walker_pkg::OpEptSwap);
  assign of_accessed = answered_i & (op_i == walker_pkg::OpGuestAccessed);
  assign of_dirty = answered_i & (op_i == walker_pkg::OpGuestDirty);
  assign swapped = answer_i == expected_i;

  // A word found by a swap that failed is judged as if it had just been read, unless only the flags
  // of an EPT entry are others than expected: they decide nothing.
  always_comb begin
    found_change = answer_i ^ expected_i;
    found_change[arch_pkg::EptEntryAccessed] = 1'b0;
    found_change[arch_pkg::EptEntryDirty] = 1'b0;
  end

  assign ept_swapped_o = of_ept_swap & swapped;
  assign reflagged_o = of_ept_swap & ~swapped & (found_change == '0);
  assign judge_ept_o = (answered_i & (op_i == walker_pkg::OpEptRead)) |
                       (of_ept_swap & ~swapped & ~reflagged_o);
  assign accessed_set_o = of_accessed & swapped;
  assign dirty_set_o = of_dirty & swapped;
  assign judge_guest_o = (answered_i & (op_i == walker_pkg::OpGuestRead)) |
                         ((of_accessed | of_dirty) & ~swapped);
  assign judge_sub_page_o = answered_i & (op_i == walker_pkg::OpSubPageRead);
  assign logged_o = answered_i & (op_i == walker_pkg::OpLog);
  assign ve_loaded_o = answered_i & (op_i == walker_pkg::OpVeLoad);
  assign ve_stored_o = answered_i & (op_i == walker_pkg::OpVeStore);

endmodule
