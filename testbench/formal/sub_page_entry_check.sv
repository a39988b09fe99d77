// Proof: an entry of the sub-page permission tables is told apart as the manual says: three levels
// of references, which may be invalid or have reserved bits set, and a vector, of which each bit
// for a part that the write touches must be set and each bit for none be clear.
// Bug: rtl/sub_page_entry_check.sv:
//   `entry_i[11:1] != '0`
//   -> `entry_i[10:1] != '0`
// Bug: rtl/sub_page_entry_check.sv:
//   `{part[4:0], 7'd0} <= last`
//   -> `{part[4:0], 7'd0} <= offset_i`
// Bug: rtl/sub_page_entry_check.sv:
//   `misconfigured_o = valid & reserved;`
//   -> `misconfigured_o = reserved;`

module sub_page_entry_check_proof (
  input walker_pkg::mode_t mode_i,
  input logic [63:0]       entry_i,
  input logic [2:0]        level_i,
  input logic [11:0]       offset_i,
  input logic [7:0]        size_i,
  input logic [7:0]        byte_i
);

  logic miss;
  logic misconfigured;
  logic descends;
  logic allows;
  logic denies;

  sub_page_entry_check u_check (
    .asked_i        (1'b1),
    .mode_i,
    .entry_i,
    .level_i,
    .offset_i,
    .size_i,
    .miss_o         (miss),
    .misconfigured_o(misconfigured),
    .descends_o     (descends),
    .allows_o       (allows),
    .denies_o       (denies)
  );

  // Bits that must be clear in a reference; those above the physical width beside them.
  logic [63:0] must_be_clear;
  // Of the bytes that are written any one, and the bit that stands for it.
  logic [12:0] end_of_write;
  logic [12:0] at;
  logic        is_open;
  // The bits of a vector that stand for the parts between two of them.
  logic [63:0] first_bit;
  logic [63:0] last_bit;
  logic [63:0] touched;

  always_comb begin
    must_be_clear = (64'hffffffff_ffffffff << mode_i.maxphyaddr) | 64'h00000000_00000ffe;
    end_of_write = offset_i + size_i;
    at = offset_i + byte_i;
    is_open = entry_i >> {at[11:7], 1'b0};
    first_bit = 64'd1 << {offset_i[11:7], 1'b0};
    at = end_of_write - 1;
    last_bit = 64'd1 << {at[11:7], 1'b0};
    touched = ((last_bit - first_bit) | last_bit) & 64'h55555555_55555555;
    at = offset_i + byte_i;

    assume (mode_i.maxphyaddr >= 32 && mode_i.maxphyaddr <= 52);
    assume (level_i >= 1 && level_i <= 4);
    // Within one page.
    assume (size_i != 0 && end_of_write <= 4096 && byte_i < size_i);

    assert (miss + misconfigured + descends + allows + denies == 1);
    if (level_i == 1) begin
      assert (misconfigured == ((entry_i >> 1 & 64'h55555555_55555555) != 0));
      assert (!miss && !descends);
      if (allows) assert (is_open);
      if (!misconfigured) assert (allows == ((entry_i & touched) == touched));
    end else begin
      assert (miss == !entry_i[0]);
      assert (!allows && !denies);
      if (entry_i[0]) assert (misconfigured == ((entry_i & must_be_clear) != 0));
    end
  end

endmodule
