// Proof: the victim lies, below each inner node on the way to it, in the half that was not the last
// used of the two, and in the lower before any use. So it is not the entry used last. With 64
// entries, and with 2.
// Engine: smt 1
// See: points = u_tree.upper_q
// See: point = u_pair.upper_q
// Bug: rtl/tree_plru.sv:
//   `upper_d[used_node] = ~index_i[level];`
//   -> `upper_d[used_node] = index_i[level];`
// Bug: rtl/tree_plru.sv:
//   `victim_node = victim_node << 1;`
//   -> `victim_node = victim_node;`

module tree_plru_proof (
  input logic       clk_i,
  input logic [2:0] depth_i,
  input logic [5:0] within_i,
  input logic       used_i,
  input logic [5:0] index_i,
  input logic       choose_i
);

  logic       rst_n = 1'b0;
  logic [5:0] victim;
  logic       pair_victim;

  tree_plru #(.Entries(64), .IndexBits(6)) u_tree (
    .clk_i,
    .rst_ni  (rst_n),
    .used_i,
    .index_i,
    .choose_i,
    .victim_o(victim)
  );

  tree_plru #(.Entries(2), .IndexBits(1)) u_pair (
    .clk_i,
    .rst_ni  (rst_n),
    .used_i,
    .index_i (index_i[0]),
    .choose_i,
    .victim_o(pair_victim)
  );

  wire [63:0] points;
  wire [1:0]  point;

  // Any inner node, but one and the same: the one at this depth that has this entry below it.
  logic [2:0] depth_q;
  logic [5:0] within_q;

  logic [5:0] above;         // bits of an index that say whether it is below the node
  logic [5:0] half;          // the bit that says in which half
  logic       upper_last_q;  // of the two halves
  logic       pair_last_q;
  logic       used_q;
  logic [5:0] last_q;

  always_comb begin
    half = 6'd32 >> depth_q;
    above = ~((half << 1) - 6'd1);
  end

  always_ff @(posedge clk_i) begin
    rst_n <= 1'b1;
    if (!rst_n) begin
      depth_q <= depth_i;
      within_q <= within_i;
      upper_last_q <= 1'b1;
      pair_last_q <= 1'b1;
      used_q <= 1'b0;
    end else if (used_i) begin
      if (((index_i ^ within_q) & above) == 0) upper_last_q <= (index_i & half) != 0;
      pair_last_q <= index_i[0];
      used_q <= 1'b1;
      last_q <= index_i;
    end
  end

  // Where the node's bit stands.
  logic [5:0] node;
  always_comb begin
    node = (6'd1 << depth_q) + (within_q >> (6 - depth_q));
  end

  always_comb begin
    if (!rst_n) assume (depth_i <= 5);
    if (rst_n) begin
      assert (depth_q <= 5);
      assert (points[node] == !upper_last_q);
      assert (point[1] == !pair_last_q);
      if (choose_i) begin
        if (((victim ^ within_q) & above) == 0) begin
          assert (((victim & half) != 0) == !upper_last_q);
        end
        assert (pair_victim == !pair_last_q);
        if (used_q && depth_q == 0) assert (victim != last_q);
      end
      if (used_q && depth_q == 0) assert ((last_q >= 32) == upper_last_q);
    end
  end

endmodule
