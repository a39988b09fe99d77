// Proof: a guest entry is told apart as the tables of reserved bits say.
// Bug: rtl/guest_entry_check.sv:
//   `entry_i[29:13] != '0`
//   -> `entry_i[29:14] != '0`
// Bug: rtl/guest_entry_check.sv:
//   `(level_i != 3'd1) & `
//   -> ``
// Bug: rtl/guest_entry_check.sv:
//   `mode_i.maxphyaddr > 6'd40 ? 4'd8`
//   -> `mode_i.maxphyaddr > 6'd40 ? 4'd9`
// Bug: rtl/guest_entry_check.sv:
//   `entry_i[62:52] != '0`
//   -> `entry_i[61:52] != '0`

module guest_entry_check_proof (
  input walker_pkg::mode_t mode_i,
  input logic [63:0]       entry_i,
  input logic [2:0]        level_i
);

  logic present;
  logic reserved;
  logic leaf;

  guest_entry_check u_check (
    .mode_i,
    .entry_i,
    .level_i,
    .present_o (present),
    .reserved_o(reserved),
    .leaf_o    (leaf)
  );

  // Bits that must be zero in an entry that is present, by the mode of paging and the level.
  logic        large;
  logic        maps_page;
  logic [6:0]  width;
  logic [6:0]  narrow_width;
  logic [63:0] zero;

  function automatic logic [63:0] bits(input logic [6:0] high, input logic [6:0] low);
    // None if the higher is below the lower.
    bits = high < low ? 64'd0 : (64'd2 << high) - (64'd1 << low);
  endfunction

  always_comb begin
    width = {1'b0, mode_i.maxphyaddr};
    narrow_width = width < 40 ? width : 40;
    large = entry_i[7];
    zero = 64'd0;
    if (mode_i.narrow) begin
      // Bits 20 to 13 of a page of 4 MiB are bits 39 to 32 of its address, as far as it has them.
      large = large & mode_i.pse;
      if (level_i == 2 && large) zero = bits(21, narrow_width - 19);
    end else begin
      zero = bits(51, width);
      if (mode_i.pae) zero = bits(62, width);
      if (!mode_i.nxe) zero[63] = 1'b1;
      if (large) begin
        case (level_i)
          3'd4, 3'd5: zero[7] = 1'b1;
          3'd3: zero = zero | (mode_i.guest_page_1g ? bits(29, 13) : 64'h80);
          3'd2: zero = zero | bits(20, 13);
          default: ;
        endcase
      end
    end
    maps_page = level_i == 1 || large;
  end

  always_comb begin
    assume (width >= 32 && width <= 52);
    // Of the modes of paging; a PDPTE register is no entry that is read.
    assume (!(mode_i.narrow && mode_i.pae));
    assume (level_i >= 1 && level_i <= (mode_i.narrow || mode_i.pae ? 2 : 5));
    // Of 32-bit paging an entry has four bytes, and no execute-disable bit.
    assume (!mode_i.narrow || entry_i[63:32] == 0);

    assert (present == entry_i[0]);
    if (entry_i[0]) begin
      assert (reserved == ((entry_i & zero) != 0));
      if ((entry_i & zero) == 0) begin
        assert (leaf == maps_page);
      end
    end
  end

endmodule
