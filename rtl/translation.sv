// What a walk that succeeded says beside the addresses: the sizes of the pages, the memory type,
// and what a TLB entry made from it holds.

module translation (
  input  logic                    asked_i,  // else nothing is said
  input  walker_pkg::mode_t       mode_i,
  input  logic                    write_i,        // the access writes: its dirty flags are set
  input  logic [2:0]              guest_level_i,  // of the guest's leaf, 0 without paging
  input  logic [63:0]             guest_leaf_i,
  input  logic [2:0]              restart_level_i,  // of the HLAT entry that restarted, or 0
  input  logic [2:0]              ept_level_i,
  input  logic [63:0]             ept_leaf_i,
  input  walker_pkg::ept_rights_t ept_rights_i,
  output logic [2:0]              guest_page_o,
  output logic [2:0]              ept_page_o,
  output logic [2:0]              page_o,  // what one TLB entry covers
  output logic [2:0]              memory_type_o,
  output walker_pkg::ept_rights_t ept_rights_o,
  output logic                    dirty_o,  // a write needs no walk
  output logic                    global_o,
  output logic [3:0]              key_o
);

  logic paged, pat_bit, guest_dirty, ept_dirty;
  assign paged = asked_i & (guest_level_i != 3'd0);

  // Sizes are levels of leaves; where guest and EPT have the same, a page of 4 MiB is the greater.
  assign guest_page_o = (mode_i.narrow && guest_level_i == 3'd2) ? 3'd4 : guest_level_i;
  assign ept_page_o = mode_i.ept ? ept_level_i : 3'd0;

  // What restarted may not do so for all of a page that is greater than what its entry covers.
  always_comb begin
    if (!asked_i) begin
      page_o = 3'd0;
    end else if (!mode_i.ept) begin
      page_o = paged ? guest_page_o : 3'd1;
    end else begin
      page_o = (paged && guest_level_i < ept_level_i) ? guest_page_o : ept_level_i;
    end
    if (restart_level_i != 3'd0 && restart_level_i < page_o) begin
      page_o = restart_level_i;
    end
  end

  assign pat_bit = guest_level_i == 3'd1 ? guest_leaf_i[arch_pkg::GuestEntryPat4K]
                                         : guest_leaf_i[arch_pkg::GuestEntryPatLarge];

  memory_type u_memory_type (
    .mode_i(mode_i),
    .ept_type_i(ept_leaf_i[arch_pkg::EptEntryMemoryTypeHigh:arch_pkg::EptEntryMemoryTypeLow]),
    .ignore_pat_i(ept_leaf_i[arch_pkg::EptEntryIgnorePat]),
    .paged_i(paged),
    .pat_index_i({pat_bit, guest_leaf_i[arch_pkg::GuestEntryCacheDisable],
                  guest_leaf_i[arch_pkg::GuestEntryWriteThrough]}),
    .type_o(memory_type_o)
  );

  // Without mode-based execute control one right serves both kinds of address, without paging-write
  // control one all kinds of writes.
  always_comb begin
    ept_rights_o = ept_rights_i;
    if (!asked_i) begin
      ept_rights_o = '0;
    end else if (!mode_i.ept) begin
      ept_rights_o = '1;
    end else begin
      if (!mode_i.mode_based_execute) begin
        ept_rights_o.user_execute = ept_rights_i.execute;
      end
      if (!mode_i.paging_write) begin
        ept_rights_o.paging_write = ept_rights_i.write;
      end
    end
  end

  assign guest_dirty = ~paged | guest_leaf_i[arch_pkg::GuestEntryDirty];
  assign ept_dirty = ~mode_i.ept_flags | ept_leaf_i[arch_pkg::EptEntryDirty];
  assign dirty_o = write_i | (guest_dirty & ept_dirty);
  assign global_o = paged & mode_i.global_pages & guest_leaf_i[arch_pkg::GuestEntryGlobal];
  // Whether keys are in use is not looked at here: CR4 may change while a TLB holds the entry.
  assign key_o = {4{paged}} & guest_leaf_i[arch_pkg::GuestEntryProtectionKeyHigh:
                                           arch_pkg::GuestEntryProtectionKeyLow];

endmodule
