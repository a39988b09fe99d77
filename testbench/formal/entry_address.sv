// Proof: an entry stands in its table at its size times the bits of the address that its level is
// chosen by: nine in entries of eight bytes, ten in those of four.
// Bug: rtl/entry_address.sv:
//   `address_i[47:39]`
//   -> `address_i[46:38]`
// Bug: rtl/entry_address.sv:
//   `level_i == 3'd2 ? address_i[31:22]`
//   -> `level_i == 3'd2 ? address_i[30:21]`

module entry_address_proof (
  input logic [39:0]  frame_i,
  input logic         narrow_i,
  input logic [2:0]   level_i,
  input logic [56:12] address_i
);

  logic [51:0] entry_address;

  entry_address u_address (
    .frame_i,
    .narrow_i,
    .level_i,
    .address_i,
    .entry_address_o(entry_address)
  );

  logic [6:0]  index_bits;
  logic [6:0]  below;
  logic [3:0]  size;
  logic [56:0] from_index;
  logic [51:0] index;

  always_comb begin
    size = narrow_i ? 4 : 8;
    index_bits = narrow_i ? 10 : 9;
    below = 12 + (level_i - 1) * index_bits;
    from_index = {address_i, 12'd0} >> below;
    index = from_index & ((1 << index_bits) - 1);

    assume (level_i >= 1 && level_i <= (narrow_i ? 2 : 5));
    assert (entry_address == {frame_i, 12'd0} + size * index);
  end

endmodule
