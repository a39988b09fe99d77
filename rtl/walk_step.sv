// One step of one walk, and what each walk keeps between its steps.
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
//             └► leaf ─► rights ─► flags due ───────────────────► swap an EPT entry
//                               └► located
//   located ─► guest table ─────────────────────────────────────► read the guest entry
//           └► the access's own ─► translated
//   swap of an EPT entry ─► page to be logged ──────────────────► store its address in the log
//                        └► further flags, as above
//   guest entry ─► accessed due ────────────────────────────────► swap the guest entry
//               └► descend ─► new guest-physical address
//               └► leaf ─► rights ─► dirty due ─────────────────► swap the guest entry
//                                 └► new guest-physical address
//   a right missing, after a hit ─► begin again, without look-ups
//   EPT violation ─► virtualization exception ──────────────────► load, and store, its information

module walk_step #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1,
  parameter bit HasCombined = 1'b0,
  parameter bit HasGuestPhysical = 1'b0
) (
  input  logic                        clk_i,
  input  logic [63:0]                 time_i,

  input  logic                        take_i,
  input  logic [SlotBits-1:0]         take_slot_i,
  input  walker_pkg::request_t        request_i,
  input  walker_pkg::context_t        context_i,

  // The walk that is followed, and what it is followed from: at most one of the three.
  input  logic [SlotBits-1:0]         slot_i,
  input  logic                        first_i,
  input  logic                        lookup_i,
  input  logic                        answered_i,
  input  logic [63:0]                 answer_i,

  // Where it leads: exactly one of the three.
  output logic                        issues_o,
  output logic                        looks_up_o,
  output logic                        responds_o,
  output walker_pkg::response_t       response_o,

  // The memory request of any walk.
  input  logic [SlotBits-1:0]         memory_slot_i,
  output walker_pkg::memory_request_t memory_o,

  // The caches are asked, and answer in the same cycle.
  output logic                        asks_combined_o,
  output logic                        asks_ept_o,
  output walker_pkg::space_t          space_o,
  output logic [56:0]                 linear_o,
  output logic                        wide_pde_o,  // a PDE of 32-bit paging: it covers 4 MiB
  output logic [2:0]                  guest_root_level_o,
  output logic [51:0]                 gpa_o,
  output logic                        writes_page_o,  // a nested hit needs its dirty flag set
  input  logic [2:0]                  combined_level_i,
  input  walker_pkg::guest_table_t    combined_table_i,
  input  logic [2:0]                  nested_level_i,
  input  logic [63:0]                 nested_leaf_i,
  input  walker_pkg::ept_rights_t     nested_rights_i,
  input  logic [2:0]                  ept_level_i,
  input  walker_pkg::ept_table_t      ept_table_i,

  // What the caches are to hold.
  output logic [4:2]                  combined_fills_o,
  output walker_pkg::guest_table_t    combined_pml4e_o,
  output walker_pkg::guest_table_t    combined_pdpte_o,
  output walker_pkg::guest_table_t    combined_pde_o,
  output logic [4:2]                  ept_fills_o,
  output walker_pkg::ept_table_t      ept_pml4e_o,
  output walker_pkg::ept_table_t      ept_pdpte_o,
  output walker_pkg::ept_table_t      ept_pde_o,
  output logic                        nested_fills_o,
  output logic [2:0]                  nested_level_o,
  output logic [63:0]                 nested_leaf_o,
  output walker_pkg::ept_rights_t     nested_rights_o
);

  typedef enum logic [3:0] {
    OpLookupCombined,
    OpLookupEpt,
    OpEptRead,
    OpEptSwap,
    OpGuestRead,
    OpGuestAccessed,
    OpGuestDirty,
    OpLog,
    OpVeLoad,
    OpVeStore
  } op_e;

  // The walk in hand.
  walker_pkg::mode_t mode;
  walker_pkg::annex_t annex;
  walker_pkg::request_t request;
  walker_pkg::guest_rights_t guest_rights_so_far;

  // The walks, by slot. Structs are kept as plain vectors: of an array of structs Yosys 0.23 keeps
  // one element, and says nothing.
  logic [$bits(mode)-1:0] mode_q [Walks];
  logic [$bits(annex)-1:0] annex_q [Walks];
  logic [$bits(space_o)-1:0] space_q [Walks];
  logic [$bits(request)-1:0] request_q [Walks];
  logic [63:0] start_q [Walks];
  logic [15:0] references_q [Walks];
  logic [Walks-1:0] used_hit_q;                       // what was found in a cache may be stale
  logic [Walks-1:0] no_lookup_q;                      // begun again
  logic [2:0] guest_level_q [Walks];                  // of the entry being located or read, or 0
  logic [51:0] gpa_q [Walks];                         // being translated
  logic [2:0] ept_leaf_level_q [Walks];
  logic [63:0] guest_entry_q [Walks];                 // the last judged, as read
  logic [2:0] guest_leaf_level_q [Walks];             // 0 before the leaf, and without paging
  logic [$bits(guest_rights_so_far)-1:0] guest_rights_q [Walks];  // and of the levels used so far
  logic [$bits(nested_rights_i)-1:0] table_rights_q [Walks];  // of the page of the guest entry
  logic [Walks-1:0] verified_q;                       // all those pages have paging-write access
  logic [2:0] lacking_level_q [Walks];                // the guest entry that a refusal would name
  logic [51:0] lacking_address_q [Walks];
  logic [63:0] lacking_entry_q [Walks];
  logic [15:0] pml_index_q [Walks];
  logic [$bits(response_o)-1:0] violation_q [Walks];  // that may become an exception
  logic [16:0] qualification_q [Walks];               // of it
  logic [2:0] ve_field_q [Walks];                     // of its information, being stored

  // What each walk does next: its memory request or its look-up.
  op_e op_q [Walks];
  logic [3:0] size_q [Walks];
  logic [51:0] address_q [Walks];
  logic [63:0] expected_q [Walks];
  logic [63:0] desired_q [Walks];
  logic [2:0] ept_level_q [Walks];

  // ---------------------------------------------------------------------------------------------
  // The walk in hand, and what happens to it in this cycle

  op_e op;
  logic [2:0] guest_level, ept_level;
  logic [51:0] gpa, address;
  logic [63:0] expected, desired;
  logic [15:0] pml_index;

  assign mode = mode_q[slot_i];
  assign request = request_q[slot_i];
  assign op = op_q[slot_i];
  assign guest_level = guest_level_q[slot_i];
  assign ept_level = ept_level_q[slot_i];
  assign gpa = gpa_q[slot_i];
  assign address = address_q[slot_i];
  assign expected = expected_q[slot_i];
  assign desired = desired_q[slot_i];
  assign pml_index = pml_index_q[slot_i];
  assign annex = annex_q[slot_i];
  assign guest_rights_so_far = guest_rights_q[slot_i];

  logic [15:0] references;
  assign references = first_i ? 16'd0 : references_q[slot_i];

  logic swapped, reflagged, judge_ept, judge_guest, ept_swapped;
  logic [63:0] found_change;

  assign swapped = answered_i & (answer_i == expected) &
                   (op == OpEptSwap || op == OpGuestAccessed || op == OpGuestDirty);
  assign ept_swapped = swapped & (op == OpEptSwap);
  // A word found by a swap that failed is judged as if it had just been read, unless only the flags
  // of an EPT entry are others than expected: they decide nothing.
  always_comb begin
    found_change = answer_i ^ expected;
    found_change[arch_pkg::EptEntryAccessed] = 1'b0;
    found_change[arch_pkg::EptEntryDirty] = 1'b0;
  end
  assign reflagged = answered_i & ~swapped & (op == OpEptSwap) & (found_change == '0);
  assign judge_ept = answered_i & ~swapped & ~reflagged & (op == OpEptRead || op == OpEptSwap);
  assign judge_guest = answered_i & ~swapped &
                       (op == OpGuestRead || op == OpGuestAccessed || op == OpGuestDirty);

  logic logged, ve_loaded, ve_stored;
  assign logged = answered_i & (op == OpLog);
  assign ve_loaded = answered_i & (op == OpVeLoad);
  assign ve_stored = answered_i & (op == OpVeStore);

  walker_pkg::access_t access;
  logic user;

  access_decode u_access_decode (.kind_i(request.access), .access_o(access));
  assign user = request.user & ~request.implicit;

  logic linear_refused, refused_at_once;
  walker_pkg::reason_e linear_reason;

  linear_address_check u_linear_address_check (
    .mode_i(mode),
    .address_i(request.address[63:47]),
    .access_i(access),
    .user_i(user),
    .implicit_i(request.implicit),
    .refused_o(linear_refused),
    .reason_o(linear_reason)
  );

  assign refused_at_once = first_i & request.linear & linear_refused;

  logic walks_guest, own_access;
  logic [2:0] guest_root_level, ept_root_level;
  assign walks_guest = request.linear & mode.paging;
  assign own_access = guest_level == 3'd0;  // the address in translation is no guest table's
  always_comb begin
    guest_root_level = mode.five_levels ? 3'd5 : 3'd4;
    if (!mode.long_mode) begin
      guest_root_level = 3'd2;
    end
  end
  assign ept_root_level = mode.ept_five_levels ? 3'd5 : 3'd4;

  // ---------------------------------------------------------------------------------------------
  // What the caches say

  logic combined_hit, nested_hit, ept_hit, ept_missed;

  assign asks_combined_o = HasCombined & lookup_i & (op == OpLookupCombined);
  assign asks_ept_o = HasGuestPhysical & lookup_i & (op == OpLookupEpt);
  assign space_o = space_q[slot_i];
  assign linear_o = request.address[56:0];
  assign wide_pde_o = mode.narrow;
  assign guest_root_level_o = guest_root_level;
  assign gpa_o = gpa;
  assign writes_page_o = mode.ept_flags & (~own_access | access.write);

  assign combined_hit = asks_combined_o & (combined_level_i != 3'd0);
  assign nested_hit = asks_ept_o & (nested_level_i != 3'd0);
  assign ept_hit = asks_ept_o & ~nested_hit & (ept_level_i != 3'd0);
  assign ept_missed = asks_ept_o & ~nested_hit & ~ept_hit;

  // ---------------------------------------------------------------------------------------------
  // The guest entry in hand

  logic [63:0] guest_entry, guest_expected, guest_desired;
  logic guest_refused, guest_right_missing, guest_descends, guest_done, update_due, dirty_due;
  logic first_lacking, lacked_above;
  logic [7:0] error_code;
  walker_pkg::guest_rights_t guest_rights_here;
  walker_pkg::reason_e guest_reason;

  assign guest_entry = judge_guest ? answer_i : guest_entry_q[slot_i];

  guest_step u_guest_step (
    .mode_i(mode),
    .access_i(access),
    .user_i(user),
    .implicit_i(request.implicit),
    .judge_i(judge_guest),
    .accessed_set_i(swapped & (op == OpGuestAccessed)),
    .dirty_set_i(swapped & (op == OpGuestDirty)),
    .entry_i(guest_entry),
    .level_i(guest_level),
    .upper_rights_i(guest_rights_so_far),
    .rights_o(guest_rights_here),
    .refused_o(guest_refused),
    .reason_o(guest_reason),
    .error_code_o(error_code),
    .first_lacking_o(first_lacking),
    .lacked_above_o(lacked_above),
    .update_due_o(update_due),
    .dirty_due_o(dirty_due),
    .expected_o(guest_expected),
    .desired_o(guest_desired),
    .descends_o(guest_descends),
    .done_o(guest_done)
  );

  assign guest_right_missing = guest_refused &
                               (guest_reason != walker_pkg::ReasonGuestNotPresent) &
                               (guest_reason != walker_pkg::ReasonGuestReservedBit);

  // Setting a guest entry's flag is a write to the page that holds it.
  walker_pkg::ept_rights_t table_rights;
  logic update_refused;
  assign table_rights = table_rights_q[slot_i];
  assign update_refused = update_due & mode.ept &
                          ~(mode.paging_write ? table_rights.paging_write : table_rights.write);

  // ---------------------------------------------------------------------------------------------
  // The EPT entry in hand

  logic ept_present, ept_is_leaf, ept_malformed, ept_reached, ept_descends;
  walker_pkg::reason_e ept_malformed_reason;

  ept_entry_check u_ept_entry_check (
    .mode_i(mode),
    .entry_i(answer_i),
    .level_i(ept_level),
    .present_o(ept_present),
    .leaf_o(ept_is_leaf),
    .misconfigured_o(ept_malformed),
    .reason_o(ept_malformed_reason)
  );

  assign ept_reached = judge_ept & ept_present & ~ept_malformed & ept_is_leaf;
  assign ept_descends = judge_ept & ept_present & ~ept_malformed & ~ept_is_leaf;

  logic [63:0] read_leaf, ept_leaf, ept_due_entry, ept_due_update;
  logic [2:0] read_leaf_level, ept_leaf_level, ept_due_level;
  logic [39:0] ept_due_frame;
  logic ept_due, reads_below;
  walker_pkg::ept_rights_t read_rights, ept_rights, ept_needed, lacking_rights;
  logic [2:0] lacking_level;
  logic [39:0] lacking_frame;
  logic [63:0] lacking_entry;
  logic [4:2] ept_tables;

  assign read_leaf_level = judge_ept ? ept_level : ept_leaf_level_q[slot_i];

  ept_levels #(.Walks(Walks), .SlotBits(SlotBits)) u_ept_levels (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .begin_i(reads_below),
    .begin_level_i(ept_hit ? ept_level_i - 3'd1 : ept_root_level),
    .begin_frame_i(ept_hit ? ept_table_i.frame : mode.ept_root),
    .begin_rights_i(ept_hit ? ept_table_i.rights : '1),
    .in_hand_i(judge_ept | reflagged | ept_swapped),
    .recalls_i(update_refused | logged),
    .level_i(ept_level),
    .entry_i(swapped ? desired : answer_i),
    .leaf_level_i(read_leaf_level),
    .flags_i(mode.ept_flags),
    // With EPT flags on, every access to a guest table counts as a write.
    .write_i(~own_access | access.write),
    .needed_i(ept_needed),
    .rights_o(read_rights),
    .leaf_o(read_leaf),
    .due_o(ept_due),
    .due_level_o(ept_due_level),
    .due_frame_o(ept_due_frame),
    .due_entry_o(ept_due_entry),
    .due_update_o(ept_due_update),
    .lacking_level_o(lacking_level),
    .lacking_frame_o(lacking_frame),
    .lacking_entry_o(lacking_entry),
    .lacking_rights_o(lacking_rights),
    .tables_o(ept_tables),
    .pml4e_o(ept_pml4e_o),
    .pdpte_o(ept_pdpte_o),
    .pde_o(ept_pde_o)
  );

  assign ept_leaf_level = nested_hit ? nested_level_i : read_leaf_level;
  assign ept_leaf = nested_hit ? nested_leaf_i : read_leaf;
  assign ept_rights = nested_hit ? nested_rights_i : read_rights;

  walker_pkg::access_t ept_access;
  walker_pkg::reason_e ept_refusal;
  logic ept_access_refused, ept_unverified, ept_refused, ept_settled, ept_flag_due, ept_done;

  always_comb begin
    ept_access = access;
    if (!own_access) begin
      ept_access = '0;
      ept_access.read = 1'b1;
      ept_access.write = mode.ept_flags | update_due;
    end
  end

  ept_access_rights u_ept_access_rights (
    .mode_i(mode),
    .access_i(ept_access),
    .own_access_i(own_access),
    .supervisor_i(~user),
    .user_address_i(request.linear & guest_rights_so_far.user),
    .needed_o(ept_needed)
  );

  ept_access_check u_ept_access_check (
    .needed_i(ept_needed),
    .rights_i(update_refused ? table_rights : ept_rights),
    .first_rights_i(lacking_rights),
    .verifies_i(own_access & mode.verification & ept_leaf[arch_pkg::EptEntryVerify]),
    .verified_i(verified_q[slot_i]),
    .refused_o(ept_access_refused),
    .unverified_o(ept_unverified),
    .reason_o(ept_refusal)
  );

  assign ept_refused = (ept_reached | nested_hit) & ept_access_refused;

  // The log takes one page for each dirty flag that is set.
  logic log_full, log_due;
  assign log_full = ept_reached & ~ept_access_refused & ept_due & mode.pml &
                    (pml_index > 16'd511);
  assign log_due = ept_swapped & mode.pml & ~expected[arch_pkg::EptEntryDirty] &
                   desired[arch_pkg::EptEntryDirty];

  assign ept_settled = (ept_reached & ~ept_access_refused & ~log_full) | reflagged |
                       (ept_swapped & ~log_due) | logged;
  assign ept_flag_due = ept_settled & ept_due;
  assign ept_done = (ept_settled & ~ept_due) | (nested_hit & ~ept_access_refused);

  // ---------------------------------------------------------------------------------------------
  // A new guest-physical address, or after a hit the address of the next guest entry

  logic begins_again, begins, pdpte_absent, asks_first, new_gpa_due;
  logic too_wide, ept_begins, flat;
  logic [2:0] new_guest_level, guest_leaf_level;
  logic [39:0] guest_frame;
  logic [51:0] guest_entry_address, page_gpa, new_gpa;
  walker_pkg::guest_rights_t guest_rights;

  assign begins_again = (guest_right_missing | update_refused | ept_refused) &
                        (used_hit_q[slot_i] | nested_hit);
  assign asks_first = HasCombined & first_i & ~refused_at_once & walks_guest;
  assign begins = (first_i & ~refused_at_once & ~asks_first) |
                  (asks_combined_o & ~combined_hit) | begins_again;
  assign pdpte_absent = begins & walks_guest & mode.pae &
                        ~annex.pdpte[arch_pkg::GuestEntryPresent];
  assign new_gpa_due = (begins & ~pdpte_absent) | guest_descends | guest_done;

  // Without EPT the guest's leaf is in hand when the walk ends; else it was left in registers.
  always_comb begin
    guest_leaf_level = guest_leaf_level_q[slot_i];
    guest_rights = guest_rights_so_far;
    new_guest_level = guest_level - 3'd1;
    guest_frame = guest_entry[arch_pkg::GuestEntryAddressHigh:arch_pkg::GuestEntryAddressLow];
    if (begins || first_i) begin
      guest_leaf_level = 3'd0;
      guest_rights = '1;
      new_guest_level = walks_guest ? guest_root_level : 3'd0;
      guest_frame = mode.root;
    end else if (combined_hit) begin
      guest_leaf_level = 3'd0;
      guest_rights = combined_table_i.rights;
      new_guest_level = combined_level_i - 3'd1;
      guest_frame = combined_table_i.frame;
    end else if (guest_done) begin
      guest_leaf_level = guest_level;
      guest_rights = guest_rights_here;
      new_guest_level = 3'd0;
    end else if (guest_descends) begin
      guest_rights = guest_rights_here;
    end
  end

  entry_address u_guest_entry_address (
    .frame_i(guest_frame),
    .narrow_i(mode.narrow),
    .level_i(new_guest_level),
    .address_i(request.address[56:12]),
    .entry_address_o(guest_entry_address)
  );

  page_address u_guest_page_address (
    .narrow_i(mode.narrow),
    .frame_i(guest_frame),
    .level_i(guest_level),
    .offset_i(request.address[29:0]),
    .address_o(page_gpa)
  );

  always_comb begin
    if (new_guest_level != 3'd0) begin
      new_gpa = guest_entry_address;
    end else begin
      new_gpa = walks_guest ? page_gpa : request.address[51:0];
    end
  end

  assign too_wide = new_gpa_due & mode.ept & ~mode.ept_five_levels & (new_gpa[51:48] != '0);
  assign ept_begins = new_gpa_due & mode.ept & ~too_wide;
  assign flat = new_gpa_due & ~mode.ept;

  logic asks_ept, no_lookup;
  assign no_lookup = (~first_i & no_lookup_q[slot_i]) | begins_again;
  assign asks_ept = HasGuestPhysical & ept_begins & ~no_lookup;
  assign reads_below = (ept_begins & ~asks_ept) | ept_hit | ept_missed;

  // ---------------------------------------------------------------------------------------------
  // A host-physical address

  logic [51:0] page_hpa, hpa, ept_entry_hpa;
  logic located, located_own_access, locates_guest_entry, translated;
  logic [39:0] next_ept_frame;
  logic [2:0] next_ept_level;

  page_address u_ept_page_address (
    .narrow_i(1'b0),
    .frame_i(ept_leaf[arch_pkg::EptEntryAddressHigh:arch_pkg::EptEntryAddressLow]),
    .level_i(ept_leaf_level),
    .offset_i(gpa[29:0]),
    .address_o(page_hpa)
  );

  assign located = ept_done | flat;
  assign located_own_access = flat ? new_guest_level == 3'd0 : own_access;
  assign translated = located & located_own_access;
  assign locates_guest_entry = (located & ~located_own_access) | combined_hit;

  always_comb begin
    hpa = page_hpa;
    if (combined_hit) begin
      hpa = guest_entry_address;
    end else if (flat) begin
      hpa = new_gpa;
    end
  end

  // Which EPT entry comes next: the first of a walk, the one below, one that lacks a flag; or which
  // one is to be named, as it lacks a right.
  always_comb begin
    next_ept_frame = answer_i[arch_pkg::EptEntryAddressHigh:arch_pkg::EptEntryAddressLow];
    next_ept_level = ept_level - 3'd1;
    if (ept_hit) begin
      next_ept_frame = ept_table_i.frame;
      next_ept_level = ept_level_i - 3'd1;
    end else if (reads_below) begin
      next_ept_frame = mode.ept_root;
      next_ept_level = ept_root_level;
    end else if (ept_flag_due | log_full) begin
      next_ept_frame = ept_due_frame;
      next_ept_level = ept_due_level;
    end else if (ept_reached | update_refused) begin
      next_ept_frame = lacking_frame;
      next_ept_level = lacking_level;
    end
  end

  entry_address u_ept_entry_address (
    .frame_i(next_ept_frame),
    .narrow_i(1'b0),
    .level_i(next_ept_level),
    .address_i({5'd0, ept_begins ? new_gpa[51:12] : gpa[51:12]}),
    .entry_address_o(ept_entry_hpa)
  );

  // ---------------------------------------------------------------------------------------------
  // Where the step leads

  logic reads, violated, ve_due, ve_delivered, ve_continues;
  logic ept_absent;
  logic [2:0] ve_field;
  assign reads = reads_below | ept_descends | locates_guest_entry;
  assign ept_absent = judge_ept & ~ept_present;
  assign violated = ((ept_refused | update_refused) & ~begins_again) | ept_absent;

  // A violation that the entry which decided allows to become an exception (SDM 28.5.7.1): it was
  // absent, or is the leaf. The violation is kept until the information area was found free.
  assign ve_due = violated & mode.violation_ve &
                  ~(ept_absent ? answer_i[arch_pkg::EptEntrySuppressVe]
                               : ept_leaf[arch_pkg::EptEntrySuppressVe]);
  assign ve_field = ve_loaded ? 3'd0 : ve_field_q[slot_i] + 3'd1;
  assign ve_delivered = ve_stored & (ve_field == 3'd6);
  assign ve_continues = (ve_loaded & (answer_i[31:0] == '0)) | (ve_stored & ~ve_delivered);

  assign issues_o = reads | ept_flag_due | (update_due & ~update_refused) | log_due | ve_due |
                    ve_continues;
  assign looks_up_o = asks_first | asks_ept;
  assign responds_o = (first_i | lookup_i | answered_i) & ~issues_o & ~looks_up_o;

  logic [5:0] ve_offset;
  logic [3:0] ve_size;
  logic [63:0] ve_value;

  exception_information u_exception_information (
    .field_i(ve_field),
    .qualification_i(qualification_q[slot_i]),
    .linear_i(request.linear ? request.address : '0),
    .gpa_i(gpa),
    .eptp_index_i(annex.eptp_index),
    .offset_o(ve_offset),
    .size_o(ve_size),
    .value_o(ve_value)
  );

  walker_pkg::response_t report;

  always_comb begin
    response_o = report;
    if (ve_loaded || ve_delivered) begin
      response_o = violation_q[slot_i];
      response_o.cycles = time_i - start_q[slot_i];
      if (ve_delivered) begin
        response_o.outcome = walker_pkg::OutcomeVirtualizationException;
      end
    end
  end

  walk_response u_walk_response (
    .responds_i(responds_o | ve_due),
    .mode_i(mode),
    .tag_i(request.tag),
    .linear_i(request.linear),
    .access_i(access),
    .user_i(user),
    .references_i(references),
    .cycles_i(time_i - start_q[slot_i]),
    .pml_index_i(logged ? pml_index - 16'd1 : pml_index),
    .linear_refused_i(refused_at_once),
    .linear_reason_i(linear_reason),
    .pdpte_absent_i(pdpte_absent),
    .pdpte_i(annex.pdpte),
    .guest_refused_i(guest_refused & ~begins_again),
    .guest_reason_i(guest_reason),
    .error_code_i(error_code),
    .too_wide_i(too_wide),
    .ept_absent_i(ept_absent),
    .ept_malformed_i(judge_ept & ept_present & ept_malformed),
    .ept_malformed_reason_i(ept_malformed_reason),
    .update_refused_i(update_refused & ~begins_again),
    .ept_refused_i(ept_refused & ~begins_again),
    .ept_unverified_i(ept_refused & ept_unverified),
    .ept_refusal_i(ept_refusal),
    .log_full_i(log_full),
    .guest_level_i(too_wide ? new_guest_level : guest_level),
    .guest_leaf_level_i(guest_leaf_level),
    .guest_entry_i(guest_entry),
    .guest_rights_i(guest_rights),
    .guest_fault_level_i(lacked_above ? lacking_level_q[slot_i] : guest_level),
    .guest_fault_address_i(lacked_above ? lacking_address_q[slot_i] : address),
    .guest_fault_entry_i(lacked_above ? lacking_entry_q[slot_i]
                                        : guest_right_missing ? guest_desired : guest_entry),
    .ept_root_level_i(ept_root_level),
    .ept_level_i(ept_level),
    .ept_leaf_level_i(ept_leaf_level),
    .ept_leaf_i(ept_leaf),
    .ept_rights_i(update_refused ? table_rights : ept_rights),
    .ept_lacking_level_i(next_ept_level),
    .ept_lacking_address_i(ept_entry_hpa),
    .ept_lacking_entry_i(log_full ? ept_due_entry : lacking_entry),
    .entry_address_i(address),
    .entry_i(answer_i),
    .gpa_i((flat | too_wide) ? new_gpa : gpa),
    .hpa_i(hpa),
    .response_o(report)
  );

  // ---------------------------------------------------------------------------------------------
  // What the caches are to hold

  assign ept_fills_o = (ept_done & ~nested_hit) ? ept_tables : '0;
  assign nested_fills_o = ept_done & ~nested_hit;
  assign nested_level_o = ept_leaf_level;
  assign nested_leaf_o = ept_leaf;
  assign nested_rights_o = ept_rights;

  logic verified;
  always_comb begin
    verified = verified_q[slot_i];
    if (begins) begin
      verified = 1'b1;
    end else if (combined_hit) begin
      verified = combined_table_i.paging_verified;
    end else if (ept_done && !own_access) begin
      verified = verified & ept_leaf[arch_pkg::EptEntryPagingWriteAccess];
    end
  end

  guest_tables #(.Walks(Walks), .SlotBits(SlotBits)) u_guest_tables (
    .clk_i(clk_i),
    .slot_i(slot_i),
    .begin_i(begins | combined_hit),
    .located_i(locates_guest_entry & ~combined_hit),
    .level_i(flat ? new_guest_level : guest_level),
    .begin_level_i(new_guest_level),
    .frame_i(hpa[51:12]),
    .rights_i(guest_rights),
    .ept_rights_i(flat ? '1 : ept_rights),
    .entry_i(guest_entry),
    .paging_verified_i(verified),
    .translated_i(translated & walks_guest),
    .leaf_level_i(guest_leaf_level),
    .fills_o(combined_fills_o),
    .pml4e_o(combined_pml4e_o),
    .pdpte_o(combined_pdpte_o),
    .pde_o(combined_pde_o)
  );

  // ---------------------------------------------------------------------------------------------
  // State

  walker_pkg::mode_t mode_taken;
  walker_pkg::space_t space_taken;
  walker_pkg::annex_t annex_taken;
  context_decode u_context_decode (
    .context_i(context_i),
    .address_i(request_i.address[31:30]),
    .mode_o(mode_taken),
    .annex_o(annex_taken)
  );
  space_decode u_space_decode (.context_i(context_i), .space_o(space_taken));

  always_ff @(posedge clk_i) begin
    if (take_i) begin
      mode_q[take_slot_i] <= mode_taken;
      annex_q[take_slot_i] <= annex_taken;
      pml_index_q[take_slot_i] <= context_i.pml_index;
      space_q[take_slot_i] <= space_taken;
      request_q[take_slot_i] <= request_i;
      start_q[take_slot_i] <= time_i;
    end
  end

  // None of these is read before the walk's first step.
  always_ff @(posedge clk_i) begin
    if (first_i | lookup_i | answered_i) begin
      references_q[slot_i] <= references + {15'd0, reads};
      used_hit_q[slot_i] <= ~first_i & ~begins_again &
                            (used_hit_q[slot_i] | combined_hit | nested_hit | ept_hit);
      no_lookup_q[slot_i] <= no_lookup;
    end
    if (logged) begin
      pml_index_q[slot_i] <= pml_index - 16'd1;
    end
    if (ve_due) begin
      violation_q[slot_i] <= report;
      qualification_q[slot_i] <= report.qualification;
    end
    if (ve_continues) begin
      ve_field_q[slot_i] <= ve_field;
    end
    if (guest_descends & first_lacking) begin
      lacking_level_q[slot_i] <= guest_level;
      lacking_address_q[slot_i] <= address;
      lacking_entry_q[slot_i] <= guest_desired;
    end
    if (begins | combined_hit | ept_done) begin
      verified_q[slot_i] <= verified;
    end
    if (judge_guest) begin
      guest_entry_q[slot_i] <= answer_i;
    end
    if (new_gpa_due | combined_hit) begin
      guest_leaf_level_q[slot_i] <= guest_leaf_level;
      guest_level_q[slot_i] <= new_guest_level;
      guest_rights_q[slot_i] <= guest_rights;
      gpa_q[slot_i] <= new_gpa;
    end
    if (locates_guest_entry) begin
      table_rights_q[slot_i] <= combined_hit ? combined_table_i.ept_rights : ept_rights;
    end
    if (ept_reached) begin
      ept_leaf_level_q[slot_i] <= ept_level;
    end
    if (asks_first) begin
      op_q[slot_i] <= OpLookupCombined;
    end else if (asks_ept) begin
      op_q[slot_i] <= OpLookupEpt;
    end else if (ve_due) begin
      op_q[slot_i] <= OpVeLoad;
      size_q[slot_i] <= 4'd4;
      address_q[slot_i] <= {annex.ve_frame, 12'd4};
      ept_level_q[slot_i] <= report.place.ept_level;
    end else if (ve_continues) begin
      op_q[slot_i] <= OpVeStore;
      size_q[slot_i] <= ve_size;
      address_q[slot_i] <= {annex.ve_frame, 6'd0, ve_offset};
      desired_q[slot_i] <= ve_value;
    end else if (log_due) begin
      op_q[slot_i] <= OpLog;
      address_q[slot_i] <= {annex.pml_frame, pml_index[8:0], 3'b000};
      desired_q[slot_i] <= {12'd0, gpa[51:12], 12'd0};
    end else if (ept_flag_due) begin
      op_q[slot_i] <= OpEptSwap;
      size_q[slot_i] <= 4'd8;
      address_q[slot_i] <= ept_entry_hpa;
      ept_level_q[slot_i] <= next_ept_level;
      expected_q[slot_i] <= ept_due_entry;
      desired_q[slot_i] <= ept_due_update;
    end else if (locates_guest_entry) begin
      op_q[slot_i] <= OpGuestRead;
      size_q[slot_i] <= mode.narrow ? 4'd4 : 4'd8;
      address_q[slot_i] <= hpa;
      ept_level_q[slot_i] <= 3'd0;
    end else if (reads) begin
      op_q[slot_i] <= OpEptRead;
      size_q[slot_i] <= 4'd8;
      address_q[slot_i] <= ept_entry_hpa;
      ept_level_q[slot_i] <= next_ept_level;
    end else if (update_due & ~update_refused) begin
      op_q[slot_i] <= dirty_due ? OpGuestDirty : OpGuestAccessed;
      expected_q[slot_i] <= guest_expected;
      desired_q[slot_i] <= guest_desired;
    end
  end

  op_e memory_op;
  assign memory_op = op_q[memory_slot_i];

  always_comb begin
    memory_o = '0;
    memory_o.id[SlotBits-1:0] = memory_slot_i;
    memory_o.size = size_q[memory_slot_i];
    memory_o.address = address_q[memory_slot_i];
    memory_o.place.guest_level = guest_level_q[memory_slot_i];
    memory_o.place.ept_level = ept_level_q[memory_slot_i];
    unique case (memory_op)
      OpEptSwap, OpGuestAccessed, OpGuestDirty: begin
        memory_o.kind = walker_pkg::MemorySwap;
        memory_o.expected = expected_q[memory_slot_i];
        memory_o.desired = desired_q[memory_slot_i];
      end
      OpLog, OpVeStore: begin
        memory_o.kind = walker_pkg::MemoryStore;
        memory_o.desired = desired_q[memory_slot_i];
      end
      OpVeLoad: memory_o.kind = walker_pkg::MemoryLoad;
      default: memory_o.kind = walker_pkg::MemoryRead;
    endcase
  end

endmodule
