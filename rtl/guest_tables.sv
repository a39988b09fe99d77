// The guest tables that each walk has located: what the combined caches are to hold of the entries
// that refer to them, once the whole translation is done.

module guest_tables #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1
) (
  input  logic                      clk_i,
  input  logic [SlotBits-1:0]       slot_i,
  input  logic                      begin_i,  // from the walk's first table
  input  logic                      hit_i,    // from what a combined hit says
  input  logic                      hit_verified_i,
  input  logic [2:0]                begin_level_i,  // of the first entry that will be read
  input  logic                      page_i,  // of a guest table: it has been located
  input  logic                      page_verified_i,  // it has paging-write access
  output logic                      verified_o,  // all those pages before had it
  input  logic                      located_i,  // the table that holds the entry of this level
  input  logic [2:0]                level_i,
  input  logic [39:0]               frame_i,
  input  walker_pkg::guest_rights_t rights_i,      // and of all levels above
  input  walker_pkg::ept_rights_t   ept_rights_i,  // of its page
  input  logic                      translated_i,
  input  logic [2:0]                leaf_level_i,
  output logic [4:2]                fills_o,
  output walker_pkg::guest_table_t  pml4e_o,
  output walker_pkg::guest_table_t  pdpte_o,
  output walker_pkg::guest_table_t  pde_o
);

  logic [2:0] begin_level_q [Walks];
  logic [Walks-1:0] verified_q;
  logic verified;
  logic [$bits(pde_o)-1:0] tables_q [8 * 2**SlotBits];  // by slot and level of the referring entry
  walker_pkg::guest_table_t located;

  assign verified_o = verified_q[slot_i];

  always_comb begin
    verified = verified_o;
    if (begin_i) begin
      verified = 1'b1;
    end else if (hit_i) begin
      verified = hit_verified_i;
    end else if (page_i) begin
      verified = verified & page_verified_i;
    end
  end

  always_comb begin
    located = '0;
    if (located_i) begin
      located.frame = frame_i;
      located.rights = rights_i;
      located.ept_rights = ept_rights_i;
      located.paging_verified = verified;
    end
  end

  always_ff @(posedge clk_i) begin
    if (begin_i | hit_i) begin
      begin_level_q[slot_i] <= begin_level_i;
    end
    if (begin_i | hit_i | page_i) begin
      verified_q[slot_i] <= verified;
    end
    if (located_i) begin
      tables_q[{slot_i, level_i + 3'd1}] <= located;
    end
  end

  always_comb begin
    fills_o = '0;
    pml4e_o = '0;
    pdpte_o = '0;
    pde_o = '0;
    if (translated_i) begin
      for (int level = 4; level >= 2; level = level - 1) begin
        fills_o[level] = level[2:0] <= begin_level_q[slot_i] && level[2:0] > leaf_level_i;
      end
      pml4e_o = tables_q[{slot_i, 3'd4}];
      pdpte_o = tables_q[{slot_i, 3'd3}];
      pde_o = tables_q[{slot_i, 3'd2}];
    end
  end

endmodule
