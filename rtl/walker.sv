// The walker: its slots, the engine that follows one of their walks a cycle, and the queues for
// memory and response. docs/microarchitecture.md says to the cycle what it does. All outputs come
// from registers. What one step of a walk is stands in walk_step.sv.

module walker #(
  parameter int unsigned Walks = 1,  // in flight at once, 1 to 16
  // Entries of the caches: a power of two, or 0, which leaves the array out.
  parameter int unsigned CombinedPml4e = 0,
  parameter int unsigned CombinedPdpte = 0,
  parameter int unsigned CombinedPde = 0,
  parameter int unsigned EptPml4e = 0,
  parameter int unsigned EptPdpte = 0,
  parameter int unsigned EptPde = 0,
  parameter int unsigned NestedTlb = 0
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  // A count of cycles kept outside: the response's cycles are differences of it.
  input  logic [63:0]                  time_i,

  input  logic                         request_valid_i,
  output logic                         request_ready_o,
  input  walker_pkg::request_t         request_i,
  input  walker_pkg::context_t         context_i,  // taken with the request

  output logic                         memory_valid_o,
  input  logic                         memory_ready_i,
  output walker_pkg::memory_request_t  memory_o,
  input  logic                         answer_valid_i,
  input  walker_pkg::memory_answer_t   answer_i,

  output logic                         response_valid_o,
  input  logic                         response_ready_i,
  output walker_pkg::response_t        response_o,

  input  logic                         invalidation_valid_i,
  input  walker_pkg::invalidation_t    invalidation_i,
  input  walker_pkg::caches_disabled_t disabled_i,

  // A record of the cycle before.
  output logic                         lookup_valid_o,
  output walker_pkg::cache_lookup_t    lookup_o,

  // There is something to do in this cycle, whatever the inputs are.
  output logic                         active_o
);

  if (Walks == 0 || Walks > 16) begin : gen_no_walker
    $error("Walks must be 1 to 16");
  end

  localparam int unsigned SlotBits = Walks > 1 ? $clog2(Walks) : 1;

  // A slot that is none of these is in one of the queues.
  logic [Walks-1:0] idle_q, ready_q, waiting_q;
  logic [Walks-1:0] fresh_q;    // and ready: the walk has made no step
  logic [Walks-1:0] no_fill_q;  // an invalidation crossed the walk

  // ---------------------------------------------------------------------------------------------
  // Requests

  logic taken;
  logic [SlotBits-1:0] free_slot;

  assign request_ready_o = idle_q != '0;
  assign taken = request_valid_i & request_ready_o;

  always_comb begin
    free_slot = '0;
    for (int slot = Walks - 1; slot >= 0; slot = slot - 1) begin
      if (idle_q[slot]) begin
        free_slot = slot[SlotBits-1:0];
      end
    end
  end

  // ---------------------------------------------------------------------------------------------
  // The engine: the walk of an answer, or else of the next ready slot in cyclic order

  logic answered, picked, follows;
  logic [SlotBits-1:0] slot, last_q;

  always_comb begin
    answered = 1'b0;
    picked = 1'b0;
    slot = '0;
    if (answer_valid_i) begin
      for (int candidate = 0; candidate < Walks; candidate = candidate + 1) begin
        if (waiting_q[candidate] && answer_i.id == candidate[7:0]) begin
          answered = 1'b1;
          slot = candidate[SlotBits-1:0];
        end
      end
    end
    if (!answered && ready_q != '0) begin
      picked = 1'b1;
      for (int candidate = Walks - 1; candidate >= 0; candidate = candidate - 1) begin
        if (ready_q[candidate]) begin
          slot = candidate[SlotBits-1:0];
        end
      end
      for (int candidate = Walks - 1; candidate >= 0; candidate = candidate - 1) begin
        if (ready_q[candidate] && candidate > {{32 - SlotBits{1'b0}}, last_q}) begin
          slot = candidate[SlotBits-1:0];
        end
      end
    end
  end

  assign follows = answered | picked;

  // ---------------------------------------------------------------------------------------------
  // The step that it makes

  logic issues, looks_up, responds;
  walker_pkg::response_t response_d;
  logic [SlotBits-1:0] memory_slot;

  logic asks_combined, asks_ept, writes_page;
  walker_pkg::space_t space;
  logic [56:0] linear;
  logic wide_pde;
  logic [2:0] guest_root_level;
  logic [51:0] gpa;
  logic [2:0] combined_level, nested_level, ept_level;
  walker_pkg::guest_table_t combined_table;
  logic [63:0] nested_leaf;
  walker_pkg::ept_rights_t nested_rights;
  walker_pkg::ept_table_t ept_table;
  logic [4:2] combined_fills, ept_fills;
  walker_pkg::guest_table_t combined_pml4e, combined_pdpte, combined_pde;
  walker_pkg::ept_table_t ept_pml4e, ept_pdpte, ept_pde;
  logic nested_fills;
  logic [2:0] nested_fill_level;
  logic [63:0] nested_fill_leaf;
  walker_pkg::ept_rights_t nested_fill_rights;

  walk_step #(
    .Walks(Walks),
    .SlotBits(SlotBits),
    .HasCombined(CombinedPml4e + CombinedPdpte + CombinedPde != 0),
    .HasGuestPhysical(EptPml4e + EptPdpte + EptPde + NestedTlb != 0)
  ) u_walk_step (
    .clk_i(clk_i),
    .take_i(taken),
    .take_slot_i(free_slot),
    .request_i(request_i),
    .context_i(context_i),
    .slot_i(slot),
    .first_i(picked & fresh_q[slot]),
    .lookup_i(picked & ~fresh_q[slot]),
    .answered_i(answered),
    .answer_i(answer_i.value),
    .issues_o(issues),
    .looks_up_o(looks_up),
    .responds_o(responds),
    .response_o(response_d),
    .memory_slot_i(memory_slot),
    .memory_o(memory_o),
    .asks_combined_o(asks_combined),
    .asks_ept_o(asks_ept),
    .space_o(space),
    .linear_o(linear),
    .wide_pde_o(wide_pde),
    .guest_root_level_o(guest_root_level),
    .gpa_o(gpa),
    .writes_page_o(writes_page),
    .combined_level_i(combined_level),
    .combined_table_i(combined_table),
    .nested_level_i(nested_level),
    .nested_leaf_i(nested_leaf),
    .nested_rights_i(nested_rights),
    .ept_level_i(ept_level),
    .ept_table_i(ept_table),
    .combined_fills_o(combined_fills),
    .combined_pml4e_o(combined_pml4e),
    .combined_pdpte_o(combined_pdpte),
    .combined_pde_o(combined_pde),
    .ept_fills_o(ept_fills),
    .ept_pml4e_o(ept_pml4e),
    .ept_pdpte_o(ept_pdpte),
    .ept_pde_o(ept_pde),
    .nested_fills_o(nested_fills),
    .nested_level_o(nested_fill_level),
    .nested_leaf_o(nested_fill_leaf),
    .nested_rights_o(nested_fill_rights)
  );

  walk_caches #(
    .CombinedPml4e(CombinedPml4e),
    .CombinedPdpte(CombinedPdpte),
    .CombinedPde(CombinedPde),
    .EptPml4e(EptPml4e),
    .EptPdpte(EptPdpte),
    .EptPde(EptPde),
    .NestedTlb(NestedTlb)
  ) u_walk_caches (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .asks_combined_i(asks_combined),
    .asks_ept_i(asks_ept),
    .space_i(space),
    .linear_i(linear),
    .wide_pde_i(wide_pde),
    .guest_root_level_i(guest_root_level),
    .gpa_i(gpa),
    .writes_page_i(writes_page),
    .combined_level_o(combined_level),
    .combined_table_o(combined_table),
    .nested_level_o(nested_level),
    .nested_leaf_o(nested_leaf),
    .nested_rights_o(nested_rights),
    .ept_level_o(ept_level),
    .ept_table_o(ept_table),
    .may_fill_i(~no_fill_q[slot]),
    .combined_fills_i(combined_fills),
    .combined_pml4e_i(combined_pml4e),
    .combined_pdpte_i(combined_pdpte),
    .combined_pde_i(combined_pde),
    .ept_fills_i(ept_fills),
    .ept_pml4e_i(ept_pml4e),
    .ept_pdpte_i(ept_pdpte),
    .ept_pde_i(ept_pde),
    .nested_fills_i(nested_fills),
    .nested_level_i(nested_fill_level),
    .nested_leaf_i(nested_fill_leaf),
    .nested_rights_i(nested_fill_rights),
    .invalidation_valid_i(invalidation_valid_i),
    .invalidation_i(invalidation_i),
    .disabled_i(disabled_i)
  );

  // ---------------------------------------------------------------------------------------------
  // The queues

  logic memory_taken, response_taken;
  logic [SlotBits-1:0] response_slot;

  assign memory_taken = memory_valid_o & memory_ready_i;
  assign response_taken = response_valid_o & response_ready_i;

  slot_queue #(.SlotBits(SlotBits)) u_memory_queue (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .enter_i(issues),
    .slot_i(slot),
    .leave_i(memory_taken),
    .valid_o(memory_valid_o),
    .slot_o(memory_slot)
  );

  slot_queue #(.SlotBits(SlotBits)) u_response_queue (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .enter_i(responds),
    .slot_i(slot),
    .leave_i(response_taken),
    .valid_o(response_valid_o),
    .slot_o(response_slot)
  );

  logic [63:0] start_q [Walks];  // when the walk was taken
  logic [$bits(response_o)-1:0] responses_q [Walks];
  assign response_o = responses_q[response_slot];

  // The cycles, the last field, are left 0 by the step.
  always_ff @(posedge clk_i) begin
    if (taken) begin
      start_q[free_slot] <= time_i;
    end
    if (responds) begin
      responses_q[slot] <= response_d | {{$bits(response_d) - 64{1'b0}}, time_i - start_q[slot]};
    end
  end

  // ---------------------------------------------------------------------------------------------
  // The slots' states

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      idle_q <= '1;
      ready_q <= '0;
      waiting_q <= '0;
      fresh_q <= '0;
      last_q <= '1;  // no slot comes after it: the first is next
    end else begin
      if (follows) begin
        ready_q[slot] <= looks_up;
        waiting_q[slot] <= 1'b0;
        fresh_q[slot] <= 1'b0;
      end
      if (picked) begin
        last_q <= slot;
      end
      if (taken) begin
        idle_q[free_slot] <= 1'b0;
        ready_q[free_slot] <= 1'b1;
        fresh_q[free_slot] <= 1'b1;
      end
      if (memory_taken) begin
        waiting_q[memory_slot] <= 1'b1;
      end
      if (response_taken) begin
        idle_q[response_slot] <= 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (taken) begin
      no_fill_q[free_slot] <= 1'b0;
    end
    if (invalidation_valid_i) begin
      no_fill_q <= '1;
    end
  end

  assign active_o = ready_q != '0;

  // ---------------------------------------------------------------------------------------------
  // The record of look-ups

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      lookup_valid_o <= 1'b0;
    end else begin
      lookup_valid_o <= asks_combined | asks_ept;
    end
  end

  always_ff @(posedge clk_i) begin
    if (asks_combined | asks_ept) begin
      lookup_o <= '0;
      lookup_o.id[SlotBits-1:0] <= slot;
      lookup_o.combined <= asks_combined;
      lookup_o.combined_level <= combined_level;
      lookup_o.nested_level <= nested_level;
      lookup_o.ept_asked <= asks_ept & (nested_level == 3'd0);
      lookup_o.ept_level <= ept_level;
    end
  end

endmodule
