// One entry of the sub-page permission tables (SDM 31.3.4). Three levels of references end in a
// vector, which has a bit for each 128 bytes of a page: whether they may be written.

module sub_page_entry_check (
  input  logic              asked_i,  // else nothing is said
  input  walker_pkg::mode_t mode_i,
  input  logic [63:0]       entry_i,
  input  logic [2:0]        level_i,   // 1 = vector to 4 = root
  input  logic [11:0]       offset_i,  // of the write in its page
  input  logic [7:0]        size_i,    // of the write, which does not leave the page
  output logic              miss_o,
  output logic              misconfigured_o,
  output logic              descends_o,
  output logic              allows_o,
  output logic              denies_o
);

  logic valid, reserved, odd, refused;
  logic [11:0] last;  // byte that is written

  always_comb begin
    valid = entry_i[0];
    reserved = 1'b0;
    odd = 1'b0;
    refused = 1'b0;
    last = offset_i + {4'd0, size_i} - 12'd1;
    miss_o = 1'b0;
    misconfigured_o = 1'b0;
    descends_o = 1'b0;
    allows_o = 1'b0;
    denies_o = 1'b0;
    if (asked_i && level_i != 3'd1) begin
      reserved = (entry_i[63:32] >> (mode_i.maxphyaddr - 6'd32)) != '0 || entry_i[11:1] != '0;
      miss_o = ~valid;
      misconfigured_o = valid & reserved;
      descends_o = valid & ~reserved;
    end else if (asked_i) begin
      // Every other bit is reserved. Each part of the page that is written must be open.
      odd = (entry_i & 64'haaaa_aaaa_aaaa_aaaa) != '0;
      for (int part = 0; part < 32; part = part + 1) begin
        if ({part[4:0], 7'd0} <= last && {part[4:0], 7'd127} >= offset_i) begin
          refused = refused | ~entry_i[{part[4:0], 1'b0}];
        end
      end
      misconfigured_o = odd;
      allows_o = ~odd & ~refused;
      denies_o = ~odd & refused;
    end
  end

endmodule
