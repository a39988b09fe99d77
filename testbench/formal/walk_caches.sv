// Proof: which arrays of the caches are asked, filled and swept in a cycle, with which parts of the
// addresses, and what of their answers is the caches' answer. From the lowest level up, none that
// the paging mode lacks, none after one that hit, those of the EPT where the nested TLB does not
// answer; nothing that is disabled is asked or filled, nothing is filled in the cycle of an
// invalidation. What the proofs of the arrays assume of their inputs is among it, but that none is
// asked and filled at once, which walk_faults shows.
// Cut: structure_array
// Cut: nested_tlb
// See: c2_ask = u_caches.gen_combined_pde.u_array.ask_i
// See: c2_hit = u_caches.gen_combined_pde.u_array.hit_o
// See: c2_fill = u_caches.gen_combined_pde.u_array.fill_i
// See: c2_address = u_caches.gen_combined_pde.u_array.address_i
// See: c2_space = u_caches.gen_combined_pde.u_array.space_i
// See: c2_filled = u_caches.gen_combined_pde.u_array.data_i
// See: c2_found = u_caches.gen_combined_pde.u_array.data_o
// See: c2_sweep = u_caches.gen_combined_pde.u_array.sweep_i
// See: c2_sweep_address = u_caches.gen_combined_pde.u_array.sweep_address_i
// See: c2_sweep_address_valid = u_caches.gen_combined_pde.u_array.sweep_address_valid_i
// See: c3_ask = u_caches.gen_combined_pdpte.u_array.ask_i
// See: c3_hit = u_caches.gen_combined_pdpte.u_array.hit_o
// See: c3_fill = u_caches.gen_combined_pdpte.u_array.fill_i
// See: c3_address = u_caches.gen_combined_pdpte.u_array.address_i
// See: c3_space = u_caches.gen_combined_pdpte.u_array.space_i
// See: c3_filled = u_caches.gen_combined_pdpte.u_array.data_i
// See: c3_found = u_caches.gen_combined_pdpte.u_array.data_o
// See: c3_sweep = u_caches.gen_combined_pdpte.u_array.sweep_i
// See: c3_sweep_address = u_caches.gen_combined_pdpte.u_array.sweep_address_i
// See: c3_sweep_address_valid = u_caches.gen_combined_pdpte.u_array.sweep_address_valid_i
// See: c4_ask = u_caches.gen_combined_pml4e.u_array.ask_i
// See: c4_hit = u_caches.gen_combined_pml4e.u_array.hit_o
// See: c4_fill = u_caches.gen_combined_pml4e.u_array.fill_i
// See: c4_address = u_caches.gen_combined_pml4e.u_array.address_i
// See: c4_space = u_caches.gen_combined_pml4e.u_array.space_i
// See: c4_filled = u_caches.gen_combined_pml4e.u_array.data_i
// See: c4_found = u_caches.gen_combined_pml4e.u_array.data_o
// See: c4_sweep = u_caches.gen_combined_pml4e.u_array.sweep_i
// See: c4_sweep_address = u_caches.gen_combined_pml4e.u_array.sweep_address_i
// See: c4_sweep_address_valid = u_caches.gen_combined_pml4e.u_array.sweep_address_valid_i
// See: e2_ask = u_caches.gen_ept_pde.u_array.ask_i
// See: e2_hit = u_caches.gen_ept_pde.u_array.hit_o
// See: e2_fill = u_caches.gen_ept_pde.u_array.fill_i
// See: e2_address = u_caches.gen_ept_pde.u_array.address_i
// See: e2_space = u_caches.gen_ept_pde.u_array.space_i
// See: e2_filled = u_caches.gen_ept_pde.u_array.data_i
// See: e2_found = u_caches.gen_ept_pde.u_array.data_o
// See: e2_sweep = u_caches.gen_ept_pde.u_array.sweep_i
// See: e2_sweep_address = u_caches.gen_ept_pde.u_array.sweep_address_i
// See: e2_sweep_address_valid = u_caches.gen_ept_pde.u_array.sweep_address_valid_i
// See: e3_ask = u_caches.gen_ept_pdpte.u_array.ask_i
// See: e3_hit = u_caches.gen_ept_pdpte.u_array.hit_o
// See: e3_fill = u_caches.gen_ept_pdpte.u_array.fill_i
// See: e3_address = u_caches.gen_ept_pdpte.u_array.address_i
// See: e3_space = u_caches.gen_ept_pdpte.u_array.space_i
// See: e3_filled = u_caches.gen_ept_pdpte.u_array.data_i
// See: e3_found = u_caches.gen_ept_pdpte.u_array.data_o
// See: e3_sweep = u_caches.gen_ept_pdpte.u_array.sweep_i
// See: e3_sweep_address = u_caches.gen_ept_pdpte.u_array.sweep_address_i
// See: e3_sweep_address_valid = u_caches.gen_ept_pdpte.u_array.sweep_address_valid_i
// See: e4_ask = u_caches.gen_ept_pml4e.u_array.ask_i
// See: e4_hit = u_caches.gen_ept_pml4e.u_array.hit_o
// See: e4_fill = u_caches.gen_ept_pml4e.u_array.fill_i
// See: e4_address = u_caches.gen_ept_pml4e.u_array.address_i
// See: e4_space = u_caches.gen_ept_pml4e.u_array.space_i
// See: e4_filled = u_caches.gen_ept_pml4e.u_array.data_i
// See: e4_found = u_caches.gen_ept_pml4e.u_array.data_o
// See: e4_sweep = u_caches.gen_ept_pml4e.u_array.sweep_i
// See: e4_sweep_address = u_caches.gen_ept_pml4e.u_array.sweep_address_i
// See: e4_sweep_address_valid = u_caches.gen_ept_pml4e.u_array.sweep_address_valid_i
// See: n_ask = u_caches.gen_nested_tlb.u_nested_tlb.ask_i
// See: n_fill = u_caches.gen_nested_tlb.u_nested_tlb.fill_i
// See: n_sweep = u_caches.gen_nested_tlb.u_nested_tlb.sweep_i
// See: c2_sweep_space = u_caches.gen_combined_pde.u_array.sweep_space_i
// See: c2_sweep_space_mask = u_caches.gen_combined_pde.u_array.sweep_space_mask_i
// See: c2_sweep_nonzero = u_caches.gen_combined_pde.u_array.sweep_nonzero_i
// See: c3_sweep_space = u_caches.gen_combined_pdpte.u_array.sweep_space_i
// See: c3_sweep_space_mask = u_caches.gen_combined_pdpte.u_array.sweep_space_mask_i
// See: c3_sweep_nonzero = u_caches.gen_combined_pdpte.u_array.sweep_nonzero_i
// See: c4_sweep_space = u_caches.gen_combined_pml4e.u_array.sweep_space_i
// See: c4_sweep_space_mask = u_caches.gen_combined_pml4e.u_array.sweep_space_mask_i
// See: c4_sweep_nonzero = u_caches.gen_combined_pml4e.u_array.sweep_nonzero_i
// See: e2_sweep_space = u_caches.gen_ept_pde.u_array.sweep_space_i
// See: e2_sweep_space_mask = u_caches.gen_ept_pde.u_array.sweep_space_mask_i
// See: e2_sweep_nonzero = u_caches.gen_ept_pde.u_array.sweep_nonzero_i
// See: e3_sweep_space = u_caches.gen_ept_pdpte.u_array.sweep_space_i
// See: e3_sweep_space_mask = u_caches.gen_ept_pdpte.u_array.sweep_space_mask_i
// See: e3_sweep_nonzero = u_caches.gen_ept_pdpte.u_array.sweep_nonzero_i
// See: e4_sweep_space = u_caches.gen_ept_pml4e.u_array.sweep_space_i
// See: e4_sweep_space_mask = u_caches.gen_ept_pml4e.u_array.sweep_space_mask_i
// See: e4_sweep_nonzero = u_caches.gen_ept_pml4e.u_array.sweep_nonzero_i
// See: n_gpa = u_caches.gen_nested_tlb.u_nested_tlb.gpa_i
// See: n_root = u_caches.gen_nested_tlb.u_nested_tlb.root_i
// See: n_writes_page = u_caches.gen_nested_tlb.u_nested_tlb.writes_page_i
// See: n_sweep_gpa_valid = u_caches.gen_nested_tlb.u_nested_tlb.sweep_gpa_valid_i
// See: n_sweep_gpa = u_caches.gen_nested_tlb.u_nested_tlb.sweep_gpa_i
// See: n_sweep_root_valid = u_caches.gen_nested_tlb.u_nested_tlb.sweep_root_valid_i
// See: n_sweep_root = u_caches.gen_nested_tlb.u_nested_tlb.sweep_root_i
// See: c2_wide = u_caches.gen_combined_pde.u_array.wide_i
// Bug: rtl/walk_caches.sv:
//   `assign may_fill = may_fill_i & ~invalidation_valid_i;`
//   -> `assign may_fill = may_fill_i;`
// Bug: rtl/walk_caches.sv:
//   `(guest_root_level_i >= 3'd4)`
//   -> `(guest_root_level_i >= 3'd3)`
// Bug: rtl/walk_caches.sv:
//   `assign ept_asked = asks_ept_i & (nested_level_o == 3'd0) & ~disabled_i.ept;`
//   -> `assign ept_asked = asks_ept_i & ~disabled_i.ept;`

module walk_caches_proof (
  input logic                         clk_i,
  input walker_pkg::space_t           space_i,
  input logic [56:0]                  linear_i,
  input logic                         wide_pde_i,
  input logic [51:0]                  gpa_i,
  input logic                         asks_combined_i,
  input logic [2:0]                   guest_root_level_i,
  input logic                         asks_ept_i,
  input logic                         writes_page_i,
  input logic                         may_fill_i,
  input logic [4:2]                   combined_fills_i,
  input walker_pkg::guest_table_t     combined_pml4e_i,
  input walker_pkg::guest_table_t     combined_pdpte_i,
  input walker_pkg::guest_table_t     combined_pde_i,
  input logic [4:2]                   ept_fills_i,
  input walker_pkg::ept_table_t       ept_pml4e_i,
  input walker_pkg::ept_table_t       ept_pdpte_i,
  input walker_pkg::ept_table_t       ept_pde_i,
  input logic                         nested_fills_i,
  input logic [2:0]                   nested_level_i,
  input logic [63:0]                  nested_leaf_i,
  input walker_pkg::ept_rights_t      nested_rights_i,
  input logic                         invalidation_valid_i,
  input walker_pkg::invalidation_t    invalidation_i,
  input walker_pkg::caches_disabled_t disabled_i
);

  logic [2:0]               combined_level;
  walker_pkg::guest_table_t combined_table;
  logic [2:0]               nested_level;
  logic [2:0]               ept_level;
  walker_pkg::ept_table_t   ept_table;

  walk_caches #(
    .CombinedPml4e(2),
    .CombinedPdpte(2),
    .CombinedPde  (2),
    .EptPml4e     (2),
    .EptPdpte     (2),
    .EptPde       (2),
    .NestedTlb    (2)
  ) u_caches (
    .clk_i,
    .rst_ni          (1'b1),
    .space_i,
    .linear_i,
    .wide_pde_i,
    .gpa_i,
    .asks_combined_i,
    .guest_root_level_i,
    .combined_level_o(combined_level),
    .combined_table_o(combined_table),
    .asks_ept_i,
    .writes_page_i,
    .nested_level_o  (nested_level),
    .nested_leaf_o   (),
    .nested_rights_o (),
    .ept_level_o     (ept_level),
    .ept_table_o     (ept_table),
    .may_fill_i,
    .combined_fills_i,
    .combined_pml4e_i,
    .combined_pdpte_i,
    .combined_pde_i,
    .ept_fills_i,
    .ept_pml4e_i,
    .ept_pdpte_i,
    .ept_pde_i,
    .nested_fills_i,
    .nested_level_i,
    .nested_leaf_i,
    .nested_rights_i,
    .invalidation_valid_i,
    .invalidation_i,
    .disabled_i
  );

  wire                                 c2_ask;
  wire                                 c2_hit;
  wire                                 c2_fill;
  wire [35:0]                          c2_address;
  wire [$bits(space_i)-1:0]            c2_space;
  wire [$bits(combined_pde_i)-1:0]     c2_filled;
  wire [$bits(combined_pde_i)-1:0]     c2_found;
  wire                                 c2_sweep;
  wire [35:0]                          c2_sweep_address;
  wire                                 c2_sweep_address_valid;
  wire                                 c3_ask;
  wire                                 c3_hit;
  wire                                 c3_fill;
  wire [26:0]                          c3_address;
  wire [$bits(space_i)-1:0]            c3_space;
  wire [$bits(combined_pde_i)-1:0]     c3_filled;
  wire [$bits(combined_pde_i)-1:0]     c3_found;
  wire                                 c3_sweep;
  wire [26:0]                          c3_sweep_address;
  wire                                 c3_sweep_address_valid;
  wire                                 c4_ask;
  wire                                 c4_hit;
  wire                                 c4_fill;
  wire [17:0]                          c4_address;
  wire [$bits(space_i)-1:0]            c4_space;
  wire [$bits(combined_pde_i)-1:0]     c4_filled;
  wire [$bits(combined_pde_i)-1:0]     c4_found;
  wire                                 c4_sweep;
  wire [17:0]                          c4_sweep_address;
  wire                                 c4_sweep_address_valid;
  wire                                 e2_ask;
  wire                                 e2_hit;
  wire                                 e2_fill;
  wire [30:0]                          e2_address;
  wire [39:0]                          e2_space;
  wire [$bits(ept_pde_i)-1:0]          e2_filled;
  wire [$bits(ept_pde_i)-1:0]          e2_found;
  wire                                 e2_sweep;
  wire [30:0]                          e2_sweep_address;
  wire                                 e2_sweep_address_valid;
  wire                                 e3_ask;
  wire                                 e3_hit;
  wire                                 e3_fill;
  wire [21:0]                          e3_address;
  wire [39:0]                          e3_space;
  wire [$bits(ept_pde_i)-1:0]          e3_filled;
  wire [$bits(ept_pde_i)-1:0]          e3_found;
  wire                                 e3_sweep;
  wire [21:0]                          e3_sweep_address;
  wire                                 e3_sweep_address_valid;
  wire                                 e4_ask;
  wire                                 e4_hit;
  wire                                 e4_fill;
  wire [12:0]                          e4_address;
  wire [39:0]                          e4_space;
  wire [$bits(ept_pde_i)-1:0]          e4_filled;
  wire [$bits(ept_pde_i)-1:0]          e4_found;
  wire                                 e4_sweep;
  wire [12:0]                          e4_sweep_address;
  wire                                 e4_sweep_address_valid;
  wire                                 n_ask;
  wire                                 n_fill;
  wire                                 n_sweep;
  wire [$bits(space_i)-1:0]            c2_sweep_space;
  wire [$bits(space_i)-1:0]            c2_sweep_space_mask;
  wire [$bits(space_i)-1:0]            c2_sweep_nonzero;
  wire [$bits(space_i)-1:0]            c3_sweep_space;
  wire [$bits(space_i)-1:0]            c3_sweep_space_mask;
  wire [$bits(space_i)-1:0]            c3_sweep_nonzero;
  wire [$bits(space_i)-1:0]            c4_sweep_space;
  wire [$bits(space_i)-1:0]            c4_sweep_space_mask;
  wire [$bits(space_i)-1:0]            c4_sweep_nonzero;
  wire [39:0]                          e2_sweep_space;
  wire [39:0]                          e2_sweep_space_mask;
  wire [39:0]                          e2_sweep_nonzero;
  wire [39:0]                          e3_sweep_space;
  wire [39:0]                          e3_sweep_space_mask;
  wire [39:0]                          e3_sweep_nonzero;
  wire [39:0]                          e4_sweep_space;
  wire [39:0]                          e4_sweep_space_mask;
  wire [39:0]                          e4_sweep_nonzero;
  wire [51:12]                         n_gpa;
  wire [39:0]                          n_root;
  wire                                 n_writes_page;
  wire                                 n_sweep_gpa_valid;
  wire [51:12]                         n_sweep_gpa;
  wire                                 n_sweep_root_valid;
  wire [39:0]                          n_sweep_root;
  wire                                 c2_wide;

  // Which spaces a scope removes has a proof of its own.
  walker_pkg::space_t scope_space;
  walker_pkg::space_t scope_mask;
  walker_pkg::space_t scope_nonzero;
  logic               scope_combined;
  logic               scope_guest_physical;

  invalidation_scope u_scope (
    .valid_i                (invalidation_valid_i),
    .scope_i                (invalidation_i),
    .sweeps_combined_o      (scope_combined),
    .space_o                (scope_space),
    .space_mask_o           (scope_mask),
    .space_nonzero_o        (scope_nonzero),
    .sweeps_guest_physical_o(scope_guest_physical)
  );

  // Arrays by level, 2 to 4: which may be asked, until one hits; and which are filled.
  logic [4:2] combined_asks;
  logic [4:2] combined_hits;
  logic [4:2] ept_asks;
  logic [4:2] ept_hits;
  logic       combined_stops;
  logic       ept_stops;
  logic       may_fill;

  always_comb begin
    combined_hits = {c4_hit, c3_hit, c2_hit};
    ept_hits = {e4_hit, e3_hit, e2_hit};
    combined_asks = '0;
    ept_asks = '0;
    combined_stops = !asks_combined_i || disabled_i.combined;
    ept_stops = !asks_ept_i || disabled_i.ept || nested_level != 0;
    for (int level = 2; level <= 4; level = level + 1) begin
      if (level > guest_root_level_i && level > 2) combined_stops = 1'b1;
      combined_asks[level] = !combined_stops;
      ept_asks[level] = !ept_stops;
      if (combined_hits[level]) combined_stops = 1'b1;
      if (ept_hits[level]) ept_stops = 1'b1;
    end
    may_fill = may_fill_i && !invalidation_valid_i;
  end

  always_comb begin
    // Shown of the arrays: what is not asked does not hit.
    assume ((combined_hits & ~{c4_ask, c3_ask, c2_ask}) == 0);
    assume ((ept_hits & ~{e4_ask, e3_ask, e2_ask}) == 0);
    assume (nested_level == 0 || n_ask);

    // Look-ups.
    assert ({c4_ask, c3_ask, c2_ask} == combined_asks);
    assert ({e4_ask, e3_ask, e2_ask} == ept_asks);
    assert (n_ask == (asks_ept_i && !disabled_i.nested_tlb));
    assert (combined_level <= 4);
    assert (combined_level <= guest_root_level_i || combined_level == 2);
    assert (ept_level <= 4);
    if (combined_level == 0) begin
      assert (combined_hits == 0);
    end else begin
      assert (combined_hits == 3'd1 << (combined_level - 2));
    end
    if (ept_level == 0) begin
      assert (ept_hits == 0);
    end else begin
      assert (ept_hits == 3'd1 << (ept_level - 2));
    end
    if (c2_hit) assert (combined_table == c2_found);
    if (c3_hit) assert (combined_table == c3_found);
    if (c4_hit) assert (combined_table == c4_found);
    if (e2_hit) assert (ept_table == e2_found);
    if (e3_hit) assert (ept_table == e3_found);
    if (e4_hit) assert (ept_table == e4_found);

    // Fills.
    assert ({c4_fill, c3_fill, c2_fill}
            == (may_fill && !disabled_i.combined ? combined_fills_i : 3'd0));
    assert ({e4_fill, e3_fill, e2_fill}
            == (may_fill && !disabled_i.ept ? ept_fills_i : 3'd0));
    assert (n_fill == (may_fill && !disabled_i.nested_tlb && nested_fills_i));
    assert (c2_filled == combined_pde_i && c3_filled == combined_pdpte_i
            && c4_filled == combined_pml4e_i);
    assert (e2_filled == ept_pde_i && e3_filled == ept_pdpte_i && e4_filled == ept_pml4e_i);

    // Keys: what is above the addresses that an entry of the level covers.
    assert (n_gpa == gpa_i >> 12 && n_root == space_i.ept_root);
    assert (n_writes_page == writes_page_i);
    assert (c2_wide == wide_pde_i);
    assert (c2_address == (wide_pde_i ? (linear_i >> 22) << 1 : linear_i >> 21));
    assert (c3_address == linear_i >> 30);
    assert (c4_address == linear_i >> 39);
    assert (e2_address == gpa_i >> 21);
    assert (e3_address == gpa_i >> 30);
    assert (e4_address == gpa_i >> 39);
    assert (c2_space == space_i && c3_space == space_i && c4_space == space_i);
    assert (e2_space == space_i.ept_root && e3_space == space_i.ept_root
            && e4_space == space_i.ept_root);

    // Invalidations.
    assert (!(n_sweep || e2_sweep || e3_sweep || e4_sweep || c2_sweep || c3_sweep || c4_sweep)
            || invalidation_valid_i);
    assert ({c4_sweep, c3_sweep, c2_sweep} == {3{scope_combined}});
    assert ({n_sweep, e4_sweep, e3_sweep, e2_sweep} == {4{scope_guest_physical}});
    assert ({c4_sweep_space, c3_sweep_space, c2_sweep_space} == {3{scope_space}});
    assert ({c4_sweep_space_mask, c3_sweep_space_mask, c2_sweep_space_mask} == {3{scope_mask}});
    assert ({c4_sweep_nonzero, c3_sweep_nonzero, c2_sweep_nonzero} == {3{scope_nonzero}});
    assert ({n_sweep_root, e4_sweep_space, e3_sweep_space, e2_sweep_space}
            == {4{invalidation_i.ept_root}});
    if (invalidation_i.ept_root_valid) begin
      assert (n_sweep_root_valid && (&{e4_sweep_space_mask, e3_sweep_space_mask,
                                       e2_sweep_space_mask}));
    end else begin
      assert (!n_sweep_root_valid && !(|{e4_sweep_space_mask, e3_sweep_space_mask,
                                         e2_sweep_space_mask}));
    end
    assert ((e4_sweep_nonzero | e3_sweep_nonzero | e2_sweep_nonzero) == 0);
    assert (n_sweep_gpa_valid == invalidation_i.gpa_valid);
    assert (n_sweep_gpa == invalidation_i.gpa >> 12);
    assert (c2_sweep_address == invalidation_i.linear >> 21);
    assert (c3_sweep_address == invalidation_i.linear >> 30);
    assert (c4_sweep_address == invalidation_i.linear >> 39);
    assert (e2_sweep_address == invalidation_i.gpa >> 21);
    assert (e3_sweep_address == invalidation_i.gpa >> 30);
    assert (e4_sweep_address == invalidation_i.gpa >> 39);
    assert (c2_sweep_address_valid == invalidation_i.linear_valid
            && c3_sweep_address_valid == invalidation_i.linear_valid
            && c4_sweep_address_valid == invalidation_i.linear_valid);
    assert (e2_sweep_address_valid == invalidation_i.gpa_valid
            && e3_sweep_address_valid == invalidation_i.gpa_valid
            && e4_sweep_address_valid == invalidation_i.gpa_valid);
  end

endmodule
