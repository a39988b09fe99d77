// Proof: what each kind of access needs.
// Bug: rtl/access_decode.sv:
//   `access_o.fetch = 1'b1`
//   -> `access_o.read = 1'b1`

module access_decode_proof (
  input logic [2:0] kind_i
);

  walker_pkg::access_t access;

  access_decode u_decode (
    .kind_i,
    .access_o(access)
  );

  // The kinds of which each is one, by the bits of their numbers.
  logic [7:0] reads;
  logic [7:0] writes;
  logic [7:0] fetches;
  logic [7:0] of_shadow_stacks;

  always_comb begin
    reads = 8'd1 << arch_pkg::AccessRead | 8'd1 << arch_pkg::AccessReadModifyWrite
      | 8'd1 << arch_pkg::AccessShadowStackRead;
    writes = 8'd1 << arch_pkg::AccessWrite | 8'd1 << arch_pkg::AccessReadModifyWrite
      | 8'd1 << arch_pkg::AccessShadowStackWrite;
    fetches = 8'd1 << arch_pkg::AccessFetch;
    of_shadow_stacks = 8'd1 << arch_pkg::AccessShadowStackRead
      | 8'd1 << arch_pkg::AccessShadowStackWrite;

    assume (kind_i <= arch_pkg::AccessShadowStackWrite);
    assert (access.read == reads[kind_i]);
    assert (access.write == writes[kind_i]);
    assert (access.fetch == fetches[kind_i]);
    assert (access.shadow_stack == of_shadow_stacks[kind_i]);
  end

endmodule
