// Proof: an entry stands in its table at eight times the nine bits of the address that its level
// is chosen by.
// Bug: rtl/entry_address.sv:
//   `address_i[47:39]`
//   -> `address_i[46:38]`

module entry_address_proof (
  input logic [39:0]  frame_i,
  input logic [2:0]   level_i,
  input logic [56:12] address_i
);

  logic [51:0] entry_address;

  entry_address u_address (
    .frame_i,
    .level_i,
    .address_i,
    .entry_address_o(entry_address)
  );

  logic [56:0] whole;
  logic [8:0]  index;

  always_comb begin
    whole = {address_i, 12'd0};
    case (level_i)
      3'd5: index = whole[56:48];
      3'd4: index = whole[47:39];
      3'd3: index = whole[38:30];
      3'd2: index = whole[29:21];
      default: index = whole[20:12];
    endcase

    assume (level_i >= 1 && level_i <= 5);
    assert (entry_address == {frame_i, 12'd0} + 8 * index);
  end

endmodule
