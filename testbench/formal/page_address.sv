// Proof: an address in a page has the page's frame above and the offset below.
// Bug: rtl/page_address.sv:
//   `{frame_i[39:18], offset_i[29:0]}`
//   -> `{frame_i[39:17], offset_i[28:0]}`

module page_address_proof (
  input logic [39:0] frame_i,
  input logic [2:0]  level_i,
  input logic [29:0] offset_i
);

  logic [51:0] address;

  page_address u_address (
    .frame_i,
    .level_i,
    .offset_i,
    .address_o(address)
  );

  // Bits of the offset that belong to the page.
  logic [51:0] within;

  always_comb begin
    case (level_i)
      3'd3: within = 52'h3fffffff;
      3'd2: within = 52'h1fffff;
      default: within = 52'hfff;
    endcase

    assume (level_i >= 1 && level_i <= 3);
    assert ((address & within) == (offset_i & within));
    assert ((address & ~within) == ({frame_i, 12'd0} & ~within));
  end

endmodule
