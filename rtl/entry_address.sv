// The address of a table's entry: the table's frame, and nine bits of the address being translated
// chosen by the table's level (1 = the table that maps 4 KiB pages). In 32-bit paging a table has
// twice as many entries, of half the size.

module entry_address (
  input  logic [39:0] frame_i,
  input  logic        narrow_i,  // 32-bit paging
  input  logic [2:0]  level_i,
  input  logic [56:12] address_i,
  output logic [51:0] entry_address_o
);

  logic [8:0] index;
  logic [9:0] narrow_index;

  always_comb begin
    unique case (level_i)
      3'd5: index = address_i[56:48];
      3'd4: index = address_i[47:39];
      3'd3: index = address_i[38:30];
      3'd2: index = address_i[29:21];
      default: index = address_i[20:12];
    endcase
  end

  assign narrow_index = level_i == 3'd2 ? address_i[31:22] : address_i[21:12];
  assign entry_address_o = narrow_i ? {frame_i, narrow_index, 2'b00} : {frame_i, index, 3'b000};

endmodule
