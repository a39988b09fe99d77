// Which bit is the lowest one set; 0 if none is.

module lowest_set #(
  parameter int unsigned Bits = 1,  // a power of two
  parameter int unsigned IndexBits = 1
) (
  input  logic [Bits-1:0]      bits_i,
  output logic [IndexBits-1:0] index_o
);

  if (Bits > 1) begin : gen_index
    for (genvar bit_number = 0; bit_number < IndexBits; bit_number = bit_number + 1) begin : gen_bit
      // The numbers that have this bit set.
      localparam int unsigned Run = 1 << bit_number;
      localparam logic [Bits-1:0] Numbers = {(Bits / (2 * Run)){{Run{1'b1}}, {Run{1'b0}}}};
      always_comb begin
        index_o[bit_number] = 1'b0;
        if (bits_i != '0) begin
          index_o[bit_number] = (bits_i & (~bits_i + {{(Bits - 1){1'b0}}, 1'b1}) & Numbers) != '0;
        end
      end
    end
  end else begin : gen_only_one
    assign index_o = '0;
  end

endmodule
