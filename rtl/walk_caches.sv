// The walker's caches: the combined and the EPT paging-structure caches, an array per level of the
// last entry that a hit skips, and the nested TLB. What is asked or filled in a cycle concerns one
// walk: its linear address, its guest-physical address in translation and its space.

module walk_caches #(
  parameter int unsigned CombinedPml4e = 0,
  parameter int unsigned CombinedPdpte = 0,
  parameter int unsigned CombinedPde = 0,
  parameter int unsigned EptPml4e = 0,
  parameter int unsigned EptPdpte = 0,
  parameter int unsigned EptPde = 0,
  parameter int unsigned NestedTlb = 0
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,

  input  walker_pkg::space_t           space_i,
  input  logic [56:0]                  linear_i,
  input  logic                         wide_pde_i,  // a PDE covers 4 MiB
  input  logic [51:0]                  gpa_i,

  // Look-ups. Levels are 0 where nothing hits.
  input  logic                         asks_combined_i,
  input  logic [2:0]                   guest_root_level_i,
  output logic [2:0]                   combined_level_o,
  output walker_pkg::guest_table_t     combined_table_o,
  input  logic                         asks_ept_i,
  input  logic                         writes_page_i,
  output logic [2:0]                   nested_level_o,
  output logic [63:0]                  nested_leaf_o,
  output walker_pkg::ept_rights_t      nested_rights_o,
  output logic [2:0]                   ept_level_o,
  output walker_pkg::ept_table_t       ept_table_o,

  // Fills.
  input  logic                         may_fill_i,
  input  logic [4:2]                   combined_fills_i,
  input  walker_pkg::guest_table_t     combined_pml4e_i,
  input  walker_pkg::guest_table_t     combined_pdpte_i,
  input  walker_pkg::guest_table_t     combined_pde_i,
  input  logic [4:2]                   ept_fills_i,
  input  walker_pkg::ept_table_t       ept_pml4e_i,
  input  walker_pkg::ept_table_t       ept_pdpte_i,
  input  walker_pkg::ept_table_t       ept_pde_i,
  input  logic                         nested_fills_i,
  input  logic [2:0]                   nested_level_i,
  input  logic [63:0]                  nested_leaf_i,
  input  walker_pkg::ept_rights_t      nested_rights_i,

  input  logic                         invalidation_valid_i,
  input  walker_pkg::invalidation_t    invalidation_i,
  input  walker_pkg::caches_disabled_t disabled_i
);

  localparam int unsigned SpaceBits = $bits(space_i);
  localparam int unsigned GuestTableBits = $bits(combined_pde_i);
  localparam int unsigned EptTableBits = $bits(ept_pde_i);

  logic sweeps_combined, sweeps_guest_physical;
  walker_pkg::space_t sweep_space, sweep_space_mask, sweep_nonzero;

  invalidation_scope u_invalidation_scope (
    .valid_i(invalidation_valid_i),
    .scope_i(invalidation_i),
    .sweeps_combined_o(sweeps_combined),
    .space_o(sweep_space),
    .space_mask_o(sweep_space_mask),
    .space_nonzero_o(sweep_nonzero),
    .sweeps_guest_physical_o(sweeps_guest_physical)
  );

  logic may_fill;
  logic [4:2] combined_fills, ept_fills;
  assign may_fill = may_fill_i & ~invalidation_valid_i;
  assign combined_fills = (may_fill & ~disabled_i.combined) ? combined_fills_i : '0;
  assign ept_fills = (may_fill & ~disabled_i.ept) ? ept_fills_i : '0;

  // ---------------------------------------------------------------------------------------------
  // Combined: from the lowest level up, and no further once one hits

  logic combined_asked;
  logic [4:2] combined_hits;
  walker_pkg::guest_table_t combined_pml4e, combined_pdpte, combined_pde;
  assign combined_asked = asks_combined_i & ~disabled_i.combined;

  if (CombinedPde != 0) begin : gen_combined_pde
    structure_array #(
      .Entries(CombinedPde),
      .AddressBits(36),
      .SpaceBits(SpaceBits),
      .DataBits(GuestTableBits)
    ) u_array (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .address_i({linear_i[56:22], linear_i[21] & ~wide_pde_i}),
      .wide_i(wide_pde_i),
      .space_i(space_i),
      .ask_i(combined_asked),
      .hit_o(combined_hits[2]),
      .data_o(combined_pde),
      .fill_i(combined_fills[2]),
      .data_i(combined_pde_i),
      .sweep_i(sweeps_combined),
      .sweep_address_i(invalidation_i.linear[56:21]),
      .sweep_address_valid_i(invalidation_i.linear_valid),
      .sweep_space_i(sweep_space),
      .sweep_space_mask_i(sweep_space_mask),
      .sweep_nonzero_i(sweep_nonzero)
    );
  end else begin : gen_no_combined_pde
    assign combined_hits[2] = 1'b0;
    assign combined_pde = '0;
  end

  if (CombinedPdpte != 0) begin : gen_combined_pdpte
    structure_array #(
      .Entries(CombinedPdpte),
      .AddressBits(27),
      .SpaceBits(SpaceBits),
      .DataBits(GuestTableBits)
    ) u_array (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .address_i(linear_i[56:30]),
      .wide_i(1'b0),
      .space_i(space_i),
      .ask_i(combined_asked & ~combined_hits[2] & (guest_root_level_i >= 3'd3)),
      .hit_o(combined_hits[3]),
      .data_o(combined_pdpte),
      .fill_i(combined_fills[3]),
      .data_i(combined_pdpte_i),
      .sweep_i(sweeps_combined),
      .sweep_address_i(invalidation_i.linear[56:30]),
      .sweep_address_valid_i(invalidation_i.linear_valid),
      .sweep_space_i(sweep_space),
      .sweep_space_mask_i(sweep_space_mask),
      .sweep_nonzero_i(sweep_nonzero)
    );
  end else begin : gen_no_combined_pdpte
    assign combined_hits[3] = 1'b0;
    assign combined_pdpte = '0;
  end

  if (CombinedPml4e != 0) begin : gen_combined_pml4e
    structure_array #(
      .Entries(CombinedPml4e),
      .AddressBits(18),
      .SpaceBits(SpaceBits),
      .DataBits(GuestTableBits)
    ) u_array (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .address_i(linear_i[56:39]),
      .wide_i(1'b0),
      .space_i(space_i),
      .ask_i(combined_asked & (combined_hits[3:2] == '0) & (guest_root_level_i >= 3'd4)),
      .hit_o(combined_hits[4]),
      .data_o(combined_pml4e),
      .fill_i(combined_fills[4]),
      .data_i(combined_pml4e_i),
      .sweep_i(sweeps_combined),
      .sweep_address_i(invalidation_i.linear[56:39]),
      .sweep_address_valid_i(invalidation_i.linear_valid),
      .sweep_space_i(sweep_space),
      .sweep_space_mask_i(sweep_space_mask),
      .sweep_nonzero_i(sweep_nonzero)
    );
  end else begin : gen_no_combined_pml4e
    assign combined_hits[4] = 1'b0;
    assign combined_pml4e = '0;
  end

  always_comb begin
    combined_level_o = 3'd0;
    combined_table_o = combined_pde;
    if (combined_hits[2]) begin
      combined_level_o = 3'd2;
    end else if (combined_hits[3]) begin
      combined_level_o = 3'd3;
      combined_table_o = combined_pdpte;
    end else if (combined_hits[4]) begin
      combined_level_o = 3'd4;
      combined_table_o = combined_pml4e;
    end
  end

  // ---------------------------------------------------------------------------------------------
  // Nested TLB

  if (NestedTlb != 0) begin : gen_nested_tlb
    nested_tlb #(.Entries(NestedTlb)) u_nested_tlb (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .gpa_i(gpa_i[51:12]),
      .root_i(space_i.ept_root),
      .ask_i(asks_ept_i & ~disabled_i.nested_tlb),
      .writes_page_i(writes_page_i),
      .level_o(nested_level_o),
      .leaf_o(nested_leaf_o),
      .rights_o(nested_rights_o),
      .fill_i(nested_fills_i & may_fill & ~disabled_i.nested_tlb),
      .level_i(nested_level_i),
      .leaf_i(nested_leaf_i),
      .rights_i(nested_rights_i),
      .sweep_i(sweeps_guest_physical),
      .sweep_gpa_valid_i(invalidation_i.gpa_valid),
      .sweep_gpa_i(invalidation_i.gpa[51:12]),
      .sweep_root_valid_i(invalidation_i.ept_root_valid),
      .sweep_root_i(invalidation_i.ept_root)
    );
  end else begin : gen_no_nested_tlb
    assign nested_level_o = 3'd0;
    assign nested_leaf_o = '0;
    assign nested_rights_o = '0;
  end

  // ---------------------------------------------------------------------------------------------
  // EPT: where the nested TLB does not answer, from the lowest level up

  logic ept_asked;
  logic [4:2] ept_hits;
  walker_pkg::ept_table_t ept_pml4e, ept_pdpte, ept_pde;
  assign ept_asked = asks_ept_i & (nested_level_o == 3'd0) & ~disabled_i.ept;

  if (EptPde != 0) begin : gen_ept_pde
    structure_array #(
      .Entries(EptPde),
      .AddressBits(31),
      .SpaceBits(40),
      .DataBits(EptTableBits)
    ) u_array (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .address_i(gpa_i[51:21]),
      .wide_i(1'b0),
      .space_i(space_i.ept_root),
      .ask_i(ept_asked),
      .hit_o(ept_hits[2]),
      .data_o(ept_pde),
      .fill_i(ept_fills[2]),
      .data_i(ept_pde_i),
      .sweep_i(sweeps_guest_physical),
      .sweep_address_i(invalidation_i.gpa[51:21]),
      .sweep_address_valid_i(invalidation_i.gpa_valid),
      .sweep_space_i(invalidation_i.ept_root),
      .sweep_space_mask_i({40{invalidation_i.ept_root_valid}}),
      .sweep_nonzero_i('0)
    );
  end else begin : gen_no_ept_pde
    assign ept_hits[2] = 1'b0;
    assign ept_pde = '0;
  end

  if (EptPdpte != 0) begin : gen_ept_pdpte
    structure_array #(
      .Entries(EptPdpte),
      .AddressBits(22),
      .SpaceBits(40),
      .DataBits(EptTableBits)
    ) u_array (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .address_i(gpa_i[51:30]),
      .wide_i(1'b0),
      .space_i(space_i.ept_root),
      .ask_i(ept_asked & ~ept_hits[2]),
      .hit_o(ept_hits[3]),
      .data_o(ept_pdpte),
      .fill_i(ept_fills[3]),
      .data_i(ept_pdpte_i),
      .sweep_i(sweeps_guest_physical),
      .sweep_address_i(invalidation_i.gpa[51:30]),
      .sweep_address_valid_i(invalidation_i.gpa_valid),
      .sweep_space_i(invalidation_i.ept_root),
      .sweep_space_mask_i({40{invalidation_i.ept_root_valid}}),
      .sweep_nonzero_i('0)
    );
  end else begin : gen_no_ept_pdpte
    assign ept_hits[3] = 1'b0;
    assign ept_pdpte = '0;
  end

  if (EptPml4e != 0) begin : gen_ept_pml4e
    structure_array #(
      .Entries(EptPml4e),
      .AddressBits(13),
      .SpaceBits(40),
      .DataBits(EptTableBits)
    ) u_array (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .address_i(gpa_i[51:39]),
      .wide_i(1'b0),
      .space_i(space_i.ept_root),
      .ask_i(ept_asked & (ept_hits[3:2] == '0)),
      .hit_o(ept_hits[4]),
      .data_o(ept_pml4e),
      .fill_i(ept_fills[4]),
      .data_i(ept_pml4e_i),
      .sweep_i(sweeps_guest_physical),
      .sweep_address_i(invalidation_i.gpa[51:39]),
      .sweep_address_valid_i(invalidation_i.gpa_valid),
      .sweep_space_i(invalidation_i.ept_root),
      .sweep_space_mask_i({40{invalidation_i.ept_root_valid}}),
      .sweep_nonzero_i('0)
    );
  end else begin : gen_no_ept_pml4e
    assign ept_hits[4] = 1'b0;
    assign ept_pml4e = '0;
  end

  always_comb begin
    ept_level_o = 3'd0;
    ept_table_o = ept_pde;
    if (ept_hits[2]) begin
      ept_level_o = 3'd2;
    end else if (ept_hits[3]) begin
      ept_level_o = 3'd3;
      ept_table_o = ept_pdpte;
    end else if (ept_hits[4]) begin
      ept_level_o = 3'd4;
      ept_table_o = ept_pml4e;
    end
  end

endmodule
