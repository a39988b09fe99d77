// Proof: each request taken gets one response, with its tag, and nothing is done for any other;
// what is offered stays until it is taken; a walk that met an entry which is absent or malformed
// asks for nothing more; it never waits but for its environment.
// Engine: induction 1
// Bug: rtl/walker.sv:
//   `if (response_ready_i) begin`
//   -> `if (response_ready_i | request_valid_i) begin`
// Bug: rtl/walker.sv:
//   `if (memory_ready_i) begin`
//   -> `if (1'b1) begin`
// Bug: rtl/walker.sv:
//   `assign ept_descends = judge_ept & ept_present & ~ept_misconfigured & ~ept_is_leaf;`
//   -> `assign ept_descends = judge_ept & ept_present & ~ept_is_leaf;`

module walker_protocol_proof (
  input logic                       clk_i,
  input logic [63:0]                time_i,
  input logic                       request_valid_i,
  input walker_pkg::request_t       request_i,
  input walker_pkg::context_t       context_i,
  input logic                       memory_ready_i,
  input logic                       answer_valid_i,
  input walker_pkg::memory_answer_t answer_i,
  input logic                       response_ready_i
);

  logic rst_n = 1'b0;
  always_ff @(posedge clk_i) rst_n <= 1'b1;

  logic                        request_ready;
  logic                        memory_valid;
  walker_pkg::memory_request_t memory;
  logic                        response_valid;
  walker_pkg::response_t       response;

  walker u_walker (
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
    .response_o      (response)
  );

  // The walk, as its environment sees it.
  logic                        open_q;      // between request and response
  logic                        awaiting_q;  // between memory request and answer
  logic [31:0]                 tag_q;
  logic [15:0]                 reads_q;
  walker_pkg::mode_t           mode_q;
  walker_pkg::memory_request_t asked_q;

  walker_pkg::mode_t mode_taken;
  context_decode u_context (.context_i, .mode_o(mode_taken));

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      open_q <= 1'b0;
      awaiting_q <= 1'b0;
    end else begin
      if (request_valid_i && request_ready) begin
        open_q <= 1'b1;
        tag_q <= request_i.tag;
        mode_q <= mode_taken;
        reads_q <= 0;
      end else if (response_valid && response_ready_i) begin
        open_q <= 1'b0;
      end
      if (memory_valid && memory_ready_i) begin
        awaiting_q <= 1'b1;
        asked_q <= memory;
        reads_q <= reads_q + {15'd0, !memory.swap};
      end else if (answer_valid_i) begin
        awaiting_q <= 1'b0;
      end
    end
  end

  // Whether an answer ends the walk: an entry that was read, or that a swap found in place of what
  // it expected, is absent or malformed. Flags of an EPT entry decide nothing.
  logic                ept_present;
  logic                ept_leaf;
  logic                ept_malformed;
  walker_pkg::reason_e ept_reason;
  logic                guest_present;
  logic                guest_malformed;
  logic                guest_leaf;
  logic                of_guest;
  logic [63:0]         changed;
  logic                found;
  logic                ends;
  logic                ended_q;

  ept_entry_check u_ept_entry (
    .mode_i         (mode_q),
    .entry_i        (answer_i.value),
    .level_i        (asked_q.place.ept_level),
    .present_o      (ept_present),
    .leaf_o         (ept_leaf),
    .misconfigured_o(ept_malformed),
    .reason_o       (ept_reason)
  );

  guest_entry_check u_guest_entry (
    .mode_i    (mode_q),
    .entry_i   (answer_i.value),
    .level_i   (asked_q.place.guest_level),
    .present_o (guest_present),
    .reserved_o(guest_malformed),
    .leaf_o    (guest_leaf)
  );

  always_comb begin
    of_guest = asked_q.place.ept_level == 0;
    changed = answer_i.value ^ asked_q.expected;
    if (!of_guest) changed = changed & ~64'h300;
    found = answer_valid_i && !(asked_q.swap && changed == 0);
    ends = found && (of_guest ? !guest_present || guest_malformed : !ept_present || ept_malformed);
  end

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      ended_q <= 1'b0;
    end else begin
      ended_q <= ends | (ended_q & !(response_valid && response_ready_i));
    end
  end

  // What was offered and not taken in the cycle before.
  logic                        memory_held_q;
  walker_pkg::memory_request_t memory_q;
  logic                        response_held_q;
  walker_pkg::response_t       response_q;

  always_ff @(posedge clk_i or negedge rst_n) begin
    if (!rst_n) begin
      memory_held_q <= 1'b0;
      response_held_q <= 1'b0;
    end else begin
      memory_held_q <= memory_valid & !memory_ready_i;
      memory_q <= memory;
      response_held_q <= response_valid & !response_ready_i;
      response_q <= response;
    end
  end

  // For the induction: the walker remembers the same.
  walker_pkg::mode_t    mode;
  walker_pkg::request_t request;
  (* hierconn *) wire [$bits(mode)-1:0] \u_walker.mode_q ;
  (* hierconn *) wire [$bits(request)-1:0] \u_walker.request_q ;
  (* hierconn *) wire [2:0] \u_walker.op_q ;
  (* hierconn *) wire [15:0] \u_walker.references_q ;
  assign mode = \u_walker.mode_q ;
  assign request = \u_walker.request_q ;

  always_comb begin
    // Memory answers what it was asked.
    assume (!answer_valid_i || (awaiting_q && answer_i.id == asked_q.id));

    // A walk is always at one thing, of which its environment is the master.
    assert (request_ready == !open_q);
    assert (memory_valid + response_valid + awaiting_q == {1'b0, open_q});

    if (memory_valid || awaiting_q) begin
      case (\u_walker.op_q )
        3'd0, 3'd1: assert (memory.place.ept_level != 0);
        default: assert (memory.place.ept_level == 0 && memory.place.guest_level != 0);
      endcase
      assert (memory.swap == (\u_walker.op_q != 0 && \u_walker.op_q != 2));
      assert (\u_walker.op_q <= 4);
    end
    if (open_q) begin
      assert (request.tag == tag_q);
      assert (mode == mode_q);
      assert (\u_walker.references_q == reads_q + {15'd0, memory_valid & !memory.swap});
    end
    if (awaiting_q) begin
      assert (memory == asked_q);
    end
    if (ended_q) begin
      assert (response_valid);
    end
    if (response_valid) begin
      assert (response.tag == tag_q);
      assert (response.references == reads_q);
      assert (ended_q == (response.outcome == walker_pkg::OutcomeEptMisconfiguration
                          || response.reason == walker_pkg::ReasonEptNotPresent
                          || response.reason == walker_pkg::ReasonGuestNotPresent
                          || response.reason == walker_pkg::ReasonGuestReservedBit));
    end
    if (memory_held_q) begin
      assert (memory_valid);
      assert (memory == memory_q);
    end
    if (response_held_q) begin
      assert (response_valid);
      assert (response == response_q);
    end
  end

endmodule
