// Proof: what a walk that succeeded says of the pages it found.
// Bug: rtl/translation.sv:
//   `guest_level_i < ept_level_i`
//   -> `guest_level_i > ept_level_i`
// Bug: rtl/translation.sv:
//   `guest_level_i == 3'd1 ?`
//   -> `guest_level_i != 3'd1 ?`
// Bug: rtl/translation.sv:
//   `(mode_i.narrow && guest_level_i == 3'd2) ? 3'd4`
//   -> `(mode_i.narrow && guest_level_i == 3'd2) ? 3'd2`
// Bug: rtl/translation.sv:
//   `restart_level_i < page_o`
//   -> `restart_level_i > page_o`

module translation_proof (
  input walker_pkg::mode_t       mode_i,
  input logic                    write_i,
  input logic [2:0]              guest_level_i,
  input logic [63:0]             guest_leaf_i,
  input logic [2:0]              restart_level_i,
  input logic [2:0]              ept_level_i,
  input logic [63:0]             ept_leaf_i,
  input walker_pkg::ept_rights_t ept_rights_i
);

  logic [2:0]              guest_page;
  logic [2:0]              ept_page;
  logic [2:0]              page;
  logic [2:0]              effective;
  walker_pkg::ept_rights_t rights;
  logic                    dirty;
  logic                    global_page;
  logic [3:0]              key;

  translation u_translation (
    .asked_i(1'b1),
    .mode_i,
    .write_i,
    .guest_level_i,
    .guest_leaf_i,
    .restart_level_i,
    .ept_level_i,
    .ept_leaf_i,
    .ept_rights_i,
    .guest_page_o (guest_page),
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

  // Sizes in bits of the offset; what is not translated limits nothing.
  logic       paged;
  logic [5:0] guest_bits;
  logic [5:0] ept_bits;
  logic [5:0] restart_bits;
  logic [5:0] bits;
  logic [5:0] page_bits;

  always_comb begin
    paged = guest_level_i != 0;
    case ({paged, mode_i.narrow, guest_level_i})
      {2'b10, 3'd1}, {2'b11, 3'd1}: guest_bits = 12;
      {2'b10, 3'd2}: guest_bits = 21;
      {2'b11, 3'd2}: guest_bits = 22;
      {2'b10, 3'd3}: guest_bits = 30;
      default: guest_bits = 63;
    endcase
    case ({mode_i.ept, ept_level_i})
      {1'b1, 3'd1}: ept_bits = 12;
      {1'b1, 3'd2}: ept_bits = 21;
      {1'b1, 3'd3}: ept_bits = 30;
      default: ept_bits = 63;
    endcase
    // What the entry that restarted covers.
    case (restart_level_i)
      3'd1: restart_bits = 12;
      3'd2: restart_bits = 21;
      3'd3: restart_bits = 30;
      default: restart_bits = 63;
    endcase
    bits = guest_bits < ept_bits ? guest_bits : ept_bits;
    bits = restart_bits < bits ? restart_bits : bits;
    case (page)
      3'd1: page_bits = 12;
      3'd2: page_bits = 21;
      3'd3: page_bits = 30;
      3'd4: page_bits = 22;
      default: page_bits = 0;
    endcase
  end

  // Flags that may have to be set for a later write.
  logic [1:0] clear;
  always_comb begin
    index = {guest_level_i == 1 ? guest_leaf_i[7] : guest_leaf_i[12], guest_leaf_i[4:3]};
    clear = 2'b00;
    if (!write_i) begin
      if (paged) clear[0] = !guest_leaf_i[6];
      if (mode_i.ept_flags) clear[1] = !ept_leaf_i[9];
    end
  end

  always_comb begin
    assume (guest_level_i <= (mode_i.narrow ? 2 : 3));
    assume (ept_level_i >= 1 && ept_level_i <= 3);
    assume (mode_i.ept || !mode_i.ept_flags);
    // In 4-level and 5-level paging, with the EPT.
    assume (restart_level_i == 0 || (!mode_i.narrow && mode_i.ept));
    assume (!paged || mode_i.paging);

    case (guest_page)
      3'd0: assert (!paged);
      3'd1: assert (guest_bits == 12);
      3'd2: assert (guest_bits == 21);
      3'd3: assert (guest_bits == 30);
      3'd4: assert (guest_bits == 22);
      default: assert (0);
    endcase
    assert (ept_page == (mode_i.ept ? ept_level_i : 3'd0));
    assert (page_bits == (bits == 63 ? 12 : bits));
    assert (effective == expected_type);
    if (mode_i.ept) begin
      assert (rights.read == ept_rights_i.read);
      assert (rights.write == ept_rights_i.write);
      assert (rights.execute == ept_rights_i.execute);
      assert (rights.user_execute
              == (mode_i.mode_based_execute ? ept_rights_i.user_execute : ept_rights_i.execute));
      assert (rights.paging_write
              == (mode_i.paging_write ? ept_rights_i.paging_write : ept_rights_i.write));
      assert (rights.supervisor_shadow_stack == ept_rights_i.supervisor_shadow_stack);
    end else begin
      assert (&rights);
    end
    assert (dirty == (clear == 0));
    assert (global_page == (paged && mode_i.global_pages && guest_leaf_i[8]));
    assert (key == (paged ? guest_leaf_i[62:59] : 4'd0));
  end

endmodule
