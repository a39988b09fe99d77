// The address that a leaf entry gives: the page's frame from the entry, the offset in the page
// from the address being translated. Low frame bits of a large page's entry are no part of it.

module page_address (
  input  logic        narrow_i,  // an entry of 32-bit paging
  input  logic [39:0] frame_i,  // bits 51:12 of the leaf entry
  input  logic [2:0]  level_i,  // 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB
  input  logic [29:0] offset_i,
  output logic [51:0] address_o
);

  // In 32-bit paging level 2 maps 4 MiB, and its entry has the frame's upper bits below the lower
  // ones (PSE-36, SDM 5.3).
  always_comb begin
    unique case (level_i)
      3'd3: address_o = {frame_i[39:18], offset_i[29:0]};
      3'd2: begin
        address_o = {frame_i[39:9], offset_i[20:0]};
        if (narrow_i) begin
          address_o = {12'd0, frame_i[8:1], frame_i[19:10], offset_i[21:0]};
        end
      end
      default: address_o = {frame_i, offset_i[11:0]};
    endcase
  end

endmodule
