// Which bit is the lowest one set; 0 if none is.

module lowest_set #(
  parameter int unsigned Bits = 1,  // a power of two
  parameter int unsigned IndexBits = 1
) (
  input  logic [Bits-1:0]      bits_i,
  output logic [IndexBits-1:0] index_o
);

  // The numbers that have no bit `digit`: runs of ones and zeros of that length.
  function automatic logic [Bits-1:0] without(input int digit);
    without = {Bits{1'b1}} / ((Bits'(1) << (1 << digit)) + Bits'(1));
  endfunction

  if (Bits > 1) begin : gen_index
    logic [Bits-1:0] lowest;
    always_comb begin
      lowest = '0;
      index_o = '0;
      if (bits_i != '0) begin
        lowest = bits_i & (~bits_i + {{(Bits - 1){1'b0}}, 1'b1});
        for (int digit = 0; digit < IndexBits; digit = digit + 1) begin
          index_o[digit] = (lowest & ~without(digit)) != '0;
        end
      end
    end
  end else begin : gen_only_one
    assign index_o = '0;
  end

endmodule
