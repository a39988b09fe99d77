// Proof: what becomes of a guest entry in one cycle, by the order of the rules.
// Bug: rtl/guest_step.sv:
//   `leaf_reached & ~rights_refuse & access_i.write`
//   -> `leaf_reached & access_i.write`
// Bug: rtl/guest_step.sv:
//   `(judge_i & ~sound) |`
//   -> ``
// Bug: rtl/guest_step.sv:
//   `used & is_leaf & ~restarts_o`
//   -> `used & is_leaf`
// Bug: rtl/guest_step.sv:
//   `used & hlat_i & entry[arch_pkg::GuestEntryRestart]`
//   -> `judge_i & hlat_i & entry[arch_pkg::GuestEntryRestart]`
// Bug: rtl/guest_step.sv:
//   `is_leaf & upper_rights_i.write &`
//   -> `is_leaf &`
// Bug: rtl/guest_step.sv:
//   `~rights_o.execute & ~write_gone & ~user_gone`
//   -> `~rights_o.execute & ~write_gone`

module guest_step_proof (
  input walker_pkg::mode_t         mode_i,
  input walker_pkg::access_t       access_i,
  input logic                      user_i,
  input logic                      implicit_i,
  input logic                      judge_i,
  input logic                      accessed_set_i,
  input logic                      dirty_set_i,
  input logic [63:0]               entry_i,
  input logic [2:0]                level_i,
  input logic                      hlat_i,
  input walker_pkg::guest_rights_t upper_rights_i
);

  walker_pkg::guest_rights_t rights;
  logic                      refused;
  walker_pkg::reason_e       reason;
  logic [7:0]                error_code;
  logic                      first_lacking;
  logic                      lacked_above;
  logic                      update_due;
  logic                      dirty_due;
  logic [63:0]               swap_from;
  logic [63:0]               swap_to;
  logic                      restarts;
  logic                      descends;
  logic                      done;

  guest_step u_step (
    .mode_i,
    .access_i,
    .user_i,
    .implicit_i,
    .judge_i,
    .accessed_set_i,
    .dirty_set_i,
    .entry_i,
    .level_i,
    .hlat_i,
    .upper_rights_i,
    .rights_o       (rights),
    .refused_o      (refused),
    .reason_o       (reason),
    .error_code_o   (error_code),
    .first_lacking_o(first_lacking),
    .lacked_above_o (lacked_above),
    .update_due_o   (update_due),
    .dirty_due_o    (dirty_due),
    .expected_o     (swap_from),
    .desired_o      (swap_to),
    .restarts_o     (restarts),
    .descends_o     (descends),
    .done_o         (done)
  );

  // The rules of one entry and of rights have proofs of their own: here, their order.
  logic                      present;
  logic                      reserved;
  logic                      leaf;
  walker_pkg::guest_rights_t all_rights;
  logic                      denied;
  logic                      key_denied;
  walker_pkg::reason_e       denial;
  logic [7:0]                code;

  guest_entry_check u_entry (
    .mode_i,
    .entry_i,
    .level_i,
    .present_o (present),
    .reserved_o(reserved),
    .leaf_o    (leaf)
  );

  guest_permission_check u_rights (
    .asked_i(1'b1),
    .mode_i,
    .access_i,
    .user_i,
    .implicit_i,
    .rights_i     (all_rights),
    .key_i        (entry_i[62:59]),
    .refused_o    (denied),
    .key_refused_o(key_denied),
    .reason_o     (denial)
  );

  page_fault_code u_code (
    .asked_i(1'b1),
    .mode_i,
    .access_i,
    .user_i,
    .present_i    (present),
    .reserved_i   (present & reserved),
    .key_refused_i(present & !reserved & key_denied),
    .hlat_i,
    .error_code_o (code)
  );

  always_comb begin
    all_rights.write = upper_rights_i.write & entry_i[1];
    all_rights.user = upper_rights_i.user & entry_i[2];
    all_rights.execute = upper_rights_i.execute & !entry_i[63];
    // A page of shadow stacks is read-only and dirty, under tables that are writable.
    case ({leaf, upper_rights_i.write, entry_i[1], entry_i[6] | dirty_set_i})
      4'b1101: all_rights.shadow_stack = 1'b1;
      default: all_rights.shadow_stack = 1'b0;
    endcase
  end

  // Of the rights that no later entry can give back, the one that a refusal will name: of the
  // entries so far without this one, and with it.
  localparam logic [1:0] Nothing = 2'd0;
  localparam logic [1:0] Write = 2'd1;
  localparam logic [1:0] User = 2'd2;
  localparam logic [1:0] Execute = 2'd3;
  logic       writes;  // and needs the right
  logic [1:0] blamed_above;
  logic [1:0] blamed_here;

  always_comb begin
    case ({access_i.write, access_i.shadow_stack, user_i, mode_i.wp})
      4'b1001, 4'b1010, 4'b1011: writes = 1'b1;
      default: writes = 1'b0;
    endcase
    if (writes && !upper_rights_i.write) begin
      blamed_above = Write;
    end else if (user_i && !upper_rights_i.user) begin
      blamed_above = User;
    end else if (access_i.fetch && !upper_rights_i.execute) begin
      blamed_above = Execute;
    end else begin
      blamed_above = Nothing;
    end
    if (writes && !all_rights.write) begin
      blamed_here = Write;
    end else if (user_i && !all_rights.user) begin
      blamed_here = User;
    end else if (access_i.fetch && !all_rights.execute) begin
      blamed_here = Execute;
    end else begin
      blamed_here = Nothing;
    end
  end

  // The rules in order; the first that holds is what becomes of the entry.
  logic [3:0] outcome;
  localparam logic [3:0] NotPresent = 4'd0;
  localparam logic [3:0] Malformed = 4'd1;
  localparam logic [3:0] SetAccessed = 4'd2;
  localparam logic [3:0] Descend = 4'd3;
  localparam logic [3:0] Denied = 4'd4;
  localparam logic [3:0] SetDirty = 4'd5;
  localparam logic [3:0] Done = 4'd6;
  localparam logic [3:0] Restart = 4'd7;

  always_comb begin
    if (!present) begin
      outcome = NotPresent;
    end else if (reserved) begin
      outcome = Malformed;
    end else if (!entry_i[5] && judge_i) begin
      outcome = SetAccessed;
    end else if (hlat_i && entry_i[11]) begin
      outcome = Restart;
    end else if (!leaf) begin
      outcome = Descend;
    end else if (denied) begin
      outcome = Denied;
    end else if (access_i.write && !entry_i[6] && !dirty_set_i) begin
      outcome = SetDirty;
    end else begin
      outcome = Done;
    end
  end

  always_comb begin
    assume (mode_i.maxphyaddr >= 32 && mode_i.maxphyaddr <= 52);
    assume (level_i >= 1 && level_i <= 5);
    // Of 32-bit paging an entry has four bytes.
    assume (!mode_i.narrow || (entry_i[63:32] == 0 && !mode_i.nxe));
    assume (access_i.fetch != (access_i.read | access_i.write));
    assume (!access_i.fetch || !access_i.shadow_stack);
    assume (!implicit_i || !user_i);
    // What happened to the entry: it came, or one of its flags was set, for that was due.
    assume (judge_i + accessed_set_i + dirty_set_i <= 1);
    assume (!accessed_set_i || (present && !reserved && !entry_i[5]));
    assume (!dirty_set_i || (outcome == Done && access_i.write && !entry_i[6]));

    if (judge_i || accessed_set_i || dirty_set_i) begin
      assert (refused == (outcome == NotPresent || outcome == Malformed || outcome == Denied));
      assert (update_due == (outcome == SetAccessed || outcome == SetDirty));
      assert (restarts == (outcome == Restart));
      assert (descends == (outcome == Descend));
      assert (done == (outcome == Done));
      case (outcome)
        NotPresent: begin
          assert (reason == walker_pkg::ReasonGuestNotPresent);
          assert (error_code == code);
        end
        Malformed: begin
          assert (reason == walker_pkg::ReasonGuestReservedBit);
          assert (error_code == code);
        end
        Denied: begin
          assert (reason == denial);
          assert (error_code == code);
          assert (lacked_above == (blamed_here != Nothing && blamed_here == blamed_above));
        end
        SetAccessed: begin
          assert (!dirty_due);
          assert (swap_from == entry_i);
          assert (swap_to == (entry_i | 64'h20));
        end
        SetDirty: begin
          assert (dirty_due);
          // Its accessed flag is set in memory by now.
          assert (swap_from == (entry_i | 64'h20));
          assert (swap_to == (entry_i | 64'h60));
        end
        Restart: begin
        end
        default: assert (rights == all_rights);
      endcase
      if (outcome == Descend) begin
        assert (first_lacking == (blamed_here != Nothing && blamed_here != blamed_above));
      end
      if (outcome == Descend || outcome == Done) begin
        assert (mode_i.nxe || rights.execute || !upper_rights_i.execute);
      end
    end else begin
      assert (!refused && !update_due && !restarts && !descends && !done);
    end
  end

endmodule
