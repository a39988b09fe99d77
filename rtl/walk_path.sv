// The path of each walk through the tables.
//
// The first step, a look-up in the caches or the answer to the last memory request is followed in
// its own cycle as far as it goes; the end of the path is the next memory request, the next look-up
// or the response.
//
//   first ─► refused
//        └► linear, with paging ────────────────────────────────► look up combined caches
//        └► begin
//   combined look-up ─► hit ────────────────────────────────────► read the guest entry
//                    └► miss ─► begin
//   begin ─► new guest-physical address
//   new guest-physical address ─────────────────────────────────► look up nested TLB, EPT caches
//                              └► EPT off: located
//   EPT look-up ─► nested hit ─► rights ─► located
//               └► EPT hit, miss ───────────────────────────────► read the EPT entry below, root's
//   EPT entry ─► descend ───────────────────────────────────────► read the next EPT entry
//             └► leaf ─► rights ─► sub-pages ───────────────────► read their uppermost entry
//                               └► flags due ───────────────────► swap an EPT entry
//                               └► located
//   sub-pages' entry ─► descend ────────────────────────────────► read the next one
//                    └► vector ─► flags due, located, as above
//   located ─► guest table ─────────────────────────────────────► read the guest entry
//           └► the access's own ─► translated
//   swap of an EPT entry ─► page to be logged ──────────────────► store its address in the log
//                        └► further flags, as above
//   guest entry ─► accessed due ────────────────────────────────► swap the guest entry
//               └► restart from CR3 ─► new guest-physical address
//               └► descend ─► new guest-physical address
//               └► leaf ─► rights ─► dirty due ─────────────────► swap the guest entry
//                                 └► new guest-physical address
//   a right missing, after a hit ─► begin again, without look-ups
//   EPT violation ─► virtualization exception ──────────────────► load, and store, its information

module walk_path #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1,
  parameter bit HasCombined = 1'b0,
  parameter bit HasGuestPhysical = 1'b0
) (
  input  logic                      clk_i,
  input  logic [SlotBits-1:0]       slot_i,
  input  walker_pkg::mode_t         mode_i,
  input  logic                      pdpte_present_i,
  input  logic                      walks_guest_i,  // linear, with paging
  input  logic [56:0]               address_i,      // of the request
  input  logic [39:0]               hlat_root_i,

  // What happens.
  input  logic                      first_i,
  input  logic                      refused_i,  // the first step's address
  input  logic                      steps_i,
  input  logic                      right_missing_i,
  // Look-ups.
  input  logic                      combined_missed_i,
  input  logic                      combined_hit_i,
  input  logic [2:0]                combined_level_i,
  input  logic [39:0]               combined_frame_i,
  input  walker_pkg::guest_rights_t combined_rights_i,
  input  logic                      combined_verified_i,
  input  logic                      nested_hit_i,
  input  logic                      ept_missed_i,
  input  logic                      ept_hit_i,
  input  logic [2:0]                ept_hit_level_i,
  input  walker_pkg::ept_table_t    ept_hit_table_i,
  // The guest entry in hand.
  input  logic                      restarts_i,
  input  logic                      guest_descends_i,
  input  logic                      guest_done_i,
  input  logic [39:0]               guest_frame_i,
  input  walker_pkg::guest_rights_t entry_rights_i,  // and of all levels above
  // The EPT entry in hand.
  input  logic                      ept_descends_i,
  input  logic                      ept_done_i,
  input  logic [2:0]                ept_next_level_i,
  input  logic [39:0]               ept_next_frame_i,
  input  logic [2:0]                ept_leaf_level_i,
  input  logic [63:0]               ept_leaf_i,
  input  walker_pkg::ept_rights_t   ept_rights_i,
  input  logic                      reads_sub_page_i,

  // Where the walk is.
  output logic [2:0]                guest_root_level_o,
  output logic [2:0]                guest_level_o,  // of the entry being located or read, or 0
  output logic                      hlat_o,         // that entry is one of the HLAT tables
  output logic [2:0]                restart_level_o,
  output logic [51:0]               gpa_o,          // in translation
  output walker_pkg::guest_rights_t guest_rights_o,
  output logic                      verified_o,  // guest tables' pages so far: paging-write access
  output logic [15:0]               references_o,

  // Where it goes.
  output logic                      begins_again_o,
  output logic                      asks_combined_o,
  output logic                      asks_ept_o,
  output logic                      pdpte_absent_o,
  output logic                      too_wide_o,
  output logic                      begins_ept_o,  // with the entry of this level, in this table
  output logic [2:0]                begin_level_o,
  output logic [39:0]               begin_frame_o,
  output walker_pkg::ept_rights_t   begin_rights_o,
  output logic                      reads_ept_o,
  output logic                      reads_guest_o,
  output logic [2:0]                new_guest_level_o,
  output logic                      new_hlat_o,
  output logic [2:0]                guest_leaf_level_o,
  output walker_pkg::guest_rights_t new_guest_rights_o,
  output logic [51:0]               new_gpa_o,  // unless it stays
  output logic [51:0]               hpa_o,
  output logic [2:0]                ept_level_o,  // of the EPT entry that comes next, or is named
  output logic [51:0]               ept_entry_address_o,

  input  logic [SlotBits-1:0]       memory_slot_i,
  output logic [2:0]                memory_guest_level_o,
  output logic                      memory_hlat_o,

  output logic [4:2]                fills_o,
  output walker_pkg::guest_table_t  pml4e_o,
  output walker_pkg::guest_table_t  pdpte_o,
  output walker_pkg::guest_table_t  pde_o
);

  // ---------------------------------------------------------------------------------------------
  // A new guest-physical address, or after a hit the address of the next guest entry

  logic [Walks-1:0] used_hit_q;   // what was found in a cache may be stale
  logic [Walks-1:0] no_lookup_q;  // begun again
  logic own_access, begins, new_gpa_due, ept_begins, flat, no_lookup;
  logic [2:0] ept_root_level;
  logic [51:0] guest_entry_address, new_gpa;

  assign own_access = guest_level_o == 3'd0;
  always_comb begin
    guest_root_level_o = mode_i.five_levels ? 3'd5 : 3'd4;
    if (!mode_i.long_mode) begin
      guest_root_level_o = 3'd2;
    end
  end
  assign ept_root_level = mode_i.ept_five_levels ? 3'd5 : 3'd4;

  assign begins_again_o = right_missing_i & (used_hit_q[slot_i] | nested_hit_i);
  assign asks_combined_o = HasCombined & first_i & ~refused_i & walks_guest_i;
  assign begins = (first_i & ~refused_i & ~asks_combined_o) | combined_missed_i | begins_again_o |
                  restarts_i;
  assign pdpte_absent_o = begins & walks_guest_i & mode_i.pae & ~pdpte_present_i;
  assign new_gpa_due = (begins & ~pdpte_absent_o) | guest_descends_i | guest_done_i;

  guest_location #(.Walks(Walks), .SlotBits(SlotBits)) u_guest_location (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .mode_i(mode_i),
    .walks_guest_i(walks_guest_i),
    .root_level_i(guest_root_level_o),
    .hlat_root_i(hlat_root_i),
    .address_i(address_i),
    .level_o(guest_level_o),
    .hlat_o(hlat_o),
    .restart_level_o(restart_level_o),
    .gpa_o(gpa_o),
    .rights_o(guest_rights_o),
    .due_i(new_gpa_due),
    .begins_i(begins),
    .restarts_i(restarts_i),
    .first_i(first_i),
    .hit_i(combined_hit_i),
    .hit_level_i(combined_level_i),
    .hit_frame_i(combined_frame_i),
    .hit_rights_i(combined_rights_i),
    .done_i(guest_done_i),
    .descends_i(guest_descends_i),
    .entry_frame_i(guest_frame_i),
    .entry_rights_i(entry_rights_i),
    .new_level_o(new_guest_level_o),
    .new_hlat_o(new_hlat_o),
    .leaf_level_o(guest_leaf_level_o),
    .new_rights_o(new_guest_rights_o),
    .entry_address_o(guest_entry_address),
    .new_gpa_o(new_gpa),
    .memory_slot_i(memory_slot_i),
    .memory_level_o(memory_guest_level_o),
    .memory_hlat_o(memory_hlat_o)
  );

  assign too_wide_o = new_gpa_due & mode_i.ept & ~mode_i.ept_five_levels & (new_gpa[51:48] != '0);
  assign ept_begins = new_gpa_due & mode_i.ept & ~too_wide_o;
  assign flat = new_gpa_due & ~mode_i.ept;
  assign new_gpa_o = (flat | too_wide_o) ? new_gpa : gpa_o;

  assign no_lookup = (~first_i & no_lookup_q[slot_i]) | begins_again_o;
  assign asks_ept_o = HasGuestPhysical & ept_begins & ~no_lookup;
  assign begins_ept_o = (ept_begins & ~asks_ept_o) | ept_hit_i | ept_missed_i;

  // ---------------------------------------------------------------------------------------------
  // A host-physical address

  logic [51:0] page_hpa;
  logic located, located_own_access;
  logic [39:0] ept_frame;

  page_address u_ept_page_address (
    .narrow_i(1'b0),
    .frame_i(ept_leaf_i[arch_pkg::EptEntryAddressHigh:arch_pkg::EptEntryAddressLow]),
    .level_i(ept_leaf_level_i),
    .offset_i(gpa_o[29:0]),
    .address_o(page_hpa)
  );

  assign located = ept_done_i | flat;
  assign located_own_access = flat ? new_guest_level_o == 3'd0 : own_access;
  assign reads_guest_o = (located & ~located_own_access) | combined_hit_i;

  always_comb begin
    hpa_o = page_hpa;
    if (combined_hit_i) begin
      hpa_o = guest_entry_address;
    end else if (flat) begin
      hpa_o = new_gpa;
    end
  end

  // ---------------------------------------------------------------------------------------------
  // The EPT entry that comes next

  always_comb begin
    begin_level_o = ept_root_level;
    begin_frame_o = mode_i.ept_root;
    begin_rights_o = '1;
    if (ept_hit_i) begin
      begin_level_o = ept_hit_level_i - 3'd1;
      begin_frame_o = ept_hit_table_i.frame;
      begin_rights_o = ept_hit_table_i.rights;
    end
  end

  assign ept_level_o = begins_ept_o ? begin_level_o : ept_next_level_i;
  assign ept_frame = begins_ept_o ? begin_frame_o : ept_next_frame_i;
  assign reads_ept_o = begins_ept_o | ept_descends_i;

  entry_address u_ept_entry_address (
    .frame_i(ept_frame),
    .narrow_i(1'b0),
    .level_i(ept_level_o),
    .address_i({5'd0, ept_begins ? new_gpa[51:12] : gpa_o[51:12]}),
    .entry_address_o(ept_entry_address_o)
  );

  // ---------------------------------------------------------------------------------------------
  // What is remembered of the way

  logic [15:0] references_q [Walks];
  assign references_o = first_i ? 16'd0 : references_q[slot_i];

  // None of these is read before the walk's first step.
  always_ff @(posedge clk_i) begin
    if (steps_i) begin
      references_q[slot_i] <=
          references_o + {15'd0, reads_ept_o | reads_guest_o | reads_sub_page_i};
      used_hit_q[slot_i] <= ~first_i & ~begins_again_o &
                            (used_hit_q[slot_i] | combined_hit_i | nested_hit_i | ept_hit_i);
      no_lookup_q[slot_i] <= no_lookup;
    end
  end

  guest_tables #(.Walks(Walks), .SlotBits(SlotBits)) u_guest_tables (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .begin_i(begins),
    .hit_i(combined_hit_i),
    .hit_verified_i(combined_verified_i),
    .begin_level_i(new_guest_level_o),
    .page_i(ept_done_i & ~own_access),
    .page_verified_i(ept_leaf_i[arch_pkg::EptEntryPagingWriteAccess]),
    .verified_o(verified_o),
    .located_i(located & ~located_own_access),
    .level_i(flat ? new_guest_level_o : guest_level_o),
    .frame_i(hpa_o[51:12]),
    .rights_i(new_guest_rights_o),
    .ept_rights_i(flat ? '1 : ept_rights_i),
    .translated_i(located & located_own_access & walks_guest_i & (restart_level_o == 3'd0)),
    .leaf_level_i(guest_leaf_level_o),
    .fills_o(fills_o),
    .pml4e_o(pml4e_o),
    .pdpte_o(pdpte_o),
    .pde_o(pde_o)
  );

endmodule
