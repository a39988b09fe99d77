// The guest tables that each walk has located: what the combined caches are to hold of the entries
// that refer to them, once the whole translation is done.

module guest_tables #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1
) (
  input  logic                      clk_i,
  input  logic [SlotBits-1:0]       slot_i,
  input  logic                      begin_i,  // the first entry that will be read has this level
  input  logic [2:0]                begin_level_i,
  input  logic                      located_i,  // the table that holds the entry of this level
  input  logic [2:0]                level_i,
  input  logic [39:0]               frame_i,
  input  walker_pkg::guest_rights_t rights_i,      // and of all levels above
  input  walker_pkg::ept_rights_t   ept_rights_i,  // of its page
  input  logic [63:0]               entry_i,       // that refers to it
  input  logic                      paging_verified_i,
  input  logic                      translated_i,
  input  logic [2:0]                leaf_level_i,
  output logic [4:2]                fills_o,
  output walker_pkg::guest_table_t  pml4e_o,
  output walker_pkg::guest_table_t  pdpte_o,
  output walker_pkg::guest_table_t  pde_o
);

  logic [2:0] begin_level_q [Walks];
  logic [$bits(pde_o)-1:0] tables_q [8 * 2**SlotBits];  // by slot and level of the referring entry
  walker_pkg::guest_table_t located;

  always_comb begin
    located = '0;
    if (located_i) begin
      located.frame = frame_i;
      located.rights = rights_i;
      located.ept_rights = ept_rights_i;
      located.write_through = entry_i[arch_pkg::GuestEntryWriteThrough];
      located.cache_disable = entry_i[arch_pkg::GuestEntryCacheDisable];
      located.paging_verified = paging_verified_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (begin_i) begin
      begin_level_q[slot_i] <= begin_level_i;
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
