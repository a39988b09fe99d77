// A guest entry in hand, judged as far as one cycle goes: refused, a flag due, a reference to the
// next table, or a leaf that allows the access.

module guest_step (
  input  walker_pkg::mode_t         mode_i,
  input  walker_pkg::access_t       access_i,
  input  logic                      user_i,          // a user-mode access
  input  logic                      implicit_i,      // an implicit supervisor access
  input  logic                      judge_i,         // the entry has come from memory
  input  logic                      accessed_set_i,  // its accessed flag has been set
  input  logic                      dirty_set_i,     // its dirty flag has been set
  input  logic [63:0]               entry_i,         // as it came from memory
  input  logic [2:0]                level_i,
  input  logic                      hlat_i,          // it is one of the HLAT tables
  input  walker_pkg::guest_rights_t upper_rights_i,  // and of the levels above
  output walker_pkg::guest_rights_t rights_o,        // and of this one too
  output logic                      refused_o,       // page fault
  output walker_pkg::reason_e       reason_o,
  output logic [7:0]                error_code_o,
  output logic                      first_lacking_o,  // lacks the right that a refusal will name
  output logic                      lacked_above_o,   // refused for what an entry above lacks
  output logic                      update_due_o,  // a flag is to be set
  output logic                      dirty_due_o,   // it is the dirty flag, else the accessed flag
  output logic [63:0]               expected_o,    // by the swap
  output logic [63:0]               desired_o,
  output logic                      restarts_o,  // translation begins again from CR3
  output logic                      descends_o,  // the entry refers to the next table
  output logic                      done_o       // the entry maps the page, which may be accessed
);

  logic in_hand, present, reserved, is_leaf, sound, used, leaf_reached, accessed_due;
  logic [63:0] entry;

  // Otherwise there is nothing to judge.
  assign in_hand = judge_i | accessed_set_i | dirty_set_i;
  assign entry = in_hand ? entry_i : '0;

  guest_entry_check u_guest_entry_check (
    .mode_i(mode_i),
    .entry_i(entry),
    .level_i(level_i),
    .present_o(present),
    .reserved_o(reserved),
    .leaf_o(is_leaf)
  );

  assign sound = judge_i & present & ~reserved;
  assign accessed_due = sound & ~entry[arch_pkg::GuestEntryAccessed];
  assign used = (sound & entry[arch_pkg::GuestEntryAccessed]) | accessed_set_i;
  assign restarts_o = used & hlat_i & entry[arch_pkg::GuestEntryRestart];
  assign descends_o = used & ~is_leaf & ~restarts_o;
  assign leaf_reached = used & is_leaf & ~restarts_o;

  logic rights_refuse, key_refuses;
  walker_pkg::reason_e rights_reason;

  always_comb begin
    rights_o = '0;
    if (in_hand) begin
      rights_o.write = upper_rights_i.write & entry[arch_pkg::GuestEntryWritable];
      rights_o.user = upper_rights_i.user & entry[arch_pkg::GuestEntryUser];
      rights_o.execute = upper_rights_i.execute &
                         ~(mode_i.nxe & entry[arch_pkg::GuestEntryExecuteDisable]);
      // Read-only and dirty, under entries that are writable.
      rights_o.shadow_stack = is_leaf & upper_rights_i.write &
                              ~entry[arch_pkg::GuestEntryWritable] &
                              (entry[arch_pkg::GuestEntryDirty] | dirty_set_i);
    end
  end

  guest_permission_check u_guest_permission_check (
    .asked_i(leaf_reached),
    .mode_i(mode_i),
    .access_i(access_i),
    .user_i(user_i),
    .implicit_i(implicit_i),
    .rights_i(rights_o),
    .key_i(entry[arch_pkg::GuestEntryProtectionKeyHigh:arch_pkg::GuestEntryProtectionKeyLow]),
    .refused_o(rights_refuse),
    .key_refused_o(key_refuses),
    .reason_o(rights_reason)
  );

  assign dirty_due_o = leaf_reached & ~rights_refuse & access_i.write &
                       ~entry[arch_pkg::GuestEntryDirty];
  assign done_o = (leaf_reached & ~rights_refuse & ~dirty_due_o) | dirty_set_i;
  assign update_due_o = accessed_due | dirty_due_o;

  // The accessed flag is set by the time the dirty flag is due.
  always_comb begin
    expected_o = entry;
    desired_o = entry;
    expected_o[arch_pkg::GuestEntryAccessed] = dirty_due_o;
    desired_o[arch_pkg::GuestEntryAccessed] = 1'b1;
    desired_o[arch_pkg::GuestEntryDirty] = entry[arch_pkg::GuestEntryDirty] | dirty_due_o;
  end

  // Which entry a refusal names: of the rights missing the first of these decides, and of the
  // entries that lack it the uppermost.
  logic needs_write, needs_user, needs_execute, write_gone, user_gone;
  always_comb begin
    needs_write = 1'b0;
    needs_user = 1'b0;
    needs_execute = 1'b0;
    write_gone = 1'b0;
    user_gone = 1'b0;
    first_lacking_o = 1'b0;
    lacked_above_o = 1'b0;
    if (used) begin
      needs_write = access_i.write & ~access_i.shadow_stack & (user_i | mode_i.wp);
      needs_user = user_i;
      needs_execute = access_i.fetch;
      write_gone = needs_write & ~upper_rights_i.write;
      user_gone = needs_user & ~upper_rights_i.user;
      first_lacking_o =
          (needs_write & upper_rights_i.write & ~rights_o.write) |
          (needs_user & upper_rights_i.user & ~rights_o.user & ~write_gone) |
          (needs_execute & upper_rights_i.execute & ~rights_o.execute & ~write_gone & ~user_gone);
      lacked_above_o =
          leaf_reached &
          (write_gone | user_gone | (needs_execute & ~upper_rights_i.execute)) & ~first_lacking_o;
    end
  end

  assign refused_o = (judge_i & ~sound) | (leaf_reached & rights_refuse);

  always_comb begin
    if (leaf_reached) begin
      reason_o = rights_reason;
    end else begin
      reason_o = present ? walker_pkg::ReasonGuestReservedBit : walker_pkg::ReasonGuestNotPresent;
    end
  end

  page_fault_code u_page_fault_code (
    .asked_i(refused_o),
    .mode_i(mode_i),
    .access_i(access_i),
    .user_i(user_i),
    .present_i(present),
    .reserved_i(reserved),
    .key_refused_i(key_refuses),
    .hlat_i(hlat_i),
    .error_code_o(error_code_o)
  );

endmodule
