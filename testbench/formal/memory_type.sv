// Proof: the memory type is that of the manual's table for each pair of EPT and PAT type.
// Bug: rtl/memory_type.sv:
//   `base == arch_pkg::MemoryTypeWc || base == arch_pkg::MemoryTypeWp`
//   -> `base == arch_pkg::MemoryTypeWc`

module memory_type_proof (
  input walker_pkg::mode_t mode_i,
  input logic [2:0]        ept_type_i,
  input logic              ignore_pat_i,
  input logic              paged_i,
  input logic [2:0]        pat_index_i
);

  logic [2:0] effective;

  memory_type u_type (
    .mode_i,
    .ept_type_i,
    .ignore_pat_i,
    .paged_i,
    .pat_index_i,
    .type_o(effective)
  );

  localparam logic [2:0] UC = 3'd0;
  localparam logic [2:0] WC = 3'd1;
  localparam logic [2:0] WT = 3'd4;
  localparam logic [2:0] WP = 3'd5;
  localparam logic [2:0] WB = 3'd6;

  logic [63:0] shifted;
  logic [2:0]  pat;
  logic [2:0]  ept;
  logic [17:0] row;
  logic [2:0]  combined;

  always_comb begin
    shifted = mode_i.pat >> (8 * pat_index_i);
    pat = paged_i ? shifted[2:0] : WB;
    ept = mode_i.ept ? ept_type_i : WB;

    // In the order of the PAT's codes: UC, WC, WT, WP, WB, UC-.
    case (ept)
      UC: row = {UC, WC, UC, UC, UC, UC};
      WC: row = {UC, WC, UC, UC, WC, WC};
      WT: row = {UC, WC, WT, WP, WT, UC};
      WP: row = {UC, WC, WT, WP, WP, WC};
      default: row = {UC, WC, WT, WP, WB, UC};
    endcase
    case (pat)
      3'd0: combined = row[17:15];
      3'd1: combined = row[14:12];
      3'd4: combined = row[11:9];
      3'd5: combined = row[8:6];
      3'd6: combined = row[5:3];
      default: combined = row[2:0];
    endcase
  end

  always_comb begin
    // Other codes are misconfigurations, and no MSR write puts them into the PAT.
    assume (ept_type_i != 2 && ept_type_i != 3 && ept_type_i != 7);
    assume (pat != 2 && pat != 3);
    // Without EPT nothing is taken from an EPT leaf.
    assume (mode_i.ept || !ignore_pat_i);

    if (mode_i.cd) begin
      assert (effective == UC);
    end else if (ignore_pat_i) begin
      assert (effective == ept_type_i);
    end else begin
      assert (effective == combined);
    end
  end

endmodule
