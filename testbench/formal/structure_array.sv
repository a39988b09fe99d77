// Proof: what a structure cache's array holds of any address in any space is what was filled last,
// as long as nothing filled since covers any of the same addresses, no sweep fitted it, and it was
// not the victim of a fill that found no entry free. A look-up finds that and nothing else. A fill
// goes to the lowest free entry, or to the victim; look-ups that hit and fills are uses. With four
// entries.
// Engine: induction 1
// See: valid = u_array.valid_q
// See: wide = u_array.wide_q
// See: addresses = u_array.address_q[0..3]
// See: spaces = u_array.space_q[0..3]
// See: contents = u_array.data_q[0..3]
// See: victim = u_array.u_tree_plru.victim_o
// See: used = u_array.u_tree_plru.used_i
// See: used_index = u_array.u_tree_plru.index_i
// See: chooses = u_array.u_tree_plru.choose_i
// Bug: rtl/structure_array.sv:
//   `(wide_q[entry] || wide_i || address_q[entry][0] == address_i[0])`
//   -> `(wide_q[entry] || address_q[entry][0] == address_i[0])`
// Bug: rtl/structure_array.sv:
//   `(sweep_nonzero_i == '0 || (space_q[entry] & sweep_nonzero_i) != '0)`
//   -> `(sweep_nonzero_i == '0 || (space_q[entry] & sweep_nonzero_i) == sweep_nonzero_i)`
// Bug: rtl/structure_array.sv:
//   `address_q[entry] == address_i && wide_q[entry] == wide_i`
//   -> `address_q[entry] == address_i`
// Bug: rtl/structure_array.sv:
//   `valid_q <= kept;`
//   -> `valid_q <= valid_q;`

module structure_array_proof (
  input logic        clk_i,
  input logic [17:0] chosen_address_i,
  input logic [15:0] chosen_space_i,
  input logic [17:0] address_i,
  input logic        wide_i,
  input logic [15:0] space_i,
  input logic        ask_i,
  input logic        fill_i,
  input logic [7:0]  data_i,
  input logic        sweep_i,
  input logic [17:0] sweep_address_i,
  input logic        sweep_address_valid_i,
  input logic [15:0] sweep_space_i,
  input logic [15:0] sweep_space_mask_i,
  input logic [15:0] sweep_nonzero_i
);

  // Any address and space, but one and the same.
  logic        rst_n = 1'b0;
  logic [17:0] address_q;
  logic [15:0] space_q;
  always_ff @(posedge clk_i) begin
    rst_n <= 1'b1;
    if (!rst_n) begin
      address_q <= chosen_address_i;
      space_q <= chosen_space_i;
    end
  end

  logic       hit;
  logic [7:0] data;

  structure_array #(
    .Entries    (4),
    .AddressBits(18),
    .SpaceBits  (16),
    .DataBits   (8)
  ) u_array (
    .clk_i,
    .rst_ni(rst_n),
    .address_i,
    .wide_i,
    .space_i,
    .ask_i,
    .hit_o (hit),
    .data_o(data),
    .fill_i,
    .data_i,
    .sweep_i,
    .sweep_address_i,
    .sweep_address_valid_i,
    .sweep_space_i,
    .sweep_space_mask_i,
    .sweep_nonzero_i
  );

  wire [3:0]      valid;
  wire [3:0]      wide;
  wire [4*18-1:0] addresses;
  wire [4*16-1:0] spaces;
  wire [4*8-1:0]  contents;
  wire [1:0]      victim;
  wire            used;
  wire [1:0]      used_index;
  wire            chooses;

  // What is held of the chosen address, and which entries a fill has to remove.
  logic [3:0]  covers;
  logic [3:0]  overlaps;
  logic [3:0]  equals;
  logic        held;
  logic        held_wide;
  logic [7:0]  held_data;
  logic [1:0]  held_at;
  logic        full;
  logic [1:0]  lowest;
  logic        even;  // the lowest address bit of what is wide is 0
  logic [17:0] address;

  always_comb begin
    covers = '0;
    overlaps = '0;
    equals = '0;
    held_wide = 1'b0;
    held_data = '0;
    held_at = '0;
    lowest = '0;
    full = 1'b1;
    even = 1'b1;
    for (int entry = 3; entry >= 0; entry = entry - 1) begin
      address = addresses[entry*18 +: 18];
      if (valid[entry]) begin
        if (wide[entry] && address[0]) even = 1'b0;
        if (spaces[entry*16 +: 16] == space_q) begin
          covers[entry] = address == address_q || (wide[entry] && address == address_q - 1);
        end
        if (spaces[entry*16 +: 16] == space_i) begin
          equals[entry] = address == address_i && wide[entry] == wide_i;
          overlaps[entry] = address == address_i
            || (wide[entry] && address + 1 == address_i)
            || (wide_i && address_i + 1 == address);
        end
      end
      if (covers[entry]) begin
        held_wide = wide[entry];
        held_data = contents[entry*8 +: 8];
        held_at = entry[1:0];
      end
      if (!valid[entry] || overlaps[entry]) begin
        lowest = entry[1:0];
        full = 1'b0;
      end
    end
    held = covers != 0;
  end

  // Whether the key, of a look-up or a fill, and the address of a sweep cover the chosen address.
  logic       of_space;
  logic       covered;
  logic       touched;  // or another address that what is held covers
  logic       swept;
  logic [1:0] place;    // of a fill

  always_comb begin
    of_space = space_i == space_q;
    covered = of_space && (address_i == address_q || (wide_i && address_i + 1 == address_q));
    touched = of_space
      && (covered || (held_wide && address_i == (address_q ^ 18'd1)));
    swept = (sweep_space_i & sweep_space_mask_i) == (space_q & sweep_space_mask_i);
    if (sweep_nonzero_i != 0 && (space_q & sweep_nonzero_i) == 0) swept = 1'b0;
    if (sweep_address_valid_i && sweep_address_i != address_q
        && !(held_wide && sweep_address_i == (address_q ^ 18'd1))) begin
      swept = 1'b0;
    end
    place = full ? victim : lowest;
  end

  // The cycle before, as it bears on what is held now.
  logic        begun_q;
  logic        fills_q;
  logic        replaces_q;  // fills what covers the chosen address
  logic        removes_q;
  logic        evicts_q;
  logic        wide_q;
  logic [7:0]  data_q;
  logic        was_held_q;
  logic        was_wide_q;
  logic [7:0]  was_data_q;
  logic [1:0]  place_q;
  logic [17:0] key_q;
  logic [15:0] key_space_q;

  always_ff @(posedge clk_i) begin
    begun_q <= rst_n;
    fills_q <= fill_i;
    replaces_q <= fill_i && covered;
    wide_q <= wide_i;
    data_q <= data_i;
    removes_q <= held && ((fill_i && touched) || (sweep_i && swept));
    was_held_q <= held;
    was_wide_q <= held_wide;
    was_data_q <= held_data;
    evicts_q <= fill_i && full && victim == held_at;
    place_q <= place;
    key_q <= address_i;
    key_space_q <= space_i;
  end

  always_comb begin
    // Of walk_caches: what is wide has an even address; one of the two in a cycle.
    assume (!(wide_i && address_i[0]));
    assume (!(ask_i && fill_i));
    assume (!(sweep_i && fill_i));

    if (rst_n) begin
      assert (even);
      assert ((covers & (covers - 4'd1)) == 0);

      if (!begun_q) begin
        assert (valid == 0);
      end else if (replaces_q) begin
        assert (held);
        assert (held_wide == wide_q);
        assert (held_data == data_q);
      end else if (was_held_q && !removes_q && !evicts_q) begin
        assert (held);
        assert (held_wide == was_wide_q);
        assert (held_data == was_data_q);
      end else begin
        assert (!held);
      end
      if (begun_q && fills_q) begin
        assert (valid[place_q]);
        assert (addresses[place_q*18 +: 18] == key_q);
        assert (spaces[place_q*16 +: 16] == key_space_q);
      end

      if (ask_i && covered) begin
        assert (hit == (held && held_wide == wide_i));
        if (hit) assert (data == held_data);
        if (hit) assert (equals[used_index]);
      end
      if (!ask_i) assert (!hit);
      assert (used == (hit || fill_i));
      assert (!fill_i || chooses);
      if (fill_i) assert (used_index == place);
    end
  end

endmodule
