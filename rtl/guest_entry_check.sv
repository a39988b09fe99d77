// One guest entry by itself, in any paging mode: not present, a reserved bit set (SDM 5.3, 5.4.2,
// 5.5.4), a reference to the next table or a leaf.

module guest_entry_check (
  input  walker_pkg::mode_t mode_i,
  input  logic [63:0]       entry_i,
  input  logic [2:0]        level_i,  // 1 = PTE to 5 = PML5E
  output logic              present_o,
  output logic              reserved_o,  // if present
  output logic              leaf_o       // if present without reserved bits
);

  logic size, size_supported;
  logic [3:0] width_above_32;  // of addresses in 32-bit paging: up to 40 bits

  assign width_above_32 = mode_i.maxphyaddr > 6'd40 ? 4'd8 : mode_i.maxphyaddr[3:0];

  assign present_o = entry_i[arch_pkg::GuestEntryPresent];

  // Bit 7 of a PTE belongs to the PAT index.
  // In 32-bit paging CR4.PSE says whether it has a meaning.
  assign size = (level_i != 3'd1) & entry_i[arch_pkg::GuestEntryPageSize] &
                (mode_i.pse | ~mode_i.narrow);
  assign size_supported = (level_i == 3'd2) || (level_i == 3'd3 && mode_i.guest_page_1g);
  assign leaf_o = (level_i == 3'd1) || size;

  always_comb begin
    reserved_o = 1'b0;
    if (present_o) begin
      reserved_o = (entry_i[51:32] >> (mode_i.maxphyaddr - 6'd32)) != '0;
      reserved_o = reserved_o | (entry_i[arch_pkg::GuestEntryExecuteDisable] & ~mode_i.nxe);
      reserved_o = reserved_o | (mode_i.pae & (entry_i[62:52] != '0));
      reserved_o = reserved_o | (size & ~size_supported);
      if (size && mode_i.narrow) begin
        // Bits 20 to 13 are bits 39 to 32 of the page's address.
        reserved_o = (entry_i[21:13] >> width_above_32) != '0;
      end else if (size && level_i == 3'd2) begin
        reserved_o = reserved_o | (entry_i[20:13] != '0);
      end else if (size && level_i == 3'd3) begin
        reserved_o = reserved_o | (entry_i[29:13] != '0);
      end
    end
  end

endmodule
