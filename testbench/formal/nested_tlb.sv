// Proof: what the nested TLB holds of any page of 4 KiB under any root is what was filled last, as
// long as nothing filled since covers any of the same addresses, no sweep fitted it, and it was not
// the victim of a fill that found no entry free. A look-up finds that and nothing else, unless the
// page's dirty flag has to be set first. A fill goes to the lowest free entry, or to the victim;
// look-ups that hit and fills are uses. With four entries.
// Engine: induction 1
// See: valid = u_tlb.valid_q
// See: pages = u_tlb.page_q[0..3]
// See: masks = u_tlb.mask_q[0..3]
// See: roots = u_tlb.root_q[0..3]
// See: leaves = u_tlb.leaf_q[0..3]
// See: levels = u_tlb.level_q[0..3]
// See: all_rights = u_tlb.rights_q[0..3]
// See: victim = u_tlb.u_tree_plru.victim_o
// See: used = u_tlb.u_tree_plru.used_i
// See: used_index = u_tlb.u_tree_plru.index_i
// See: chooses = u_tlb.u_tree_plru.choose_i
// Bug: rtl/nested_tlb.sv:
//   `(gpa_i & mask & mask_q[entry]) == (page_q[entry] & mask)`
//   -> `(gpa_i & mask_q[entry]) == page_q[entry]`
// Bug: rtl/nested_tlb.sv:
//   `(sweep_gpa_i & mask_q[entry]) == page_q[entry]`
//   -> `sweep_gpa_i == page_q[entry]`
// Bug: rtl/nested_tlb.sv:
//   `hit & (~writes_page_i | leaf_o[arch_pkg::EptEntryDirty])`
//   -> `hit`
// Bug: rtl/nested_tlb.sv:
//   `3'd3: mask = {{22{1'b1}}, 18'd0};`
//   -> `3'd3: mask = {{21{1'b1}}, 19'd0};`

module nested_tlb_proof (
  input logic                    clk_i,
  input logic [39:0]             chosen_page_i,
  input logic [39:0]             chosen_root_i,
  input logic [51:12]            gpa_i,
  input logic [39:0]             root_i,
  input logic                    ask_i,
  input logic                    writes_page_i,
  input logic                    fill_i,
  input logic [2:0]              level_i,
  input logic [63:0]             leaf_i,
  input walker_pkg::ept_rights_t rights_i,
  input logic                    sweep_i,
  input logic                    sweep_gpa_valid_i,
  input logic [51:12]            sweep_gpa_i,
  input logic                    sweep_root_valid_i,
  input logic [39:0]             sweep_root_i
);

  // Any page and root, but one and the same.
  logic        rst_n = 1'b0;
  logic [39:0] page_q;
  logic [39:0] root_q;
  always_ff @(posedge clk_i) begin
    rst_n <= 1'b1;
    if (!rst_n) begin
      page_q <= chosen_page_i;
      root_q <= chosen_root_i;
    end
  end

  logic [2:0]              level;
  logic [63:0]             leaf;
  walker_pkg::ept_rights_t rights;

  nested_tlb #(.Entries(4)) u_tlb (
    .clk_i,
    .rst_ni  (rst_n),
    .gpa_i,
    .root_i,
    .ask_i,
    .writes_page_i,
    .level_o (level),
    .leaf_o  (leaf),
    .rights_o(rights),
    .fill_i,
    .level_i,
    .leaf_i,
    .rights_i,
    .sweep_i,
    .sweep_gpa_valid_i,
    .sweep_gpa_i,
    .sweep_root_valid_i,
    .sweep_root_i
  );

  wire [3:0]                    valid;
  wire [4*40-1:0]               pages;
  wire [4*40-1:0]               masks;
  wire [4*40-1:0]               roots;
  wire [4*64-1:0]               leaves;
  wire [4*3-1:0]                levels;
  wire [4*$bits(rights_i)-1:0]  all_rights;
  wire [1:0]                    victim;
  wire                          used;
  wire [1:0]                    used_index;
  wire                          chooses;

  // Bits of a frame that lie within a page of a level's size.
  function automatic logic [4:0] within(input logic [2:0] of_level);
    within = of_level == 3 ? 18 : of_level == 2 ? 9 : 0;
  endfunction

  // Whether pages with frames a and b, and so many bits within them, have an address in common.
  function automatic logic common(input logic [39:0] a, input logic [4:0] a_bits,
                                  input logic [39:0] b, input logic [4:0] b_bits);
    common = ((a ^ b) >> (a_bits > b_bits ? a_bits : b_bits)) == 0;
  endfunction

  // What is held of the chosen page, and which entries a fill has to remove.
  logic [3:0]              covers;
  logic [3:0]              overlaps;
  logic                    sound;  // each entry has a level, and its mask
  logic                    held;
  logic [2:0]              held_level;
  logic [63:0]             held_leaf;
  walker_pkg::ept_rights_t held_rights;
  logic [39:0]             held_page;
  logic [1:0]              held_at;
  logic                    full;
  logic [1:0]              lowest;
  logic [4:0]              bits;

  always_comb begin
    covers = '0;
    overlaps = '0;
    sound = 1'b1;
    held_level = '0;
    held_leaf = '0;
    held_rights = '0;
    held_page = '0;
    held_at = '0;
    lowest = '0;
    full = 1'b1;
    for (int entry = 3; entry >= 0; entry = entry - 1) begin
      bits = within(levels[entry*3 +: 3]);
      if (valid[entry]) begin
        if (levels[entry*3 +: 3] == 0 || levels[entry*3 +: 3] > 3) sound = 1'b0;
        if (masks[entry*40 +: 40] != 40'hff_ffff_ffff << bits) sound = 1'b0;
        if ((pages[entry*40 +: 40] & ~masks[entry*40 +: 40]) != 0) sound = 1'b0;
        if (roots[entry*40 +: 40] == root_q) begin
          covers[entry] = common(pages[entry*40 +: 40], bits, page_q, 5'd0);
        end
        if (roots[entry*40 +: 40] == root_i) begin
          overlaps[entry] = common(pages[entry*40 +: 40], bits, gpa_i, within(level_i));
        end
      end
      if (covers[entry]) begin
        held_level = levels[entry*3 +: 3];
        held_leaf = leaves[entry*64 +: 64];
        held_rights = all_rights[entry*$bits(rights_i) +: $bits(rights_i)];
        held_page = pages[entry*40 +: 40];
        held_at = entry[1:0];
      end
      if (!valid[entry] || overlaps[entry]) begin
        lowest = entry[1:0];
        full = 1'b0;
      end
    end
    held = covers != 0;
  end

  logic       covered;  // the chosen page, by a fill
  logic       touched;  // something that what is held covers
  logic       swept;
  logic [1:0] place;    // of a fill

  always_comb begin
    covered = root_i == root_q && common(gpa_i, within(level_i), page_q, 5'd0);
    touched = root_i == root_q
      && common(gpa_i, within(level_i), held_page, within(held_level));
    swept = (!sweep_root_valid_i || sweep_root_i == root_q)
      && (!sweep_gpa_valid_i || common(sweep_gpa_i, 5'd0, held_page, within(held_level)));
    place = full ? victim : lowest;
  end

  // The cycle before, as it bears on what is held now.
  logic                    begun_q;
  logic                    fills_q;
  logic                    replaces_q;  // fills what covers the chosen page
  logic                    removes_q;
  logic                    evicts_q;
  logic [1:0]              place_q;
  logic [51:12]            gpa_q;
  logic [2:0]              level_q;
  logic [63:0]             leaf_q;
  walker_pkg::ept_rights_t rights_q;
  logic                    was_held_q;
  logic [2:0]              was_level_q;
  logic [63:0]             was_leaf_q;
  walker_pkg::ept_rights_t was_rights_q;

  always_ff @(posedge clk_i) begin
    begun_q <= rst_n;
    fills_q <= fill_i;
    replaces_q <= fill_i && covered;
    removes_q <= (fill_i && touched) || (sweep_i && swept);
    evicts_q <= fill_i && full && victim == held_at;
    place_q <= place;
    gpa_q <= gpa_i;
    level_q <= level_i;
    leaf_q <= leaf_i;
    rights_q <= rights_i;
    was_held_q <= held;
    was_level_q <= held_level;
    was_leaf_q <= held_leaf;
    was_rights_q <= held_rights;
  end

  always_comb begin
    // Of walk_caches: one of the three in a cycle. A leaf has one of three levels.
    assume (!(ask_i && fill_i));
    assume (!(sweep_i && fill_i));
    if (fill_i) assume (level_i >= 1 && level_i <= 3);

    if (rst_n) begin
      assert (sound);
      assert ((covers & (covers - 4'd1)) == 0);

      if (!begun_q) begin
        assert (valid == 0);
      end else if (replaces_q) begin
        assert (held);
        assert (held_level == level_q);
        assert (held_leaf == leaf_q);
        assert (held_rights == rights_q);
      end else if (was_held_q && !removes_q && !evicts_q) begin
        assert (held);
        assert (held_level == was_level_q);
        assert (held_leaf == was_leaf_q);
        assert (held_rights == was_rights_q);
      end else begin
        assert (!held);
      end
      if (begun_q && fills_q) begin
        assert (valid[place_q]);
        assert (levels[place_q*3 +: 3] == level_q);
        assert (common(pages[place_q*40 +: 40], within(level_q), gpa_q, 5'd0));
      end

      if (ask_i && root_i == root_q && gpa_i == page_q) begin
        if (held && !(writes_page_i && !held_leaf[9])) begin
          assert (level == held_level);
          assert (leaf == held_leaf);
          assert (rights == held_rights);
          assert (used);
          assert (used_index == held_at);
        end else begin
          assert (level == 0);
          assert (!used);
        end
      end
      if (!ask_i) assert (level == 0);
      if (fill_i) begin
        assert (used);
        assert (chooses);
        assert (used_index == place);
      end else if (!ask_i) begin
        assert (!used);
      end
    end
  end

endmodule
