// Tree pseudo-LRU: a bit per inner node of a binary tree over the entries points away from the half
// used last; the victim is where the bits point.

module tree_plru #(
  parameter int unsigned Entries = 2,  // a power of two
  parameter int unsigned IndexBits = 1
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 used_i,
  input  logic [IndexBits-1:0] index_i,
  input  logic                 choose_i,
  output logic [IndexBits-1:0] victim_o  // if choose_i
);

  if (Entries == 0 || (Entries & (Entries - 1)) != 0) begin : gen_no_tree
    $error("Entries must be a power of two");
  end

  // Node 1 is the root, below node n are 2n and 2n+1. A set bit points to the upper half.
  logic [Entries-1:0] upper_q, upper_d;
  logic [IndexBits-1:0] used_node, victim_node;

  always_comb begin
    upper_d = upper_q;
    used_node = '0;
    used_node[0] = 1'b1;
    if (Entries > 1 && used_i) begin
      for (int level = IndexBits - 1; level >= 0; level = level - 1) begin
        upper_d[used_node] = ~index_i[level];
        used_node = used_node << 1;
        used_node[0] = index_i[level];
      end
    end
  end

  always_comb begin
    victim_o = '0;
    victim_node = '0;
    victim_node[0] = 1'b1;
    if (Entries > 1 && choose_i) begin
      for (int level = IndexBits - 1; level >= 0; level = level - 1) begin
        victim_o[level] = upper_q[victim_node];
        victim_node = victim_node << 1;
        victim_node[0] = victim_o[level];
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      upper_q <= '0;
    end else if (used_i) begin
      upper_q <= upper_d;
    end
  end

endmodule
