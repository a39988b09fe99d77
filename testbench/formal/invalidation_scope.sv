// Proof: a scope removes of any space's translations those of the kinds that it names which fit
// every part of it, and no others.
// Bug: rtl/invalidation_scope.sv:
//   `scope_i.linear_mappings & ~scope_i.ept_root_valid`
//   -> `scope_i.linear_mappings`
// Bug: rtl/invalidation_scope.sv:
//   `space_mask_o.pcid = {12{scope_i.pcid_valid}}`
//   -> `space_mask_o.pcid = {12{scope_i.vpid_valid}}`
// Bug: rtl/invalidation_scope.sv:
//   `{16{scope_i.keep_vpid_zero}}`
//   -> `{15{scope_i.keep_vpid_zero}}`

module invalidation_scope_proof (
  input logic                      valid_i,
  input walker_pkg::invalidation_t scope_i,
  input walker_pkg::space_t        tag_i
);

  logic               sweeps;
  walker_pkg::space_t equal;
  walker_pkg::space_t mask;
  walker_pkg::space_t nonzero;
  logic               sweeps_guest_physical;

  invalidation_scope u_scope (
    .valid_i,
    .scope_i,
    .sweeps_combined_o      (sweeps),
    .space_o                (equal),
    .space_mask_o           (mask),
    .space_nonzero_o        (nonzero),
    .sweeps_guest_physical_o(sweeps_guest_physical)
  );

  // What the arrays make of the masks, as their proof has it.
  logic removed;
  always_comb begin
    removed = sweeps;
    if (((tag_i ^ equal) & mask) != 0) removed = 1'b0;
    if (nonzero != 0 && (tag_i & nonzero) == 0) removed = 1'b0;
  end

  logic fits;
  always_comb begin
    fits = tag_i.ept ? scope_i.combined_mappings : scope_i.linear_mappings;
    if (scope_i.vpid_valid && tag_i.vpid != scope_i.vpid) fits = 1'b0;
    if (scope_i.keep_vpid_zero && tag_i.vpid == 0) fits = 1'b0;
    if (scope_i.pcid_valid && tag_i.pcid != scope_i.pcid) fits = 1'b0;
    if (scope_i.ept_root_valid && !(tag_i.ept && tag_i.ept_root == scope_i.ept_root)) fits = 1'b0;
  end

  always_comb begin
    // What space_decode makes.
    assume (tag_i.ept || tag_i.ept_root == 0);

    assert (removed == (valid_i && fits));
    assert (sweeps_guest_physical == (valid_i && scope_i.guest_physical_mappings));
  end

endmodule
