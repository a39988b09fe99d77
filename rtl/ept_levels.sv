// The entries of the EPT walk under way, one per level, the one in hand included: their common
// rights, and the next flag that is due among them, from the root to the leaf (SDM 31.3.5).

module ept_levels (
  input  logic                    clk_i,
  input  logic [39:0]             root_frame_i,
  input  logic [2:0]              root_level_i,
  input  logic                    in_hand_i,  // level_i and entry_i hold: read or updated now
  input  logic [2:0]              level_i,
  input  logic [63:0]             entry_i,
  input  logic [2:0]              leaf_level_i,
  input  logic                    flags_i,  // accessed and dirty flags in use
  input  logic                    write_i,  // the access sets the leaf's dirty flag
  output walker_pkg::ept_rights_t rights_o,
  output logic [63:0]             leaf_o,
  output logic                    due_o,        // a flag is to be set
  output logic [2:0]              due_level_o,  // in the entry of this level
  output logic [39:0]             due_frame_o,  // of the table that holds the entry
  output logic [63:0]             due_entry_o,  // as it stands
  output logic [63:0]             due_update_o  // and with its flags
);

  logic [63:0] entries_q [1:5];

  always_ff @(posedge clk_i) begin
    if (in_hand_i) begin
      entries_q[level_i] <= entry_i;
    end
  end

  logic [63:0] entry;
  logic [39:0] frame;
  logic is_leaf;

  always_comb begin
    rights_o = '1;
    leaf_o = '0;
    due_o = 1'b0;
    due_level_o = '0;
    due_frame_o = '0;
    due_entry_o = '0;
    due_update_o = '0;
    frame = root_frame_i;
    entry = '0;
    is_leaf = 1'b0;
    for (int level = 5; level >= 1; level = level - 1) begin
      if (level <= {29'd0, root_level_i} && level >= {29'd0, leaf_level_i}) begin
        entry = (in_hand_i && level == {29'd0, level_i}) ? entry_i : entries_q[level];
        is_leaf = level == {29'd0, leaf_level_i};
        rights_o.read = rights_o.read & entry[arch_pkg::EptEntryRead];
        rights_o.write = rights_o.write & entry[arch_pkg::EptEntryWrite];
        rights_o.execute = rights_o.execute & entry[arch_pkg::EptEntryExecute];
        rights_o.user_execute = rights_o.user_execute & entry[arch_pkg::EptEntryUserExecute];
        if (is_leaf) begin
          leaf_o = entry;
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
      end
    end
  end

endmodule
