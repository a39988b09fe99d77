// Proof: a step that meets a fault ends its walk in its own cycle: it makes no memory request, asks
// no cache, and fills none. But a violation that may become an exception has the information area
// loaded next, and a right missing after a hit begins the walk again. The caches of guest-physical
// addresses are filled by steps that lead to a guest entry or to a translation, the combined ones
// by those that lead to a translation, and no others. In any state in which walk_references finds
// a walk.
// Engine: induction 1
// See: mode = u_step.mode
// See: request = u_step.request
// See: op = u_step.op
// See: guest_refused = u_step.guest_refused
// See: guest_reason = u_step.guest_reason
// See: update_refused = u_step.update_refused
// See: ept_refused = u_step.ept_refused
// See: leaf = u_step.ept_leaf
// See: gpa = u_step.gpa
// See: used_hit = u_step.u_walk_path.used_hit_q
// Bug: rtl/ept_step.sv:
//   `assign descends_o = judge_i & present & ~malformed`
//   -> `assign descends_o = judge_i & present`
// Bug: rtl/walk_step.sv:
//   `assign refused_at_once = first_i & request.linear & linear_refused;`
//   -> `assign refused_at_once = first_i & linear_refused;`
// Bug: rtl/ept_step.sv:
//   `assign fills_o = done_o & `
//   -> `assign fills_o = (done_o | refused_o) & `
// Bug: rtl/walk_path.sv:
//   `.translated_i(located & located_own_access & walks_guest_i`
//   -> `.translated_i(located & walks_guest_i`

module walk_faults_proof (
  input logic                      clk_i,
  input logic                      take_i,
  input walker_pkg::request_t      request_i,
  input walker_pkg::context_t      context_i,
  input logic                      first_i,
  input logic                      lookup_i,
  input logic                      answered_i,
  input logic [63:0]               answer_i,
  input logic [2:0]                combined_level_i,
  input walker_pkg::guest_table_t  combined_table_i,
  input logic [2:0]                nested_level_i,
  input logic [63:0]               nested_leaf_i,
  input walker_pkg::ept_rights_t   nested_rights_i,
  input logic [2:0]                ept_level_i,
  input walker_pkg::ept_table_t    ept_table_i
);

  logic                        issues;
  logic                        looks_up;
  logic                        responds;
  walker_pkg::response_t       response;
  walker_pkg::memory_request_t memory;
  logic                        asks_combined;
  logic                        asks_ept;
  logic [4:2]                  combined_fills;
  logic [4:2]                  ept_fills;
  logic                        nested_fills;

  walk_step #(
    .Walks             (1),
    .SlotBits          (1),
    .HasCombined       (1'b1),
    .HasGuestPhysical  (1'b1)
  ) u_step (
    .clk_i,
    .take_i,
    .take_slot_i       (1'b0),
    .request_i,
    .context_i,
    .slot_i            (1'b0),
    .first_i,
    .lookup_i,
    .answered_i,
    .answer_i,
    .issues_o          (issues),
    .looks_up_o        (looks_up),
    .responds_o        (responds),
    .response_o        (response),
    .memory_slot_i     (1'b0),
    .memory_o          (memory),
    .asks_combined_o   (asks_combined),
    .asks_ept_o        (asks_ept),
    .space_o           (),
    .linear_o          (),
    .wide_pde_o        (),
    .guest_root_level_o(),
    .gpa_o             (),
    .writes_page_o     (),
    .combined_level_i,
    .combined_table_i,
    .nested_level_i,
    .nested_leaf_i,
    .nested_rights_i,
    .ept_level_i,
    .ept_table_i,
    .combined_fills_o  (combined_fills),
    .combined_pml4e_o  (),
    .combined_pdpte_o  (),
    .combined_pde_o    (),
    .ept_fills_o       (ept_fills),
    .ept_pml4e_o       (),
    .ept_pdpte_o       (),
    .ept_pde_o         (),
    .nested_fills_o    (nested_fills),
    .nested_level_o    (),
    .nested_leaf_o     (),
    .nested_rights_o   ()
  );

  walker_pkg::mode_t    mode_seen;
  walker_pkg::request_t request_seen;

  wire [$bits(mode_seen)-1:0]    mode;
  wire [$bits(request_seen)-1:0] request;
  wire [3:0]                     op;
  wire                           guest_refused;
  wire [4:0]                     guest_reason;
  wire                           update_refused;
  wire                           ept_refused;
  wire [63:0]                    leaf;
  wire                           used_hit;
  wire [51:0]                    gpa;

  // The entry that an answer brings, if it does; each by itself has a proof of its own.
  logic                reads;
  logic                swap_failed;
  logic                flags_only;
  logic                has_ept_entry;
  logic                has_guest_entry;
  logic                has_sub_page_entry;
  logic                ept_present;
  logic                ept_leaf;
  logic                ept_malformed;
  walker_pkg::reason_e ept_reason;
  logic                guest_present;
  logic                guest_malformed;
  logic                guest_leaf;

  ept_entry_check u_ept_entry (
    .mode_i         (mode_seen),
    .entry_i        (answer_i),
    .level_i        (memory.place.ept_level),
    .present_o      (ept_present),
    .leaf_o         (ept_leaf),
    .misconfigured_o(ept_malformed),
    .reason_o       (ept_reason)
  );

  guest_entry_check u_guest_entry (
    .mode_i    (mode_seen),
    .entry_i   (answer_i),
    .level_i   (memory.place.guest_level),
    .present_o (guest_present),
    .reserved_o(guest_malformed),
    .leaf_o    (guest_leaf)
  );

  logic sub_page_misses;
  logic sub_page_malformed;
  logic sub_page_descends;
  logic sub_page_allows;
  logic sub_page_denies;

  sub_page_entry_check u_sub_page_entry (
    .asked_i        (1'b1),
    .mode_i         (mode_seen),
    .entry_i        (answer_i),
    .level_i        (memory.place.sub_page_level),
    .offset_i       (gpa[11:0]),
    .size_i         (request_seen.size),
    .miss_o         (sub_page_misses),
    .misconfigured_o(sub_page_malformed),
    .descends_o     (sub_page_descends),
    .allows_o       (sub_page_allows),
    .denies_o       (sub_page_denies)
  );

  walker_pkg::access_t access;
  logic                linear_refused;
  walker_pkg::reason_e linear_reason;

  access_decode u_access (
    .kind_i  (request_seen.access),
    .access_o(access)
  );

  linear_address_check u_linear (
    .asked_i(1'b1),
    .mode_i    (mode_seen),
    .address_i (request_seen.address[63:47]),
    .access_i  (access),
    .user_i    (request_seen.user & !request_seen.implicit),
    .implicit_i(request_seen.implicit),
    .refused_o (linear_refused),
    .reason_o  (linear_reason)
  );

  localparam logic [3:0] LookUpCombined = 4'd0;
  localparam logic [3:0] LookUpEpt = 4'd1;
  localparam logic [3:0] EptRead = 4'd2;
  localparam logic [3:0] EptSwap = 4'd3;
  localparam logic [3:0] GuestDirty = 4'd6;
  localparam logic [3:0] SubPageRead = 4'd7;
  localparam logic [3:0] VeLoad = 4'd9;
  localparam logic [3:0] VeStore = 4'd10;

  logic fills;
  logic refused;      // for want of a right
  logic convertible;  // a violation that may become an exception
  logic nested_hit;
  logic steps;
  logic found;        // the response is about what was found now, not an exception's

  always_comb begin
    mode_seen = mode;
    request_seen = request;
    steps = first_i | lookup_i | answered_i;
    found = responds && !(answered_i && (op == VeLoad || op == VeStore));
    fills = combined_fills != 0 || ept_fills != 0 || nested_fills;
    swap_failed = memory.kind == walker_pkg::MemorySwap && answer_i != memory.expected;
    reads = memory.kind == walker_pkg::MemoryRead;
    flags_only = (answer_i | 64'h300) == (memory.expected | 64'h300);
    has_ept_entry = answered_i && memory.place.ept_level != 0
      && (reads || (swap_failed && !flags_only));
    has_sub_page_entry = answered_i && op == SubPageRead;
    has_guest_entry = answered_i && memory.place.ept_level == 0 && (reads || swap_failed)
      && !has_sub_page_entry;
    nested_hit = lookup_i && op == LookUpEpt && nested_level_i != 0;
    refused = ept_refused || update_refused
      || (guest_refused && !(has_guest_entry && (!guest_present || guest_malformed)));
    convertible = mode_seen.violation_ve
      && !(has_ept_entry && !ept_present ? answer_i[63] : leaf[63]);
  end

  // The step before, as it bears on the request that it made.
  logic loads_area_q = 1'b0;
  logic filled_q = 1'b0;
  logic stores_field_q = 1'b0;

  always_ff @(posedge clk_i) begin
    loads_area_q <= issues && !(refused && (used_hit || nested_hit))
      && (ept_refused || update_refused || (has_ept_entry && !ept_present));
    filled_q <= issues && fills;
    stores_field_q <= issues && answered_i && (op == VeLoad || op == VeStore);
  end

  always_comb begin
    assume (first_i + lookup_i + answered_i <= 1);
    assume (!lookup_i || op == LookUpCombined || op == LookUpEpt);
    if (answered_i) begin
      assume (op >= EptRead && op <= VeStore);
      assume (memory.place.ept_level <= 5 && memory.place.guest_level <= 5);
      if (op == EptRead || op == EptSwap) begin
        assume (memory.place.ept_level != 0);
      end else if (op <= GuestDirty) begin
        assume (memory.place.ept_level == 0 && memory.place.guest_level != 0);
      end else if (op == SubPageRead) begin
        assume (memory.place.guest_level == 0 && memory.place.sub_page_level >= 1
                && memory.place.sub_page_level <= 4);
      end
    end

    assert (2'd0 + issues + looks_up + responds == {1'b0, steps});
    assert (steps || !fills);

    // Found before any table is read.
    if (first_i && request_seen.linear && linear_refused) begin
      assert (responds);
      assert (response.outcome == walker_pkg::OutcomeGeneralProtection);
      assert (response.reason == linear_reason);
    end
    if (found && response.outcome == walker_pkg::OutcomeGeneralProtection) begin
      assert (first_i && request_seen.linear && linear_refused);
    end
    // In the entry that came.
    if (has_ept_entry && !ept_present) begin
      assert (convertible ? issues : responds);
      assert (!fills);
      if (responds) begin
        assert (response.outcome == walker_pkg::OutcomeEptViolation);
        assert (response.reason == walker_pkg::ReasonEptNotPresent);
      end
    end
    if (has_ept_entry && ept_present && ept_malformed) begin
      assert (responds);
      assert (response.outcome == walker_pkg::OutcomeEptMisconfiguration);
      assert (response.reason == ept_reason);
      assert (response.entry == answer_i);
    end
    if (found && response.outcome == walker_pkg::OutcomeEptMisconfiguration) begin
      assert (has_ept_entry && ept_present && ept_malformed);
    end
    if (has_guest_entry && (!guest_present || guest_malformed)) begin
      assert (responds);
      assert (response.outcome == walker_pkg::OutcomePageFault);
      assert (response.reason == (guest_present ? walker_pkg::ReasonGuestReservedBit
                                                : walker_pkg::ReasonGuestNotPresent));
      assert (response.entry == answer_i);
    end
    if (has_sub_page_entry && (sub_page_misses || sub_page_malformed) && !used_hit) begin
      assert (responds);
      assert (response.outcome == walker_pkg::OutcomeSppEvent);
      assert (response.reason == (sub_page_misses ? walker_pkg::ReasonSppMiss
                                                  : walker_pkg::ReasonSppMisconfiguration));
      assert (response.entry == answer_i);
      assert (!fills);
    end
    if (found && response.outcome == walker_pkg::OutcomeSppEvent) begin
      assert (has_sub_page_entry && (sub_page_misses || sub_page_malformed) && !used_hit);
    end
    if (has_sub_page_entry && sub_page_descends) assert (issues && !fills);
    // For want of a right.
    if (refused && !used_hit && !nested_hit) begin
      if (guest_refused) begin
        assert (responds);
        assert (response.outcome == walker_pkg::OutcomePageFault);
        assert (response.reason == guest_reason);
      end else begin
        assert (convertible ? issues : responds);
        if (responds) assert (response.outcome == walker_pkg::OutcomeEptViolation);
      end
      assert (!fills);
    end
    if (refused && (used_hit || nested_hit) && responds) begin
      // Begun again, it may end before it reads anything.
      assert (response.reason == walker_pkg::ReasonGuestNotPresent
              || response.reason == walker_pkg::ReasonEptAddressTooWide
              || response.outcome == walker_pkg::OutcomeTranslated);
    end
    // While an exception is delivered.
    if (answered_i && op == VeLoad) begin
      assert (answer_i[31:0] == 0 ? issues : responds);
      assert (!fills);
    end
    if (answered_i && op == VeStore) assert (!fills);

    // Fills.
    if (responds && response.outcome != walker_pkg::OutcomeTranslated) assert (!fills);
    if (fills) assert (issues || responds);
    if (asks_combined) assert (combined_fills == 0);
    if (asks_ept) assert (ept_fills == 0 && !nested_fills);
    if (combined_fills != 0) assert (responds);

    // The requests that the steps before made.
    if (loads_area_q) begin
      assert (memory.kind == walker_pkg::MemoryLoad);
      assert (memory.size == 4);
    end
    if (filled_q) begin
      assert (memory.kind == walker_pkg::MemoryRead);
      assert (memory.place.ept_level == 0);
    end
    if (stores_field_q) assert (memory.kind == walker_pkg::MemoryStore);
  end

endmodule
