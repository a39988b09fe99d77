// One fully associative array of a paging-structure cache: by part of an address and the space that
// the entry belongs to, what is held of the table below it.
//
// An entry may be a wide one, which covers twice the addresses: the lowest bit of its address is
// not compared, and given as 0.

module structure_array #(
  parameter int unsigned Entries = 1,  // a power of two
  parameter int unsigned AddressBits = 2,
  parameter int unsigned SpaceBits = 1,
  parameter int unsigned DataBits = 1
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,

  // Asked or filled, the key is the same; at most one of the two in a cycle.
  input  logic [AddressBits-1:0] address_i,
  input  logic                   wide_i,
  input  logic [SpaceBits-1:0]   space_i,
  input  logic                   ask_i,
  output logic                   hit_o,
  output logic [DataBits-1:0]    data_o,  // if it hit
  input  logic                   fill_i,
  input  logic [DataBits-1:0]    data_i,

  // Removed are entries that equal the key in the bits of the mask, and have one of the bits of
  // nonzero_i set, if it has any.
  input  logic                   sweep_i,
  input  logic [AddressBits-1:0] sweep_address_i,
  input  logic                   sweep_address_valid_i,
  input  logic [SpaceBits-1:0]   sweep_space_i,
  input  logic [SpaceBits-1:0]   sweep_space_mask_i,
  input  logic [SpaceBits-1:0]   sweep_nonzero_i
);

  localparam int unsigned IndexBits = Entries > 1 ? $clog2(Entries) : 1;

  logic [Entries-1:0] valid_q, wide_q, kept, fitting;
  logic [AddressBits-1:0] address_q [Entries];
  logic [SpaceBits-1:0] space_q [Entries];
  logic [DataBits-1:0] data_q [Entries];
  logic [IndexBits-1:0] hit_index, free_index, fill_index, victim;

  always_comb begin
    hit_o = 1'b0;
    hit_index = '0;
    if (ask_i) begin  // one hits at most
      for (int entry = 0; entry < Entries; entry = entry + 1) begin
        if (valid_q[entry] && address_q[entry] == address_i && wide_q[entry] == wide_i) begin
          if (space_q[entry] == space_i) begin
            hit_o = 1'b1;
            hit_index = hit_index | entry[IndexBits-1:0];
          end
        end
      end
    end
  end

  assign data_o = data_q[hit_index];

  // What covers any of the same addresses gives way.
  always_comb begin
    kept = valid_q;
    if (fill_i) begin
      for (int entry = 0; entry < Entries; entry = entry + 1) begin
        if (address_q[entry][AddressBits-1:1] == address_i[AddressBits-1:1] &&
            (wide_q[entry] || wide_i || address_q[entry][0] == address_i[0])) begin
          if (space_q[entry] == space_i) begin
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
    .used_i(hit_o | fill_i),
    .index_i(fill_i ? fill_index : hit_index),
    .choose_i(fill_i),
    .victim_o(victim)
  );

  always_comb begin
    fitting = '0;
    if (sweep_i) begin
      for (int entry = 0; entry < Entries; entry = entry + 1) begin
        fitting[entry] =
            ((space_q[entry] ^ sweep_space_i) & sweep_space_mask_i) == '0 &&
            (sweep_nonzero_i == '0 || (space_q[entry] & sweep_nonzero_i) != '0) &&
            (!sweep_address_valid_i ||
             (address_q[entry][AddressBits-1:1] == sweep_address_i[AddressBits-1:1] &&
              (wide_q[entry] || address_q[entry][0] == sweep_address_i[0])));
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
      address_q[fill_index] <= address_i;
      wide_q[fill_index] <= wide_i;
      space_q[fill_index] <= space_i;
      data_q[fill_index] <= data_i;
    end
  end

endmodule
