// The nested TLB: pages of guest-physical addresses, of 4 KiB, 2 MiB or 1 GiB, fully associative.

module nested_tlb #(
  parameter int unsigned Entries = 1  // a power of two
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,

  // Asked or filled, the address and the root are the same; at most one of the two in a cycle.
  input  logic [51:12]            gpa_i,
  input  logic [39:0]             root_i,
  input  logic                    ask_i,
  input  logic                    writes_page_i,  // the leaf's dirty flag must be set
  output logic [2:0]              level_o,        // of the leaf; 0: a miss
  output logic [63:0]             leaf_o,
  output walker_pkg::ept_rights_t rights_o,
  input  logic                    fill_i,
  input  logic [2:0]              level_i,
  input  logic [63:0]             leaf_i,
  input  walker_pkg::ept_rights_t rights_i,

  input  logic                    sweep_i,
  input  logic                    sweep_gpa_valid_i,
  input  logic [51:12]            sweep_gpa_i,
  input  logic                    sweep_root_valid_i,
  input  logic [39:0]             sweep_root_i
);

  localparam int unsigned IndexBits = Entries > 1 ? $clog2(Entries) : 1;

  logic [Entries-1:0] valid_q, kept, fitting;
  logic [39:0] page_q [Entries];  // bits within the page are 0
  logic [39:0] mask_q [Entries];  // and 0 here
  logic [39:0] root_q [Entries];
  logic [63:0] leaf_q [Entries];
  logic [2:0] level_q [Entries];
  logic [$bits(rights_i)-1:0] rights_q [Entries];
  logic [IndexBits-1:0] hit_index, free_index, fill_index, victim;
  logic [39:0] mask;
  logic hit, answers;

  always_comb begin
    hit = 1'b0;
    hit_index = '0;
    if (ask_i) begin  // one hits at most
      for (int entry = 0; entry < Entries; entry = entry + 1) begin
        if ((gpa_i & mask_q[entry]) == page_q[entry] && valid_q[entry]) begin
          if (root_q[entry] == root_i) begin
            hit = 1'b1;
            hit_index = hit_index | entry[IndexBits-1:0];
          end
        end
      end
    end
  end

  assign leaf_o = leaf_q[hit_index];
  assign rights_o = rights_q[hit_index];
  assign answers = hit & (~writes_page_i | leaf_o[arch_pkg::EptEntryDirty]);
  assign level_o = answers ? level_q[hit_index] : 3'd0;

  // What covers any of the same addresses gives way.
  always_comb begin
    unique case (level_i)
      3'd3: mask = {{22{1'b1}}, 18'd0};
      3'd2: mask = {{31{1'b1}}, 9'd0};
      default: mask = '1;
    endcase
    kept = valid_q;
    if (fill_i) begin
      for (int entry = 0; entry < Entries; entry = entry + 1) begin
        if ((gpa_i & mask & mask_q[entry]) == (page_q[entry] & mask)) begin
          if (root_q[entry] == root_i) begin
            kept[entry] = 1'b0;
          end
        end
      end
    end
  end

  lowest_set #(.Bits(Entries), .IndexBits(IndexBits)) u_free (
    .bits_i(fill_i ? ~kept : '0),
    .index_o(free_index)
  );
  assign fill_index = (&kept) ? victim : free_index;

  tree_plru #(.Entries(Entries), .IndexBits(IndexBits)) u_tree_plru (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .used_i(answers | fill_i),
    .index_i(fill_i ? fill_index : hit_index),
    .choose_i(fill_i),
    .victim_o(victim)
  );

  always_comb begin
    fitting = '0;
    if (sweep_i) begin
      for (int entry = 0; entry < Entries; entry = entry + 1) begin
        fitting[entry] =
            (!sweep_root_valid_i || root_q[entry] == sweep_root_i) &&
            (!sweep_gpa_valid_i || (sweep_gpa_i & mask_q[entry]) == page_q[entry]);
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else if (sweep_i) begin
      valid_q <= valid_q & ~fitting;
    end else if (fill_i) begin
      valid_q <= kept;
      valid_q[fill_index] <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (fill_i) begin
      page_q[fill_index] <= gpa_i & mask;
      mask_q[fill_index] <= mask;
      root_q[fill_index] <= root_i;
      leaf_q[fill_index] <= leaf_i;
      level_q[fill_index] <= level_i;
      rights_q[fill_index] <= rights_i;
    end
  end

endmodule
