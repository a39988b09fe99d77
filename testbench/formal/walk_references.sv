// Proof: a walk ends, for there is an end to each thing it does. With g levels of guest tables and
// e of the EPT it makes at most (g+1)(e+1)-1 references; of swaps one for each entry and one for
// the dirty flag of the guest's leaf; and g+1 stores to the log. Where HLAT tables are walked before
// a restart from CR3, g(e+1) references and swaps are added, and g stores; 4 references where
// sub-page permissions are asked. If it met a refusal after a hit in the caches, it does all this
// once more, but one reference. A swap that fails gives it e-1 references (of the access's own
// address, those to sub-page permissions too) and e (without EPT, 2) swaps more. At its end it makes
// 7 requests at most for a virtualization exception. It asks the caches g+2 times at most, and g
// times more around a restart. Its response has its tag, and says how many references it made. Its
// memory request stays as it is until the walk's next step. Of either of two walks, whatever the
// caches say.
// Engine: induction 1
// See: modes = u_step.u_walk_context.mode_q[0..1]
// See: requests = u_step.u_walk_context.request_q[0..1]
// See: ops = u_step.u_walk_next.op_q[0..1]
// See: leaf_level_all = u_step.u_ept_step.leaf_level_q[0..1]
// See: references_all = u_step.u_walk_path.references_q[0..1]
// See: violations = u_step.u_virtualization_exception.violation_q[0..1]
// See: ve_field_all = u_step.u_virtualization_exception.field_q[0..1]
// See: used_hit_all = u_step.u_walk_path.used_hit_q
// See: again_all = u_step.u_walk_path.no_lookup_q
// See: begin_level_all = u_step.u_ept_step.u_ept_levels.begin_level_q[0..1]
// See: entries = u_step.u_ept_step.u_ept_levels.entries_q[0..15]
// Bug: rtl/guest_location.sv:
//   `new_level_o = level_o - 3'd1;`
//   -> `new_level_o = level_o;`
// Bug: rtl/walk_path.sv:
//   `(~first_i & no_lookup_q[slot_i]) | begins_again_o;`
//   -> `(first_i & no_lookup_q[slot_i]) | begins_again_o;`
// Bug: rtl/guest_location.sv:
//   `new_hlat_o = mode_i.hlat & walks_guest_i & ~restarts_i;`
//   -> `new_hlat_o = mode_i.hlat & walks_guest_i;`
// Bug: rtl/ept_step.sv:
//   `if (sub_page_due) begin`
//   -> `if (reads_sub_page_o) begin`
// Bug: rtl/virtualization_exception.sv:
//   `assign delivered = stored_i & (field == 3'd6);`
//   -> `assign delivered = stored_i & (field == 3'd7);`

module walk_references_proof (
  input logic                      clk_i,
  input logic                      chosen_i,
  input logic                      take_i,
  input logic                      take_slot_i,
  input walker_pkg::request_t      request_i,
  input walker_pkg::context_t      context_i,
  input logic                      slot_i,
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

  // Any slot, but one and the same.
  logic running_q = 1'b0;
  logic chosen_q;
  always_ff @(posedge clk_i) begin
    running_q <= 1'b1;
    if (!running_q) chosen_q <= chosen_i;
  end

  logic                        issues;
  logic                        looks_up;
  logic                        responds;
  logic                        asks_combined;
  logic                        asks_ept;
  logic [2:0]                  guest_root_level;
  walker_pkg::memory_request_t memory;
  walker_pkg::response_t       response;

  walk_step #(
    .Walks             (2),
    .SlotBits          (1),
    .HasCombined       (1'b1),
    .HasGuestPhysical  (1'b1)
  ) u_step (
    .clk_i,
    .take_i,
    .take_slot_i,
    .request_i,
    .context_i,
    .slot_i,
    .first_i,
    .lookup_i,
    .answered_i,
    .answer_i,
    .issues_o          (issues),
    .looks_up_o        (looks_up),
    .responds_o        (responds),
    .response_o        (response),
    .memory_slot_i     (chosen_q),
    .memory_o          (memory),
    .asks_combined_o   (asks_combined),
    .asks_ept_o        (asks_ept),
    .space_o           (),
    .linear_o          (),
    .wide_pde_o        (),
    .guest_root_level_o(guest_root_level),
    .gpa_o             (),
    .writes_page_o     (),
    .combined_level_i,
    .combined_table_i,
    .nested_level_i,
    .nested_leaf_i,
    .nested_rights_i,
    .ept_level_i,
    .ept_table_i,
    .combined_fills_o  (),
    .combined_pml4e_o  (),
    .combined_pdpte_o  (),
    .combined_pde_o    (),
    .ept_fills_o       (),
    .ept_pml4e_o       (),
    .ept_pdpte_o       (),
    .ept_pde_o         (),
    .nested_fills_o    (),
    .nested_level_o    (),
    .nested_leaf_o     (),
    .nested_rights_o   ()
  );

  // What the chosen walk has come to, as the walker's control keeps it; walker_control proves that
  // it follows each walk from what this proof assumes.
  localparam logic [1:0] None = 2'd0;
  localparam logic [1:0] Fresh = 2'd1;
  localparam logic [1:0] LookUp = 2'd2;
  localparam logic [1:0] Memory = 2'd3;

  logic [1:0] phase_q;
  logic       taken;
  logic       steps;

  assign taken = take_i && take_slot_i == chosen_q;
  assign steps = (first_i | lookup_i | answered_i) && slot_i == chosen_q;

  always_ff @(posedge clk_i) begin
    if (!running_q) begin
      phase_q <= None;
    end else if (taken) begin
      phase_q <= Fresh;
    end else if (steps) begin
      phase_q <= issues ? Memory : looks_up ? LookUp : None;
    end
  end

  // Counted where it leaves the unit. Of references and swaps, less what the swaps that failed
  // account for, but never less than nothing.
  logic [31:0] tag_q;
  logic [15:0] references_q;
  logic [7:0]  reads_q;
  logic [7:0]  swaps_q;
  logic [7:0]  logs_q;
  logic [7:0]  ve_q;
  logic [7:0]  lookups_q;
  logic        reading;
  logic        swapping;
  logic        logging;
  logic        delivering;
  logic        failed;
  logic [7:0]  reads_more;
  logic [7:0]  swaps_more;

  always_comb begin
    reading = 1'b0;
    swapping = 1'b0;
    logging = 1'b0;
    delivering = 1'b0;
    if (phase_q == Memory) begin
      case (memory.kind)
        walker_pkg::MemoryRead: reading = 1'b1;
        walker_pkg::MemorySwap: swapping = 1'b1;
        walker_pkg::MemoryLoad: delivering = 1'b1;
        default: begin
          logging = op == Log;
          delivering = op != Log;
        end
      endcase
    end
    failed = swapping && answer_i != memory.expected;
  end

  always_ff @(posedge clk_i) begin
    if (taken) begin
      tag_q <= request_i.tag;
      references_q <= '0;
      reads_q <= '0;
      swaps_q <= '0;
      logs_q <= '0;
      ve_q <= '0;
      lookups_q <= '0;
    end else if (steps) begin
      if (reading) begin
        reads_q <= reads_q + 1;
        references_q <= references_q + 1;
      end
      if (swapping) swaps_q <= swaps_q + 1;
      if (logging) logs_q <= logs_q + 1;
      if (delivering) ve_q <= ve_q + 1;
      if (lookup_i) lookups_q <= lookups_q + 1;
      if (failed) begin
        reads_q <= reads_q < reads_more ? 0 : reads_q - reads_more;
        swaps_q <= swaps_q + 1 < swaps_more ? 0 : swaps_q + 1 - swaps_more;
      end
    end
  end

  // The chosen walk's request in the cycle before, and whether it may be another now.
  walker_pkg::memory_request_t memory_q;
  logic                        stepped_q = 1'b1;
  always_ff @(posedge clk_i) begin
    memory_q <= memory;
    stepped_q <= !running_q || steps;
  end

  // What the walker remembers of the chosen walk.
  walker_pkg::mode_t     mode;
  walker_pkg::request_t  request;
  walker_pkg::response_t violation;
  logic [3:0]            op;
  logic [2:0]            guest_level;
  logic [2:0]            ept_level;
  logic [2:0]            sub_page_level;
  logic                  hlat;
  logic [2:0]            leaf_level;
  logic [2:0]            begin_level;
  logic [15:0]           references;
  logic [2:0]            ve_field;
  logic                  used_hit;
  logic                  again;
  logic [5:2]            accessed;
  logic [1:0]            leaf_flags;

  wire [2*$bits(mode)-1:0]      modes;
  wire [2*$bits(request)-1:0]   requests;
  wire [2*$bits(violation)-1:0] violations;
  wire [2*4-1:0]                ops;
  wire [2*3-1:0]                leaf_level_all;
  wire [2*3-1:0]                begin_level_all;
  wire [2*16-1:0]               references_all;
  wire [2*3-1:0]                ve_field_all;
  wire [1:0]                    used_hit_all;
  wire [1:0]                    again_all;
  wire [16*64-1:0]              entries;

  always_comb begin
    mode = modes[chosen_q*$bits(mode) +: $bits(mode)];
    request = requests[chosen_q*$bits(request) +: $bits(request)];
    violation = violations[chosen_q*$bits(violation) +: $bits(violation)];
    op = ops[chosen_q*4 +: 4];
    guest_level = memory.place.guest_level;
    ept_level = memory.place.ept_level;
    sub_page_level = memory.place.sub_page_level;
    hlat = memory.place.hlat;
    leaf_level = leaf_level_all[chosen_q*3 +: 3];
    begin_level = begin_level_all[chosen_q*3 +: 3];
    references = references_all[chosen_q*16 +: 16];
    ve_field = ve_field_all[chosen_q*3 +: 3];
    used_hit = used_hit_all[chosen_q];
    again = again_all[chosen_q];
    accessed[5] = entries[{chosen_q, 3'd5, 6'd8}];
    accessed[4] = entries[{chosen_q, 3'd4, 6'd8}];
    accessed[3] = entries[{chosen_q, 3'd3, 6'd8}];
    accessed[2] = entries[{chosen_q, 3'd2, 6'd8}];
    leaf_flags = entries[{chosen_q, leaf_level, 6'd8} +: 2];
  end

  localparam logic [3:0] LookUpCombined = 4'd0;
  localparam logic [3:0] LookUpEpt = 4'd1;
  localparam logic [3:0] EptRead = 4'd2;
  localparam logic [3:0] EptSwap = 4'd3;
  localparam logic [3:0] GuestRead = 4'd4;
  localparam logic [3:0] GuestAccessed = 4'd5;
  localparam logic [3:0] GuestDirty = 4'd6;
  localparam logic [3:0] SubPageRead = 4'd7;
  localparam logic [3:0] Log = 4'd8;
  localparam logic [3:0] VeLoad = 4'd9;
  localparam logic [3:0] VeStore = 4'd10;

  // Levels of this walk, and how far it has come.
  logic [7:0] levels;
  logic [7:0] ept_levels;
  logic [7:0] most_reads;
  logic [7:0] most_swaps;
  logic [7:0] walked;
  logic [7:0] before;        // levels of HLAT tables, walked before a restart, if there was one
  logic [7:0] restartable;   // those that a walk may have
  logic [7:0] sub_page_reads;
  logic       of_ept;
  logic       of_guest;
  logic       writes;

  always_comb begin
    of_ept = op == EptRead || op == EptSwap || op == Log;
    of_guest = op == GuestRead || op == GuestAccessed || op == GuestDirty;
    levels = !(mode.paging && request.linear) ? 0 : !mode.long_mode ? 2 : mode.five_levels ? 5 : 4;
    ept_levels = !mode.ept ? 0 : mode.ept_five_levels ? 5 : 4;
    restartable = mode.hlat ? levels : 0;
    before = hlat ? 0 : restartable;
    sub_page_reads = mode.sub_pages ? 4 : 0;
    reads_more = ept_levels == 0 ? 0 : ept_levels - 1 + (guest_level == 0 ? sub_page_reads : 0);
    swaps_more = ept_levels == 0 ? 2 : ept_levels;
    most_reads = (restartable + levels + 1) * (ept_levels + 1) - 1 + sub_page_reads;
    most_swaps = (restartable + levels) * (ept_levels + 1) + ept_levels + 1;
    walked = guest_level == 0 ? levels : levels - guest_level;
    writes = guest_level != 0 || request.access == arch_pkg::AccessWrite
      || request.access == arch_pkg::AccessReadModifyWrite
      || request.access == arch_pkg::AccessShadowStackWrite;
  end

  // With what is under way; and the most that there can be by now.
  logic [7:0] reads;
  logic [7:0] may_read;
  logic [7:0] swaps;
  logic [7:0] may_swap;
  logic [7:0] logs;
  logic [7:0] may_log;
  logic [7:0] lookups;
  logic [7:0] may_look_up;

  always_comb begin
    reads = reads_q + {7'd0, reading};
    swaps = swaps_q + {7'd0, swapping};
    logs = logs_q + {7'd0, logging};
    lookups = lookups_q + {7'd0, phase_q == LookUp};
    may_read = (before + walked) * (ept_levels + 1);
    may_swap = (before + walked) * (ept_levels + 1) + {7'd0, guest_level == 0};
    may_log = before + walked;
    may_look_up = before + walked + 2;
    case (op)
      LookUpCombined: begin
        may_read = 0;
        may_swap = 0;
        may_log = 0;
        may_look_up = 1;
      end
      LookUpEpt: ;
      EptRead: may_read = may_read + ept_levels - ept_level + 1;
      SubPageRead: may_read = may_read + ept_levels + 5 - sub_page_level;
      EptSwap, Log: begin
        may_read = may_read + ept_levels + (guest_level == 0 ? sub_page_reads : 0);
        may_swap = may_swap + ept_levels - ept_level + 1;
        may_log = may_log + {7'd0, op == Log};
      end
      VeLoad, VeStore: begin
        may_read = most_reads;
        may_swap = most_swaps;
        may_log = restartable + levels + 1;
        may_look_up = restartable + levels + 2;
      end
      default: begin
        may_read = may_read + ept_levels + 1;
        may_swap = may_swap + ept_levels + (op == GuestRead ? 0 : op == GuestAccessed ? 1 : 2);
        may_log = may_log + 1;
      end
    endcase
    if (again) begin
      may_read = may_read + most_reads - 1;
      may_swap = may_swap + most_swaps;
      may_log = may_log + restartable + levels + 1;
      may_look_up = restartable + levels + 2;
    end
  end

  // The flags of the entries above one that is swapped are set.
  logic flags_above;
  always_comb begin
    flags_above = (ept_level >= 5 || begin_level < 5 || accessed[5])
      && (ept_level >= 4 || begin_level < 4 || accessed[4])
      && (ept_level >= 3 || begin_level < 3 || accessed[3])
      && (ept_level >= 2 || begin_level < 2 || accessed[2]);
  end

  always_comb begin
    assume (first_i + lookup_i + answered_i <= 1);
    if (running_q) begin
      assume (!taken || phase_q == None);
      if (steps) begin
        assume (!first_i || phase_q == Fresh);
        assume (!lookup_i || phase_q == LookUp);
        assume (!answered_i || phase_q == Memory);
      end
    end
    // What walk_caches answers.
    assume (combined_level_i == 0 || (combined_level_i >= 2 && combined_level_i <= 4));
    assume (combined_level_i <= guest_root_level);
    assume (nested_level_i <= 3);
    assume (ept_level_i == 0 || (ept_level_i >= 2 && ept_level_i <= 4));

    if (steps && running_q) begin
      assert (issues + looks_up + responds == 1);
      if (responds) begin
        assert (response.tag == tag_q);
        assert (response.references == references_q + {15'd0, reading});
      end
    end

    if (running_q) begin
      assert (memory.id == {7'd0, chosen_q});
      if (!stepped_q) assert (memory == memory_q);
      if (phase_q != None) assert (request.tag == tag_q);
      if (phase_q == Memory && (op == VeLoad || op == VeStore)) begin
        assert (violation.tag == tag_q);
        assert (violation.references == references_q);
      end
    end
    if (running_q && phase_q == Fresh) begin
      assert (references_q == 0);
      assert ((reads_q | swaps_q | logs_q | ve_q | lookups_q) == 0);
    end
    if (running_q && (phase_q == LookUp || phase_q == Memory)) begin
      // Where a walk can be.
      assert (op == LookUpCombined || guest_level <= levels);
      if (phase_q == LookUp) begin
        assert (op == LookUpCombined || op == LookUpEpt);
        assert (op != LookUpCombined || (levels != 0 && !again && !used_hit));
        assert (op != LookUpEpt || (ept_levels != 0 && !again));
      end else begin
        assert (of_ept || of_guest || op == SubPageRead || op == VeLoad || op == VeStore);
        assert (!of_ept || (ept_level >= 1 && ept_level <= begin_level));
        assert (!of_ept || begin_level <= ept_levels);
        assert (!of_guest || (guest_level != 0 && ept_level == 0));
      end
      assert (op == LookUpCombined || !hlat || (mode.hlat && levels != 0));
      if (op == SubPageRead) begin
        assert (mode.sub_pages && ept_levels != 0 && guest_level == 0);
        assert (ept_level == 0 && sub_page_level >= 1 && sub_page_level <= 4);
        assert (leaf_level == 1 && begin_level >= 1 && begin_level <= ept_levels);
      end else begin
        assert (sub_page_level == 0);
      end
      // Flags are set from the root to the leaf, the dirty flag in the leaf alone.
      if (op == EptSwap || op == Log) begin
        assert (leaf_level >= 1 && leaf_level <= 3);
        assert (ept_level >= leaf_level);
        assert (flags_above);
      end
      if (op == EptSwap) begin
        assert (memory.desired[8]);
        assert (ept_level != leaf_level || !writes || memory.desired[9]);
        assert (ept_level == leaf_level || memory.desired[9] == memory.expected[9]);
      end
      if (op == Log) begin
        assert (ept_level == leaf_level);
        assert (leaf_flags == 2'b11);
      end

      assert (references == references_q + {15'd0, reading});
      assert (reads_q <= reads && swaps_q <= swaps && logs_q <= logs && lookups_q <= lookups);
      assert (reads + {7'd0, used_hit & !again} <= may_read);
      assert (reads <= most_reads + (again ? most_reads - 1 : 0));
      assert (swaps <= may_swap);
      assert (swaps <= (again ? 2 * most_swaps : most_swaps));
      assert (logs <= may_log);
      assert (logs <= (again ? 2 : 1) * (restartable + levels + 1));
      assert (lookups <= may_look_up);
      assert (lookups <= restartable + levels + 2);
      if (op == VeStore) begin
        assert (ve_q == ve_field + 1 && ve_q <= 6);
      end else begin
        assert (ve_q == 0);
      end
      assert (!again || !used_hit);
    end
  end

endmodule
