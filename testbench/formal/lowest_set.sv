// Proof: the bit it names is set, if any is, and none below it; it names the first if none is. Of 64
// bits, of two and of one.
// Bug: rtl/lowest_set.sv:
//   `bits_i & (~bits_i + `
//   -> `bits_i & (~bits_i - `
// Bug: rtl/lowest_set.sv:
//   `~without(digit)`
//   -> `without(digit)`

module lowest_set_proof (
  input logic [63:0] bits_i,
  input logic [5:0]  other_i
);

  logic [5:0] index;
  logic       pair_index, only_index;

  lowest_set #(.Bits(64), .IndexBits(6)) u_many (.bits_i, .index_o(index));
  lowest_set #(.Bits(2), .IndexBits(1)) u_pair (.bits_i(bits_i[1:0]), .index_o(pair_index));
  lowest_set #(.Bits(1), .IndexBits(1)) u_only (.bits_i(bits_i[0]), .index_o(only_index));

  always_comb begin
    assert (bits_i[index] == (bits_i != '0));
    assert (other_i >= index || !bits_i[other_i]);
    assert (bits_i != '0 || index == '0);
    assert (pair_index == (bits_i[1:0] == 2'b10));
    assert (only_index == 1'b0);
  end

endmodule
