// Proof: which linear addresses are refused before paging.
// Bug: rtl/linear_address_check.sv:
//   `address_i[63:56] == {8{address_i[56]}}`
//   -> `address_i[63:57] == {7{address_i[57]}}`
// Bug: rtl/linear_address_check.sv:
//   `mode_i.long_mode && !canonical`
//   -> `!canonical`

module linear_address_check_proof (
  input walker_pkg::mode_t   mode_i,
  input logic [63:47]        address_i,
  input walker_pkg::access_t access_i,
  input logic                user_i,
  input logic                implicit_i
);

  logic                refused;
  walker_pkg::reason_e reason;

  linear_address_check u_check (
    .asked_i(1'b1),
    .mode_i,
    .address_i,
    .access_i,
    .user_i,
    .implicit_i,
    .refused_o(refused),
    .reason_o (reason)
  );

  logic canonical;
  logic separated;

  always_comb begin
    case ({mode_i.five_levels, address_i[56:47]})
      {1'b0, 10'h000}: canonical = address_i[63:57] == 7'h00;
      {1'b0, 10'h3ff}: canonical = address_i[63:57] == 7'h7f;
      default: canonical = mode_i.five_levels && address_i[63:57] == {7{address_i[56]}};
    endcase
    // Each half of the addresses is one privilege's; from the lower the supervisor reads and
    // writes where SMAP does not keep it off.
    case ({user_i, address_i[63]})
      2'b11: separated = 1'b1;
      2'b00: separated = access_i.fetch | (mode_i.smap & (implicit_i | !mode_i.ac));
      default: separated = 1'b0;
    endcase
  end

  always_comb begin
    assume (mode_i.long_mode || (!mode_i.five_levels && !mode_i.lass));
    // Some access; a fetch is nothing else.
    assume (access_i.fetch != (access_i.read | access_i.write));
    // An implicit access is the supervisor's.
    assume (!implicit_i || !user_i);

    // Without 4- or 5-level paging an address has 32 bits.
    assert (refused == (mode_i.long_mode && (!canonical || (mode_i.lass && separated))));
    if (refused && !canonical) begin
      assert (reason == walker_pkg::ReasonNotCanonical);
    end else if (refused) begin
      assert (reason == walker_pkg::ReasonLass);
    end else begin
      assert (reason == walker_pkg::ReasonNone);
    end
  end

endmodule
