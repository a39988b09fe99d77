// What a scope removes of the walker's caches (SDM 31.4.3), as masks on the tags of its entries.

module invalidation_scope (
  input  logic                      valid_i,
  input  walker_pkg::invalidation_t scope_i,
  output logic                      sweeps_combined_o,
  output walker_pkg::space_t        space_o,
  output walker_pkg::space_t        space_mask_o,
  output walker_pkg::space_t        space_nonzero_o,  // one of these bits must be set, if any is
  output logic                      sweeps_guest_physical_o
);

  // What was made with EPT off has no EPTRTA, so it fits none.
  logic without_ept, with_ept;
  assign without_ept = scope_i.linear_mappings & ~scope_i.ept_root_valid;
  assign with_ept = scope_i.combined_mappings;

  assign sweeps_combined_o = valid_i & (without_ept | with_ept);
  assign sweeps_guest_physical_o = valid_i & scope_i.guest_physical_mappings;

  always_comb begin
    space_o = '0;
    space_mask_o = '0;
    space_nonzero_o = '0;
    if (valid_i) begin
      space_o.vpid = scope_i.vpid;
      space_o.pcid = scope_i.pcid;
      space_o.ept = with_ept;
      space_o.ept_root = scope_i.ept_root;
      space_mask_o.vpid = {16{scope_i.vpid_valid}};
      space_mask_o.pcid = {12{scope_i.pcid_valid}};
      space_mask_o.ept = without_ept ^ with_ept;
      space_mask_o.ept_root = {40{scope_i.ept_root_valid}};
      space_nonzero_o.vpid = {16{scope_i.keep_vpid_zero}};
    end
  end

endmodule
