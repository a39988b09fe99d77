// Proof: an address in a page has the page's frame above and the offset below. In 32-bit paging
// pages have 4 KiB or 4 MiB, and bits 20 to 13 of the entry of the latter are the frame's upper.
// Bug: rtl/page_address.sv:
//   `{frame_i[39:18], offset_i[29:0]}`
//   -> `{frame_i[39:17], offset_i[28:0]}`
// Bug: rtl/page_address.sv:
//   `frame_i[8:1], frame_i[19:10]`
//   -> `frame_i[7:0], frame_i[19:10]`

module page_address_proof (
  input logic        narrow_i,
  input logic [39:0] frame_i,
  input logic [2:0]  level_i,
  input logic [29:0] offset_i
);

  logic [51:0] address;

  page_address u_address (
    .narrow_i,
    .frame_i,
    .level_i,
    .offset_i,
    .address_o(address)
  );

  // Bits of the offset that belong to the page, and the address of its first byte.
  logic [51:0] entry;
  logic [51:0] within;
  logic [51:0] page;

  always_comb begin
    entry = {frame_i, 12'd0};
    case ({narrow_i, level_i})
      {1'b0, 3'd3}: within = 52'h3fffffff;
      {1'b0, 3'd2}: within = 52'h1fffff;
      {1'b1, 3'd2}: within = 52'h3fffff;
      default: within = 52'hfff;
    endcase
    page = entry & ~within;
    if (narrow_i && level_i == 2) begin
      page = page + ((entry >> 13) % 256) * 52'h1_0000_0000;
    end

    assume (level_i >= 1 && level_i <= (narrow_i ? 2 : 3));
    // Entries of 32-bit paging have no more bits.
    assume (!narrow_i || frame_i < (1 << 20));
    assert (address == page + (offset_i & within));
  end

endmodule
