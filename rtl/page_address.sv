// The address that a leaf entry gives: the page's frame from the entry, the offset in the page
// from the address being translated. Low frame bits of a large page's entry are no part of it.

module page_address (
  input  logic [39:0] frame_i,  // bits 51:12 of the leaf entry
  input  logic [2:0]  level_i,  // 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB
  input  logic [29:0] offset_i,
  output logic [51:0] address_o
);

  always_comb begin
    unique case (level_i)
      3'd3: address_o = {frame_i[39:18], offset_i[29:0]};
      3'd2: address_o = {frame_i[39:9], offset_i[20:0]};
      default: address_o = {frame_i, offset_i[11:0]};
    endcase
  end

endmodule
