// Proof: a guest entry is told apart as the tables of reserved bits say.
// Bug: rtl/guest_entry_check.sv:
//   `entry_i[29:13] != '0`
//   -> `entry_i[29:14] != '0`
// Bug: rtl/guest_entry_check.sv:
//   `(level_i != 3'd1) & `
//   -> ``

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

  logic [63:0] zero;
  logic [63:0] too_wide;
  logic        large;

  always_comb begin
    large = entry_i[7];
    too_wide = 64'hffffffff_ffffffff << mode_i.maxphyaddr;
    zero = {!mode_i.nxe, 11'd0, too_wide[51:0]};
    case (level_i)
      3'd5, 3'd4: zero = zero | 64'h80;
      3'd3: zero = zero | (!large ? 64'h0 : mode_i.guest_page_1g ? 64'h3fffe000 : 64'h80);
      3'd2: zero = zero | (!large ? 64'h0 : 64'h1fe000);
      default: ;
    endcase
  end

  always_comb begin
    assume (mode_i.maxphyaddr >= 32 && mode_i.maxphyaddr <= 52);
    assume (level_i >= 1 && level_i <= 5);

    assert (present == entry_i[0]);
    if (entry_i[0]) begin
      assert (reserved == ((entry_i & zero) != 0));
      if ((entry_i & zero) == 0) begin
        assert (leaf == (level_i == 1 || large));
      end
    end
  end

endmodule
