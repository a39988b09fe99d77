// The entries of each walk's EPT walk under way, one per level, the one in hand included: their
// common rights, the next flag that is due among them, from the root to the leaf (SDM 31.3.5), and
// what a cache may hold of them. A walk that began below an entry found in a cache has its rights.

module ept_levels #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1
) (
  input  logic                    clk_i,
  input  logic [SlotBits-1:0]     slot_i,
  input  logic                    begin_i,  // the first entry is going to be read
  input  logic [2:0]              begin_level_i,
  input  logic [39:0]             begin_frame_i,  // of the table that holds it
  input  walker_pkg::ept_rights_t begin_rights_i,
  input  logic                    hit_i,      // or else a cached leaf stands for all entries
  input  logic [2:0]              hit_level_i,
  input  logic [63:0]             hit_leaf_i,
  input  walker_pkg::ept_rights_t hit_rights_i,  // of all levels
  input  logic                    in_hand_i,  // level_i and entry_i hold: read or updated now
  input  logic                    recalls_i,  // else the walk's entries as they were last
  input  logic [2:0]              level_i,
  input  logic [63:0]             entry_i,
  input  logic [2:0]              leaf_level_i,
  input  logic                    flags_i,  // accessed and dirty flags in use
  input  logic                    write_i,  // the access sets the leaf's dirty flag
  input  walker_pkg::ept_rights_t needed_i,
  output walker_pkg::ept_rights_t rights_o,
  output logic [63:0]             leaf_o,
  output logic                    due_o,         // a flag is to be set
  output logic [2:0]              due_level_o,   // in the entry of this level
  output logic [39:0]             due_frame_o,   // of the table that holds the entry
  output logic [63:0]             due_entry_o,   // as it stands
  output logic [63:0]             due_update_o,  // and with its flags
  // The uppermost entry read that lacks a right needed, or else the leaf.
  output logic [2:0]              lacking_level_o,
  output logic [39:0]             lacking_frame_o,  // of the table that holds it
  output logic [63:0]             lacking_entry_o,
  output walker_pkg::ept_rights_t lacking_rights_o,
  output logic [4:2]              tables_o,      // the entries read above the leaf, by level
  output walker_pkg::ept_table_t  pml4e_o,
  output walker_pkg::ept_table_t  pdpte_o,
  output walker_pkg::ept_table_t  pde_o
);

  logic [2:0] begin_level_q [Walks];
  logic [39:0] begin_frame_q [Walks];
  logic [$bits(begin_rights_i)-1:0] begin_rights_q [Walks];
  logic [63:0] entries_q [8 * 2**SlotBits];  // by slot and level

  always_ff @(posedge clk_i) begin
    if (begin_i) begin
      begin_level_q[slot_i] <= begin_level_i;
      begin_frame_q[slot_i] <= begin_frame_i;
      begin_rights_q[slot_i] <= begin_rights_i;
    end else if (hit_i) begin
      begin_level_q[slot_i] <= hit_level_i;
      begin_rights_q[slot_i] <= hit_rights_i;
      entries_q[{slot_i, hit_level_i}] <= hit_leaf_i;
    end
    if (in_hand_i) begin
      entries_q[{slot_i, level_i}] <= entry_i;
    end
  end

  logic [63:0] entry;
  logic [39:0] frame;
  logic is_leaf;
  walker_pkg::ept_rights_t rights;
  walker_pkg::ept_table_t table_below;

  assign leaf_o = (in_hand_i && level_i == leaf_level_i) ? entry_i
                                                         : entries_q[{slot_i, leaf_level_i}];

  always_comb begin
    rights_o = begin_rights_q[slot_i];
    due_o = 1'b0;
    due_level_o = '0;
    due_frame_o = '0;
    due_entry_o = '0;
    due_update_o = '0;
    tables_o = '0;
    pml4e_o = '0;
    pdpte_o = '0;
    pde_o = '0;
    frame = '0;
    entry = '0;
    is_leaf = 1'b0;
    rights = '0;
    lacking_level_o = '0;
    lacking_frame_o = '0;
    lacking_entry_o = '0;
    lacking_rights_o = '0;
    table_below = '0;
    if (in_hand_i || recalls_i) begin
      frame = begin_frame_q[slot_i];
      for (int level = 5; level >= 1; level = level - 1) begin
        if (level[2:0] <= begin_level_q[slot_i] && level[2:0] >= leaf_level_i) begin
          entry = (in_hand_i && level[2:0] == level_i) ? entry_i : entries_q[{slot_i, level[2:0]}];
          is_leaf = level[2:0] == leaf_level_i;
          rights.read = entry[arch_pkg::EptEntryRead];
          rights.write = entry[arch_pkg::EptEntryWrite];
          rights.execute = entry[arch_pkg::EptEntryExecute];
          rights.user_execute = entry[arch_pkg::EptEntryUserExecute];
          // A leaf may be open to writes to guest tables alone, and to those of supervisor shadow
          // stacks, which need no other write access of it (SDM 31.3.3.2).
          rights.paging_write =
              rights.write | (is_leaf & entry[arch_pkg::EptEntryPagingWriteAccess]);
          rights.supervisor_shadow_stack =
              rights.read &
              (is_leaf ? entry[arch_pkg::EptEntrySupervisorShadowStack] : rights.write);
          rights_o = rights_o & rights;
          if (lacking_level_o == '0 && (is_leaf || (needed_i & ~rights) != '0)) begin
            lacking_level_o = level[2:0];
            lacking_frame_o = frame;
            lacking_entry_o = entry;
            lacking_rights_o = rights;
          end
          if (flags_i && !due_o && (!entry[arch_pkg::EptEntryAccessed] ||
                                    (is_leaf && write_i && !entry[arch_pkg::EptEntryDirty]))) begin
            due_o = 1'b1;
            due_level_o = level[2:0];
            due_frame_o = frame;
            due_entry_o = entry;
            due_update_o = entry;
            due_update_o[arch_pkg::EptEntryAccessed] = 1'b1;
            if (is_leaf && write_i) begin
              due_update_o[arch_pkg::EptEntryDirty] = 1'b1;
            end
          end
          frame = entry[arch_pkg::EptEntryAddressHigh:arch_pkg::EptEntryAddressLow];
          table_below.frame = frame;
          table_below.rights = rights_o;
          if (!is_leaf && level == 4) begin
            tables_o[4] = 1'b1;
            pml4e_o = table_below;
          end else if (!is_leaf && level == 3) begin
            tables_o[3] = 1'b1;
            pdpte_o = table_below;
          end else if (!is_leaf && level == 2) begin
            tables_o[2] = 1'b1;
            pde_o = table_below;
          end
        end
      end
    end
  end

endmodule
