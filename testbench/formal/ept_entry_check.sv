// Proof: an EPT entry is told apart as the tables of formats and misconfigurations say.
// Bug: rtl/ept_entry_check.sv:
//   `entry_i[20:12] != '0`
//   -> `entry_i[19:12] != '0`
// Bug: rtl/ept_entry_check.sv:
//   `memory_type == 3'd7`
//   -> `memory_type == 3'd5`
// Bug: rtl/ept_entry_check.sv:
//   `!read && leaf_o && mode_i.paging_write`
//   -> `!read && mode_i.paging_write`

module ept_entry_check_proof (
  input walker_pkg::mode_t mode_i,
  input logic [63:0]       entry_i,
  input logic [2:0]        level_i
);

  logic                present;
  logic                leaf;
  logic                misconfigured;
  walker_pkg::reason_e reason;

  ept_entry_check u_check (
    .mode_i,
    .entry_i,
    .level_i,
    .present_o      (present),
    .leaf_o         (leaf),
    .misconfigured_o(misconfigured),
    .reason_o       (reason)
  );

  // Which bits must be zero, by kind of entry; those above the physical width beside them.
  logic        maps_page;
  logic        large;
  logic [51:0] reserved;
  logic [63:0] too_wide;

  always_comb begin
    large = entry_i[7];
    case ({level_i, large})
      {3'd1, 1'b0}, {3'd1, 1'b1}: reserved = 52'h00000_00000000;
      {3'd2, 1'b0}, {3'd3, 1'b0}: reserved = 52'h00000_00000078;
      {3'd2, 1'b1}: reserved = mode_i.ept_page_2m ? 52'h00000_001ff000 : 52'h00000_00000080;
      {3'd3, 1'b1}: reserved = mode_i.ept_page_1g ? 52'h00000_3ffff000 : 52'h00000_00000080;
      default: reserved = 52'h00000_000000f8;
    endcase
    too_wide = 64'hffffffff_ffffffff << mode_i.maxphyaddr;
    reserved = reserved | too_wide[51:0];
    case ({level_i, large})
      {3'd1, 1'b0}, {3'd1, 1'b1}: maps_page = 1'b1;
      {3'd2, 1'b1}: maps_page = mode_i.ept_page_2m;
      {3'd3, 1'b1}: maps_page = mode_i.ept_page_1g;
      default: maps_page = 1'b0;
    endcase
  end

  // The five ways to be misconfigured, in the order of the list.
  logic [4:0] wrong;
  logic       there;

  always_comb begin
    there = entry_i[0] | entry_i[1] | entry_i[2] | (mode_i.mode_based_execute & entry_i[10]);
    case (entry_i[2:0])
      3'b010, 3'b110: wrong[0] = 1'b1;
      default: wrong[0] = 1'b0;
    endcase
    wrong[1] = !mode_i.execute_only & !entry_i[0]
      & (entry_i[2] | (entry_i[10] & mode_i.mode_based_execute));
    case ({mode_i.paging_write, maps_page, entry_i[58], entry_i[0]})
      4'b1110: wrong[2] = 1'b1;
      default: wrong[2] = 1'b0;
    endcase
    wrong[3] = |(entry_i[51:0] & reserved);
    case (entry_i[5:3])
      3'd2, 3'd3, 3'd7: wrong[4] = maps_page;
      default: wrong[4] = 1'b0;
    endcase
  end

  always_comb begin
    assume (mode_i.maxphyaddr >= 32 && mode_i.maxphyaddr <= 52);
    assume (level_i >= 1 && level_i <= 5);

    assert (present == there);
    if (there) begin
      assert (misconfigured == (wrong != 0));
      if (wrong == 0) begin
        assert (leaf == maps_page);
      end else if (wrong[0]) begin
        assert (reason == walker_pkg::ReasonEptWriteWithoutRead);
      end else if (wrong[1]) begin
        assert (reason == walker_pkg::ReasonEptExecuteOnlyUnsupported);
      end else if (wrong[2]) begin
        assert (reason == walker_pkg::ReasonEptPagingWriteWithoutRead);
      end else if (wrong[3]) begin
        assert (reason == walker_pkg::ReasonEptReservedBit);
      end else begin
        assert (reason == walker_pkg::ReasonEptMemoryType);
      end
    end
  end

endmodule
