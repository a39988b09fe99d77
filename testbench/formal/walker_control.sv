// Proof: of four walks in flight each gets one response, with its tag; what is offered stays until
// it is taken; an answer reaches the walk that asked; a walk is followed from what it waited for;
// and each is at one thing at a time, of which its environment or the engine is the master, which
// serves it after at most three other picks. No cache is filled but by a walk that is followed, and
// none by a walk that an invalidation came across, in the cycle in which it was requested, in this
// one, or in any between. Of a walk's steps it assumes what walk_faults and walk_references show.
// Engine: induction 1
// Cut: walk_step
// See: idle = u_walker.idle_q
// See: ready = u_walker.ready_q
// See: waiting = u_walker.waiting_q
// See: fresh = u_walker.fresh_q
// See: no_fill = u_walker.no_fill_q
// See: last = u_walker.last_q
// See: free_slot = u_walker.free_slot
// See: slot = u_walker.slot
// See: first = u_walker.u_walk_step.first_i
// See: lookup = u_walker.u_walk_step.lookup_i
// See: answered = u_walker.u_walk_step.answered_i
// See: take_slot = u_walker.u_walk_step.take_slot_i
// See: take = u_walker.u_walk_step.take_i
// See: step_request = u_walker.u_walk_step.request_i
// See: step_context = u_walker.u_walk_step.context_i
// See: step_answer = u_walker.u_walk_step.answer_i
// See: issues = u_walker.u_walk_step.issues_o
// See: looks_up = u_walker.u_walk_step.looks_up_o
// See: responds = u_walker.u_walk_step.responds_o
// See: step_response = u_walker.u_walk_step.response_o
// See: combined_fills = u_walker.u_walk_step.combined_fills_o
// See: ept_fills = u_walker.u_walk_step.ept_fills_o
// See: nested_fills = u_walker.u_walk_step.nested_fills_o
// See: responses = u_walker.responses_q[0..3]
// See: memory_head = u_walker.u_memory_queue.head_q
// See: memory_tail = u_walker.u_memory_queue.tail_q
// See: memory_slots = u_walker.u_memory_queue.slots_q[0..3]
// See: response_head = u_walker.u_response_queue.head_q
// See: response_tail = u_walker.u_response_queue.tail_q
// See: response_slots = u_walker.u_response_queue.slots_q[0..3]
// See: combined_fill = u_walker.u_walk_caches.gen_combined_pde.u_array.fill_i
// See: ept_fill = u_walker.u_walk_caches.gen_ept_pde.u_array.fill_i
// See: nested_fill = u_walker.u_walk_caches.gen_nested_tlb.u_nested_tlb.fill_i
// Bug: rtl/walker.sv:
//   `if (ready_q[candidate] && candidate >`
//   -> `if (ready_q[candidate] && candidate <`
// Bug: rtl/walker.sv:
//   `.enter_i(responds),`
//   -> `.enter_i(responds & ~memory_taken),`
// Bug: rtl/slot_queue.sv:
//   `if (leave_i) begin`
//   -> `if (leave_i && !enter_i) begin`
// Bug: rtl/walker.sv:
//   `no_fill_q <= '1;`
//   -> `no_fill_q <= ~idle_q;`

module walker_control_proof (
  input logic                         clk_i,
  input logic [63:0]                  time_i,
  input logic [1:0]                   chosen_i,
  input walker_pkg::memory_request_t  next_i,
  input logic                         request_valid_i,
  input walker_pkg::request_t         request_i,
  input walker_pkg::context_t         context_i,
  input logic                         memory_ready_i,
  input logic                         answer_valid_i,
  input walker_pkg::memory_answer_t   answer_i,
  input logic                         response_ready_i,
  input logic                         invalidation_valid_i,
  input walker_pkg::invalidation_t    invalidation_i,
  input walker_pkg::caches_disabled_t disabled_i
);

  // Reset once; any slot, but one and the same.
  logic       rst_n = 1'b0;
  logic [1:0] chosen_q;
  always_ff @(posedge clk_i) begin
    rst_n <= 1'b1;
    if (!rst_n) chosen_q <= chosen_i;
  end

  logic                        request_ready;
  logic                        memory_valid;
  walker_pkg::memory_request_t memory;
  logic                        response_valid;
  walker_pkg::response_t       response;
  logic                        active;

  walker #(
    .Walks      (4),
    .CombinedPde(1),
    .EptPde     (1),
    .NestedTlb  (1)
  ) u_walker (
    .clk_i,
    .rst_ni          (rst_n),
    .time_i,
    .request_valid_i,
    .request_ready_o (request_ready),
    .request_i,
    .context_i,
    .memory_valid_o  (memory_valid),
    .memory_ready_i,
    .memory_o        (memory),
    .answer_valid_i,
    .answer_i,
    .response_valid_o(response_valid),
    .response_ready_i,
    .response_o      (response),
    .invalidation_valid_i,
    .invalidation_i,
    .disabled_i,
    .lookup_valid_o  (),
    .lookup_o        (),
    .active_o        (active)
  );

  walker_pkg::response_t given;
  walker_pkg::response_t ended;

  wire [3:0]                  idle;
  wire [3:0]                  ready;
  wire [3:0]                  waiting;
  wire [3:0]                  fresh;
  wire [3:0]                  no_fill;
  wire                        combined_fill;
  wire                        ept_fill;
  wire                        nested_fill;
  wire [1:0]                  last;
  wire [1:0]                  free_slot;
  wire [1:0]                  slot;
  wire                        first;
  wire                        lookup;
  wire                        answered;
  wire                        take;
  wire [1:0]                  take_slot;
  wire                        issues;
  wire                        looks_up;
  wire                        responds;
  wire [$bits(request_i)-1:0] step_request;
  wire [$bits(context_i)-1:0] step_context;
  wire [63:0]                 step_answer;
  wire [$bits(given)-1:0]     step_response;
  wire [4:2]                  combined_fills;
  wire [4:2]                  ept_fills;
  wire                        nested_fills;
  wire [4*$bits(given)-1:0]   responses;
  wire [2:0]                  memory_head;
  wire [2:0]                  memory_tail;
  wire [4*2-1:0]              memory_slots;
  wire [2:0]                  response_head;
  wire [2:0]                  response_tail;
  wire [4*2-1:0]              response_slots;

  // How often each slot stands in each queue.
  logic [2:0] length;
  logic [2:0] count0, count1, count2, count3;
  logic [2:0] count4, count5, count6, count7;
  logic [2:0] at;

  always_comb begin
    count0 = 0;
    count1 = 0;
    count2 = 0;
    count3 = 0;
    length = memory_tail - memory_head;
    for (int place = 0; place < 4; place = place + 1) begin
      at = memory_head + place[2:0];
      if (place[2:0] < length) begin
        case (memory_slots[at[1:0]*2 +: 2])
          2'd0: count0 = count0 + 1;
          2'd1: count1 = count1 + 1;
          2'd2: count2 = count2 + 1;
          default: count3 = count3 + 1;
        endcase
      end
    end
  end

  logic [2:0] response_length;
  logic [2:0] at2;
  always_comb begin
    count4 = 0;
    count5 = 0;
    count6 = 0;
    count7 = 0;
    response_length = response_tail - response_head;
    for (int place = 0; place < 4; place = place + 1) begin
      at2 = response_head + place[2:0];
      if (place[2:0] < response_length) begin
        case (response_slots[at2[1:0]*2 +: 2])
          2'd0: count4 = count4 + 1;
          2'd1: count5 = count5 + 1;
          2'd2: count6 = count6 + 1;
          default: count7 = count7 + 1;
        endcase
      end
    end
  end

  // The chosen slot's walk, as its environment sees it, and as walk_references takes it.
  localparam logic [2:0] None = 3'd0;
  localparam logic [2:0] Fresh = 3'd1;
  localparam logic [2:0] LookUp = 3'd2;
  localparam logic [2:0] Asks = 3'd3;
  localparam logic [2:0] Awaits = 3'd4;
  localparam logic [2:0] Responds = 3'd5;

  logic [2:0]                  phase_q;
  logic [31:0]                 tag_q;
  walker_pkg::memory_request_t asked_q;    // any, of each step that leads to one
  logic [1:0]                  others_q;   // picks of others while the chosen is ready
  logic                        crossed_q;  // by an invalidation
  logic                        taken;
  logic                        steps;
  logic                        offers;  // the chosen slot's memory request is on the port
  logic                        gives;   // its response is

  assign taken = request_valid_i && request_ready && free_slot == chosen_q;
  assign steps = (first | lookup | answered) && slot == chosen_q;
  assign offers = memory_valid && memory.id == {6'd0, chosen_q};
  assign gives = response_valid && response_slots[response_head[1:0]*2 +: 2] == chosen_q;

  always_ff @(posedge clk_i) begin
    if (!rst_n) begin
      phase_q <= None;
    end else begin
      if (taken) begin
        phase_q <= Fresh;
        tag_q <= request_i.tag;
      end
      if (steps) asked_q <= next_i;
      if (steps) phase_q <= issues ? Asks : looks_up ? LookUp : Responds;
      if (offers && memory_ready_i) phase_q <= Awaits;
      if (gives && response_ready_i) phase_q <= None;
    end
    crossed_q <= invalidation_valid_i | (crossed_q & !taken);
    if (phase_q != Fresh && phase_q != LookUp || steps) begin
      others_q <= 0;
    end else if (first | lookup) begin
      others_q <= others_q + 1;
    end
  end

  // What was offered and not taken in the cycle before.
  logic                        memory_held_q;
  walker_pkg::memory_request_t memory_q;
  logic                        response_held_q;
  walker_pkg::response_t       response_q;

  always_ff @(posedge clk_i) begin
    memory_held_q <= rst_n & memory_valid & !memory_ready_i;
    memory_q <= memory;
    response_held_q <= rst_n & response_valid & !response_ready_i;
    response_q <= response;
  end

  logic [1:0] distance;
  logic [3:0] asks;
  always_comb begin
    given = responses[chosen_q*$bits(given) +: $bits(given)];
    ended = step_response;
    asks = {count3 != 0, count2 != 0, count1 != 0, count0 != 0};
    distance = chosen_q - last - 2'd1;
  end

  always_comb begin
    // What walk_faults and walk_references show of a walk's steps.
    assume (2'd0 + issues + looks_up + responds == 2'd0 + first + lookup + answered);
    if (combined_fills != 0 || ept_fills != 0 || nested_fills) assume (first | lookup | answered);
    if (responds && slot == chosen_q) assume (ended.tag == tag_q);
    if (memory_valid && memory_slots[memory_head[1:0]*2 +: 2] == chosen_q) begin
      assume (memory == asked_q);
      assume (memory.id == {6'd0, chosen_q});
    end else begin
      assume (memory.id != {6'd0, chosen_q});
    end

    if (rst_n) begin
      // A slot is at one thing, and no queue holds more than it can.
      assert (length <= 4);
      assert (response_length <= 4);
      assert (count0 + count4 + idle[0] + ready[0] + waiting[0] == 1);
      assert (count1 + count5 + idle[1] + ready[1] + waiting[1] == 1);
      assert (count2 + count6 + idle[2] + ready[2] + waiting[2] == 1);
      assert (count3 + count7 + idle[3] + ready[3] + waiting[3] == 1);
      assert ((fresh & ~ready) == 0);

      // At which, of the chosen one.
      assert ((phase_q == None) == idle[chosen_q]);
      assert ((phase_q == Fresh) == (ready[chosen_q] & fresh[chosen_q]));
      assert ((phase_q == LookUp) == (ready[chosen_q] & !fresh[chosen_q]));
      assert ((phase_q == Awaits) == waiting[chosen_q]);
      assert ((phase_q == Asks) == (asks[chosen_q] != 0));
      assert (phase_q <= Responds);

      // What the walk's steps are given, and what walk_references assumes.
      assert (step_request == request_i && step_context == context_i);
      assert (!answered || (answer_valid_i && step_answer == answer_i.value
                            && answer_i.id == {6'd0, slot}));
      assert (take == (request_valid_i && request_ready));
      assert (first + lookup + answered <= 1);
      assert (!(take && take_slot == chosen_q) || phase_q == None);
      if (steps) begin
        assert (!first || phase_q == Fresh);
        assert (!lookup || phase_q == LookUp);
        assert (!answered || phase_q == Awaits);
      end

      // An answer to the chosen walk is followed at once.
      assert (!(answer_valid_i && answer_i.id == {6'd0, chosen_q} && phase_q == Awaits)
              || (steps && answered));
      // Without one the engine picks a walk if any is ready, the chosen one soon enough.
      assert (answered || first || lookup || ready == 0);
      assert (active == (ready != 0));
      if (phase_q == Fresh || phase_q == LookUp) begin
        assert ({2'd0, others_q} + {2'd0, distance} <= 3);
      end

      // Requests and responses.
      assert (!offers || phase_q == Asks);
      assert (!gives || phase_q == Responds);
      assert (!taken || phase_q == None);
      if (phase_q == Responds) assert (given.tag == tag_q);
      if (gives) assert (response == given);

      // Fills.
      if (phase_q != None) assert (no_fill[chosen_q] == crossed_q);
      if (combined_fill || ept_fill || nested_fill) begin
        assert (first || lookup || answered);
        assert (!(slot == chosen_q && (crossed_q || invalidation_valid_i)));
      end

      // What is offered stays.
      if (memory_held_q) assert (memory_valid);
      if (memory_held_q && memory_q.id == {6'd0, chosen_q}) assert (memory == memory_q);
      if (response_held_q) assert (response_valid && response == response_q);
    end
  end

endmodule
