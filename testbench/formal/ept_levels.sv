// Proof: of the EPT entries that a walk has read, from the first to the leaf, each as it was last:
// the rights that all give, each by its own rule; the uppermost that lacks one that is needed, or
// the leaf if none does; the uppermost that lacks a flag, and what it is with its flags; and what a
// cache may hold of each above the leaf. Of either of two walks, whatever has been kept of them.
// See: first_levels = u_levels.begin_level_q[0..1]
// See: first_frames = u_levels.begin_frame_q[0..1]
// See: first_rights = u_levels.begin_rights_q[0..1]
// See: entries = u_levels.entries_q[0..15]
// Bug: rtl/ept_levels.sv:
//   `(is_leaf ? entry[arch_pkg::EptEntrySupervisorShadowStack] : rights.write)`
//   -> `entry[arch_pkg::EptEntrySupervisorShadowStack]`
// Bug: rtl/ept_levels.sv:
//   `(is_leaf & entry[arch_pkg::EptEntryPagingWriteAccess])`
//   -> `entry[arch_pkg::EptEntryPagingWriteAccess]`
// Bug: rtl/ept_levels.sv:
//   `(is_leaf && write_i && !entry[arch_pkg::EptEntryDirty])`
//   -> `(is_leaf && !entry[arch_pkg::EptEntryDirty])`
// Bug: rtl/ept_levels.sv:
//   `if (lacking_level_o == '0 && (is_leaf || (needed_i & ~rights) != '0)) begin`
//   -> `if (is_leaf || (needed_i & ~rights) != '0) begin`

module ept_levels_proof (
  input logic                    clk_i,
  input logic                    slot_i,
  input logic                    begin_i,
  input logic [2:0]              begin_level_i,
  input logic [39:0]             begin_frame_i,
  input walker_pkg::ept_rights_t begin_rights_i,
  input logic                    in_hand_i,
  input logic                    recalls_i,
  input logic [2:0]              level_i,
  input logic [63:0]             entry_i,
  input logic [2:0]              leaf_level_i,
  input logic                    flags_i,
  input logic                    write_i,
  input walker_pkg::ept_rights_t needed_i
);

  walker_pkg::ept_rights_t rights;
  logic [63:0]             leaf;
  logic                    due;
  logic [2:0]              due_level;
  logic [39:0]             due_frame;
  logic [63:0]             due_entry;
  logic [63:0]             due_update;
  logic [2:0]              lacking_level;
  logic [39:0]             lacking_frame;
  logic [63:0]             lacking_entry;
  walker_pkg::ept_rights_t lacking_rights;
  logic [4:2]              tables;
  walker_pkg::ept_table_t  pml4e;
  walker_pkg::ept_table_t  pdpte;
  walker_pkg::ept_table_t  pde;

  ept_levels #(.Walks(2), .SlotBits(1)) u_levels (
    .clk_i,
    .slot_i,
    .begin_i,
    .begin_level_i,
    .begin_frame_i,
    .begin_rights_i,
    .hit_i           (1'b0),
    .hit_level_i     (3'd0),
    .hit_leaf_i      (64'd0),
    .hit_rights_i    ('0),
    .in_hand_i,
    .recalls_i,
    .level_i,
    .entry_i,
    .leaf_level_i,
    .flags_i,
    .write_i,
    .needed_i,
    .rights_o        (rights),
    .leaf_o          (leaf),
    .due_o           (due),
    .due_level_o     (due_level),
    .due_frame_o     (due_frame),
    .due_entry_o     (due_entry),
    .due_update_o    (due_update),
    .lacking_level_o (lacking_level),
    .lacking_frame_o (lacking_frame),
    .lacking_entry_o (lacking_entry),
    .lacking_rights_o(lacking_rights),
    .tables_o        (tables),
    .pml4e_o         (pml4e),
    .pdpte_o         (pdpte),
    .pde_o           (pde)
  );

  wire [2*3-1:0]                   first_levels;
  wire [2*40-1:0]                  first_frames;
  wire [2*$bits(needed_i)-1:0]     first_rights;
  wire [16*64-1:0]                 entries;

  // The walk in hand.
  logic [2:0]              first_level;
  logic [39:0]             first_frame;
  walker_pkg::ept_rights_t given;  // by what was found in a cache above the first level
  logic [6*64-1:0]         read;   // by level
  logic [6*40-1:0]         frames; // of the tables that hold them
  logic [5:1]              used;

  always_comb begin
    read = slot_i ? entries[8*64 +: 6*64] : entries[0 +: 6*64];
    first_level = slot_i ? first_levels[5:3] : first_levels[2:0];
    first_frame = slot_i ? first_frames[79:40] : first_frames[39:0];
    given = slot_i ? first_rights[11:6] : first_rights[5:0];
    frames = '0;
    for (int level = 5; level >= 1; level = level - 1) begin
      used[level] = level <= first_level && level >= leaf_level_i;
      if (in_hand_i && level == level_i) read[level*64 +: 64] = entry_i;
    end
    for (int level = 1; level <= 4; level = level + 1) begin
      frames[level*40 +: 40] = level == first_level ? first_frame : read[(level+1)*64+12 +: 40];
    end
    frames[5*40 +: 40] = first_frame;
  end

  // The entry, and the frame of its table, of one level.
  function automatic logic [63:0] entry_of(input logic [2:0] level);
    case (level)
      3'd1: entry_of = read[1*64 +: 64];
      3'd2: entry_of = read[2*64 +: 64];
      3'd3: entry_of = read[3*64 +: 64];
      3'd4: entry_of = read[4*64 +: 64];
      default: entry_of = read[5*64 +: 64];
    endcase
  endfunction

  function automatic logic [39:0] frame_of(input logic [2:0] level);
    case (level)
      3'd1: frame_of = frames[1*40 +: 40];
      3'd2: frame_of = frames[2*40 +: 40];
      3'd3: frame_of = frames[3*40 +: 40];
      3'd4: frame_of = frames[4*40 +: 40];
      default: frame_of = frames[5*40 +: 40];
    endcase
  endfunction

  // What entries lack, of each right, by level; below the first level there are no others.
  logic [5:1]  no_read, no_write, no_execute, no_user_execute, no_paging_write, no_shadow_stack;
  logic [5:1]  lack;       // a right that is needed
  logic [5:1]  unflagged;
  logic [63:0] entry;

  always_comb begin
    for (int level = 1; level <= 5; level = level + 1) begin
      entry = read[level*64 +: 64];
      no_read[level] = !entry[0];
      no_write[level] = !entry[1];
      no_execute[level] = !entry[2];
      no_user_execute[level] = !entry[10];
      if (level == leaf_level_i) begin
        no_paging_write[level] = !entry[1] && !entry[58];
        no_shadow_stack[level] = !(entry[0] && entry[60]);
        unflagged[level] = !entry[8] || (write_i && !entry[9]);
      end else begin
        no_paging_write[level] = !entry[1];
        no_shadow_stack[level] = !(entry[0] && entry[1]);
        unflagged[level] = !entry[8];
      end
    end
    lack = '0;
    if (needed_i.read) lack = lack | no_read;
    if (needed_i.write) lack = lack | no_write;
    if (needed_i.execute) lack = lack | no_execute;
    if (needed_i.user_execute) lack = lack | no_user_execute;
    if (needed_i.paging_write) lack = lack | no_paging_write;
    if (needed_i.supervisor_shadow_stack) lack = lack | no_shadow_stack;
    lack = lack & used;
    unflagged = unflagged & used;
  end

  function automatic logic [2:0] uppermost(input logic [5:1] levels);
    uppermost = levels[5] ? 5 : levels[4] ? 4 : levels[3] ? 3 : levels[2] ? 2 : levels[1] ? 1 : 0;
  endfunction

  // The rights of those above a level and its own; a cache holds them of tables.
  function automatic logic [5:0] common(input logic [5:1] among);
    common = {given.read && (no_read & among) == 0,
              given.write && (no_write & among) == 0,
              given.execute && (no_execute & among) == 0,
              given.user_execute && (no_user_execute & among) == 0,
              given.paging_write && (no_paging_write & among) == 0,
              given.supervisor_shadow_stack && (no_shadow_stack & among) == 0};
  endfunction

  logic [5:0] of_named;
  always_comb begin
    of_named = {!no_read[lacking_level], !no_write[lacking_level], !no_execute[lacking_level],
                !no_user_execute[lacking_level], !no_paging_write[lacking_level],
                !no_shadow_stack[lacking_level]};
  end

  always_comb begin
    assume (leaf_level_i >= 1 && leaf_level_i <= first_level && first_level <= 5);
    assume (level_i >= leaf_level_i && level_i <= first_level);

    assert (leaf == entry_of(leaf_level_i));
    if (in_hand_i || recalls_i) begin
      assert (rights == common(used));

      assert (lacking_level == (lack == 0 ? leaf_level_i : uppermost(lack)));
      assert (lacking_frame == frame_of(lacking_level));
      assert (lacking_entry == entry_of(lacking_level));
      assert (lacking_rights == of_named);

      assert (due == (flags_i && unflagged != 0));
      if (due) begin
        assert (due_level == uppermost(unflagged));
        assert (due_frame == frame_of(due_level));
        assert (due_entry == entry_of(due_level));
        assert (due_update == (due_entry | (due_level == leaf_level_i && write_i ? 64'h300
                                                                                : 64'h100)));
      end

      assert (tables[4] == (used[4] && leaf_level_i != 4));
      assert (tables[3] == (used[3] && leaf_level_i != 3));
      assert (tables[2] == (used[2] && leaf_level_i != 2));
      if (tables[4]) begin
        assert (pml4e.frame == frames[3*40 +: 40]);
        assert (pml4e.rights == common(used & 5'b11000));
      end
      if (tables[3]) begin
        assert (pdpte.frame == frames[2*40 +: 40]);
        assert (pdpte.rights == common(used & 5'b11100));
      end
      if (tables[2]) begin
        assert (pde.frame == frames[1*40 +: 40]);
        assert (pde.rights == common(used & 5'b11110));
      end
    end
  end

endmodule
