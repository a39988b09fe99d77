// The EPT entry in hand, or the page that a nested hit stands for, judged as far as one cycle goes:
// absent or malformed, a reference to the next table, or a leaf; then whether the rights of all
// levels allow the access, and which flag is due.

module ept_step #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1
) (
  input  logic                    clk_i,
  input  logic [SlotBits-1:0]     slot_i,
  input  walker_pkg::mode_t       mode_i,

  input  walker_pkg::access_t     access_i,
  input  logic                    own_access_i,    // else to a guest table
  input  logic                    supervisor_i,    // the request's own access is one
  input  logic                    user_address_i,  // the linear address is a user-mode one
  input  logic                    verified_i,      // the guest tables' pages so far
  input  logic [15:0]             pml_index_i,

  input  logic                    begin_i,  // the first entry is going to be read
  input  logic [2:0]              begin_level_i,
  input  logic [39:0]             begin_frame_i,  // of the table that holds it
  input  walker_pkg::ept_rights_t begin_rights_i,

  // At most one of these.
  input  logic                    judge_i,      // an entry has come from memory
  input  logic                    swapped_i,    // flags of an entry have been set
  input  logic                    reflagged_i,  // an entry was found with other flags
  input  logic                    logged_i,     // the page has been logged
  input  logic                    nested_hit_i,
  input  logic                    update_refused_i,  // of a guest entry, by the rights of its page
  input  logic                    update_due_i,      // of a guest entry
  input  logic [2:0]              level_i,
  input  logic [63:0]             entry_i,     // as it is now
  input  logic [63:0]             expected_i,  // as it was, before the flags were set
  input  logic [2:0]              nested_level_i,
  input  logic [63:0]             nested_leaf_i,
  input  walker_pkg::ept_rights_t nested_rights_i,
  input  walker_pkg::ept_rights_t table_rights_i,  // of the page of the guest entry
  // Sub-page permissions.
  input  logic [39:0]             sub_page_root_i,
  input  logic [11:0]             offset_i,  // of the access in its page
  input  logic [7:0]              size_i,
  input  logic                    judge_sub_page_i,  // an entry of theirs has come from memory

  output logic                    absent_o,
  output logic                    malformed_o,
  output walker_pkg::reason_e     malformed_reason_o,
  output logic                    descends_o,
  output logic                    refused_o,
  output logic                    unverified_o,  // for guest-paging verification alone
  output walker_pkg::reason_e     refusal_o,
  output logic                    sub_page_event_o,
  output logic                    sub_page_miss_o,
  output logic                    reads_sub_page_o,
  output logic                    log_full_o,
  output logic                    log_due_o,
  output logic                    flag_due_o,
  output logic                    done_o,  // the address is located, and its flags are set
  output logic                    fills_o,  // and not by a nested hit

  output logic [2:0]              leaf_level_o,
  output logic [63:0]             leaf_o,
  output walker_pkg::ept_rights_t rights_o,
  // The entry that comes next: the one below, the first of sub-page permissions, one that lacks a
  // flag, or one to be named, for it lacks a right.
  output logic [2:0]              next_level_o,
  output logic [39:0]             next_frame_o,  // of the table that holds it
  output logic [63:0]             named_entry_o,
  output logic [63:0]             flag_expected_o,
  output logic [63:0]             flag_desired_o,

  output logic [4:2]              tables_o,  // the entries read above the leaf, by level, if so
  output walker_pkg::ept_table_t  pml4e_o,
  output walker_pkg::ept_table_t  pdpte_o,
  output walker_pkg::ept_table_t  pde_o
);

  // ---------------------------------------------------------------------------------------------
  // By itself

  logic present, is_leaf, malformed, reached;

  ept_entry_check u_ept_entry_check (
    .mode_i(mode_i),
    .entry_i(judge_i ? entry_i : '0),
    .level_i(level_i),
    .present_o(present),
    .leaf_o(is_leaf),
    .misconfigured_o(malformed),
    .reason_o(malformed_reason_o)
  );

  assign absent_o = judge_i & ~present;
  assign malformed_o = judge_i & present & malformed;
  assign reached = judge_i & present & ~malformed & is_leaf;
  assign descends_o = judge_i & present & ~malformed & ~is_leaf;

  // ---------------------------------------------------------------------------------------------
  // With the entries above it

  logic [2:0] leaf_level_q [Walks];
  logic [2:0] read_leaf_level, due_level, lacking_level;
  logic [39:0] due_frame, lacking_frame;
  logic [63:0] read_leaf, lacking_entry;
  logic in_hand, recalls, flag_missing;
  walker_pkg::ept_rights_t needed, read_rights, lacking_rights;

  // Sub-page permissions may be asked of a page that was found in the nested TLB.
  logic [Walks-1:0] held_q;
  logic [4:2] tables;

  always_ff @(posedge clk_i) begin
    if (begin_i | nested_hit_i) begin
      held_q[slot_i] <= ~begin_i;
    end
    if (reached | nested_hit_i) begin
      leaf_level_q[slot_i] <= nested_hit_i ? nested_level_i : level_i;
    end
  end

  assign in_hand = judge_i | reflagged_i | swapped_i;
  assign recalls = update_refused_i | logged_i | judge_sub_page_i;
  assign read_leaf_level = judge_i ? level_i : leaf_level_q[slot_i];

  ept_levels #(.Walks(Walks), .SlotBits(SlotBits)) u_ept_levels (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .begin_i(begin_i),
    .begin_level_i(begin_level_i),
    .begin_frame_i(begin_frame_i),
    .begin_rights_i(begin_rights_i),
    .hit_i(nested_hit_i),
    .hit_level_i(nested_level_i),
    .hit_leaf_i(nested_leaf_i),
    .hit_rights_i(nested_rights_i),
    .in_hand_i(in_hand),
    .recalls_i(recalls),
    .level_i(level_i),
    .entry_i(entry_i),
    .leaf_level_i(read_leaf_level),
    .flags_i(mode_i.ept_flags),
    // With EPT flags on, every access to a guest table counts as a write.
    .write_i(~own_access_i | access_i.write),
    .needed_i(needed),
    .rights_o(read_rights),
    .leaf_o(read_leaf),
    .due_o(flag_missing),
    .due_level_o(due_level),
    .due_frame_o(due_frame),
    .due_entry_o(flag_expected_o),
    .due_update_o(flag_desired_o),
    .lacking_level_o(lacking_level),
    .lacking_frame_o(lacking_frame),
    .lacking_entry_o(lacking_entry),
    .lacking_rights_o(lacking_rights),
    .tables_o(tables),
    .pml4e_o(pml4e_o),
    .pdpte_o(pdpte_o),
    .pde_o(pde_o)
  );

  assign leaf_level_o = nested_hit_i ? nested_level_i : read_leaf_level;
  assign leaf_o = nested_hit_i ? nested_leaf_i : read_leaf;
  assign rights_o = nested_hit_i ? nested_rights_i : read_rights;

  // ---------------------------------------------------------------------------------------------
  // Rights

  walker_pkg::access_t ept_access;
  walker_pkg::ept_rights_t access_needs;
  logic access_refused;

  always_comb begin
    ept_access = access_i;
    if (!own_access_i) begin
      ept_access = '0;
      ept_access.read = 1'b1;
      ept_access.write = mode_i.ept_flags | update_due_i;
    end
  end

  ept_access_rights u_ept_access_rights (
    .asked_i(in_hand | recalls | nested_hit_i),
    .mode_i(mode_i),
    .access_i(ept_access),
    .own_access_i(own_access_i),
    .supervisor_i(supervisor_i),
    .user_address_i(user_address_i),
    .needed_o(access_needs)
  );

  logic sub_page_due, sub_page_descends, sub_page_allowed, sub_page_denied;

  // What sub-page permissions allow needs no write access of the entries.
  always_comb begin
    needed = access_needs;
    needed.write = access_needs.write & ~sub_page_allowed;
  end

  ept_access_check u_ept_access_check (
    .needed_i(needed),
    .rights_i(update_refused_i ? table_rights_i : rights_o),
    .first_rights_i(lacking_rights),
    .verifies_i(own_access_i & mode_i.verification & leaf_o[arch_pkg::EptEntryVerify]),
    .verified_i(verified_i),
    .refused_o(access_refused),
    .unverified_o(unverified_o),
    .reason_o(refusal_o)
  );

  sub_page_walk u_sub_page_walk (
    .mode_i(mode_i),
    .offset_i(offset_i),
    .size_i(size_i),
    .refused_i((reached | nested_hit_i) & access_refused),
    .own_access_i(own_access_i),
    .needed_i(access_needs),
    .rights_i(rights_o),
    .leaf_level_i(leaf_level_o),
    .leaf_i(leaf_o),
    .begins_o(sub_page_due),
    .judge_i(judge_sub_page_i),
    .level_i(level_i),
    .entry_i(entry_i),
    .event_o(sub_page_event_o),
    .miss_o(sub_page_miss_o),
    .descends_o(sub_page_descends),
    .allowed_o(sub_page_allowed),
    .denied_o(sub_page_denied)
  );

  logic judged, permitted;
  assign judged = reached | nested_hit_i | sub_page_allowed | sub_page_denied;
  assign reads_sub_page_o = sub_page_due | sub_page_descends;
  assign refused_o = judged & access_refused & ~sub_page_due;
  assign permitted = (reached | sub_page_allowed) & ~access_refused;

  // ---------------------------------------------------------------------------------------------
  // Flags, and the log, which takes one page for each dirty flag that is set

  logic settled;

  assign log_full_o = permitted & flag_missing & mode_i.pml &
                      (pml_index_i > 16'd511);
  assign log_due_o = swapped_i & mode_i.pml & ~expected_i[arch_pkg::EptEntryDirty] &
                     entry_i[arch_pkg::EptEntryDirty];

  assign settled = (permitted & ~log_full_o) | reflagged_i |
                   (swapped_i & ~log_due_o) | logged_i;
  assign flag_due_o = settled & flag_missing;
  assign done_o = (settled & ~flag_missing) | (nested_hit_i & ~access_refused);
  assign fills_o = done_o & ~nested_hit_i & ~held_q[slot_i];
  assign tables_o = fills_o ? tables : '0;

  always_comb begin
    next_frame_o = entry_i[arch_pkg::EptEntryAddressHigh:arch_pkg::EptEntryAddressLow];
    next_level_o = level_i - 3'd1;
    if (sub_page_due) begin
      next_frame_o = sub_page_root_i;
      next_level_o = 3'd4;
    end else if (flag_due_o | log_full_o) begin
      next_frame_o = due_frame;
      next_level_o = due_level;
    end else if (reached | sub_page_allowed | sub_page_denied | update_refused_i) begin
      next_frame_o = lacking_frame;
      next_level_o = lacking_level;
    end
  end

  assign named_entry_o = log_full_o ? flag_expected_o : lacking_entry;

endmodule
