// Proof: what a walk that succeeded says of the pages it found.
// Bug: rtl/translation.sv:
//   `guest_level_i < ept_level_i`
//   -> `guest_level_i > ept_level_i`
// Bug: rtl/translation.sv:
//   `guest_level_i == 3'd1 ?`
//   -> `guest_level_i != 3'd1 ?`

module translation_proof (
  input walker_pkg::mode_t       mode_i,
  input logic                    write_i,
  input logic [2:0]              guest_level_i,
  input logic [63:0]             guest_leaf_i,
  input logic [2:0]              ept_level_i,
  input logic [63:0]             ept_leaf_i,
  input walker_pkg::ept_rights_t ept_rights_i
);

  logic [2:0]              ept_page;
  logic [2:0]              page;
  logic [2:0]              effective;
  walker_pkg::ept_rights_t rights;
  logic                    dirty;
  logic                    global_page;
  logic [3:0]              key;

  translation u_translation (
    .mode_i,
    .write_i,
    .guest_level_i,
    .guest_leaf_i,
    .ept_level_i,
    .ept_leaf_i,
    .ept_rights_i,
    .ept_page_o   (ept_page),
    .page_o       (page),
    .memory_type_o(effective),
    .ept_rights_o (rights),
    .dirty_o      (dirty),
    .global_o     (global_page),
    .key_o        (key)
  );

  // The memory type itself has a proof of its own; here, what it is made from.
  logic [2:0] index;
  logic [2:0] expected_type;

  memory_type u_expected (
    .mode_i,
    .ept_type_i  (ept_leaf_i[5:3]),
    .ignore_pat_i(mode_i.ept & ept_leaf_i[6]),
    .paged_i     (guest_level_i != 0),
    .pat_index_i (index),
    .type_o      (expected_type)
  );

  logic paged;
  logic guest_dirty;
  logic ept_dirty;

  always_comb begin
    paged = guest_level_i != 0;
    index = {guest_level_i == 1 ? guest_leaf_i[7] : guest_leaf_i[12], guest_leaf_i[4:3]};
    guest_dirty = write_i | !paged | guest_leaf_i[6];
    ept_dirty = write_i | !mode_i.ept_flags | ept_leaf_i[9];
  end

  always_comb begin
    assume (guest_level_i <= 3);
    assume (ept_level_i >= 1 && ept_level_i <= 3);
    assume (mode_i.ept || !mode_i.ept_flags);
    assume (!paged || mode_i.paging);

    assert (ept_page == (mode_i.ept ? ept_level_i : 3'd0));
    case ({paged, mode_i.ept})
      2'b11: assert (page == (guest_level_i < ept_level_i ? guest_level_i : ept_level_i));
      2'b10: assert (page == guest_level_i);
      2'b01: assert (page == ept_level_i);
      default: ;
    endcase
    assert (effective == expected_type);
    if (mode_i.ept) begin
      assert (rights.read == ept_rights_i.read);
      assert (rights.write == ept_rights_i.write);
      assert (rights.execute == ept_rights_i.execute);
      assert (rights.user_execute
              == (mode_i.mode_based_execute ? ept_rights_i.user_execute : ept_rights_i.execute));
    end else begin
      assert (rights == 4'b1111);
    end
    assert (dirty == (guest_dirty & ept_dirty));
    assert (global_page == (paged & mode_i.global_pages & guest_leaf_i[8]));
    assert (key == (paged ? guest_leaf_i[62:59] : 4'd0));
  end

endmodule
