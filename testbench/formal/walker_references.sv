// Proof: with g levels of guest tables and e of the EPT a walk makes at most (g+1)(e+1)-1
// references, and e-1 more for each swap of an EPT entry that fails; of swaps, if none fails, at
// most one for each entry and one for the dirty flag of the guest's leaf.
// Engine: induction 1
// Bug: rtl/walker.sv:
//   `guest_done ? 3'd0 : guest_level_q - 3'd1`
//   -> `guest_done ? 3'd0 : guest_level_q`

module walker_references_proof (
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

  // What the walker remembers, for the induction.
  (* hierconn *) wire [1:0] \u_walker.state_q ;
  (* hierconn *) wire [2:0] \u_walker.op_q ;
  (* hierconn *) wire [2:0] \u_walker.guest_level_q ;
  (* hierconn *) wire [2:0] \u_walker.ept_level_q ;
  (* hierconn *) wire [2:0] \u_walker.ept_leaf_level_q ;
  (* hierconn *) wire [15:0] \u_walker.references_q ;
  (* hierconn *) wire [63:0] \u_walker.expected_q ;
  (* hierconn *) wire [63:0] \u_walker.desired_q ;
  walker_pkg::mode_t    mode;
  walker_pkg::request_t request;
  (* hierconn *) wire [$bits(mode)-1:0] \u_walker.mode_q ;
  (* hierconn *) wire [$bits(request)-1:0] \u_walker.request_q ;
  (* hierconn *) wire [63:0] \u_walker.u_ept_levels.entries_q[1] ;
  (* hierconn *) wire [63:0] \u_walker.u_ept_levels.entries_q[2] ;
  (* hierconn *) wire [63:0] \u_walker.u_ept_levels.entries_q[3] ;
  (* hierconn *) wire [63:0] \u_walker.u_ept_levels.entries_q[4] ;
  (* hierconn *) wire [63:0] \u_walker.u_ept_levels.entries_q[5] ;

  localparam logic [1:0] Idle = 2'd0;
  localparam logic [1:0] Issue = 2'd1;
  localparam logic [1:0] Wait = 2'd2;
  localparam logic [1:0] Respond = 2'd3;

  localparam logic [2:0] EptRead = 3'd0;
  localparam logic [2:0] EptSwap = 3'd1;
  localparam logic [2:0] GuestRead = 3'd2;
  localparam logic [2:0] GuestAccessed = 3'd3;
  localparam logic [2:0] GuestDirty = 3'd4;

  logic [1:0]           state;
  logic [2:0]           op;
  logic [2:0]           guest_level;
  logic [2:0]           ept_level;
  logic [2:0]           leaf_level;
  assign state = \u_walker.state_q ;
  assign op = \u_walker.op_q ;
  assign guest_level = \u_walker.guest_level_q ;
  assign ept_level = \u_walker.ept_level_q ;
  assign leaf_level = \u_walker.ept_leaf_level_q ;
  assign mode = \u_walker.mode_q ;
  assign request = \u_walker.request_q ;

  // Counted at the ports.
  logic [7:0] reads_q;
  logic [7:0] swaps_q;
  logic [2:0] failed_q;  // stays at the highest
  logic       request_taken;
  logic       answered;

  assign request_taken = request_valid_i & request_ready;
  assign answered = answer_valid_i && state == Wait && answer_i.id == memory.id;

  always_ff @(posedge clk_i) begin
    if (request_taken) begin
      reads_q <= '0;
      swaps_q <= '0;
      failed_q <= '0;
    end else begin
      if (memory_valid && memory_ready_i) begin
        reads_q <= reads_q + {7'd0, !memory.swap};
        swaps_q <= swaps_q + {7'd0, memory.swap};
      end
      if (answered && memory.swap && answer_i.value != memory.expected && failed_q != 7) begin
        failed_q <= failed_q + 1;
      end
    end
  end

  // Levels of this walk, and how far it has come.
  logic [7:0] levels;
  logic [7:0] ept_levels;
  logic [7:0] below_root;
  logic [7:0] walked;
  logic       of_ept;
  logic       of_guest;
  logic       writes;

  always_comb begin
    of_ept = op == EptRead || op == EptSwap;
    of_guest = op == GuestRead || op == GuestAccessed || op == GuestDirty;
    levels = !(mode.paging && request.linear) ? 0 : mode.five_levels ? 5 : 4;
    ept_levels = !mode.ept ? 0 : mode.ept_five_levels ? 5 : 4;
    below_root = ept_levels == 0 ? 0 : ept_levels - 1;
    walked = guest_level == 0 ? levels : levels - guest_level;
    writes = guest_level != 0 || request.access == arch_pkg::AccessWrite
      || request.access == arch_pkg::AccessReadModifyWrite;
  end

  logic [7:0] reads;
  logic [7:0] may_read;
  logic [7:0] swaps;
  logic [7:0] may_swap;

  always_comb begin
    // The one on the port included.
    reads = reads_q + {7'd0, memory_valid & !memory.swap};
    swaps = swaps_q + {7'd0, memory_valid & memory.swap};
    may_read = walked * (ept_levels + 1) + failed_q * below_root;
    may_swap = walked * (ept_levels + 1) + {7'd0, guest_level == 0};
    case (op)
      EptRead: may_read = may_read + ept_levels - ept_level + 1;
      EptSwap: begin
        may_read = may_read + ept_levels;
        may_swap = may_swap + ept_levels - ept_level + 1;
      end
      default: begin
        may_read = may_read + ept_levels + 1;
        may_swap = may_swap + ept_levels + (op == GuestRead ? 0 : op == GuestAccessed ? 1 : 2);
      end
    endcase
  end

  // The flags of the entries above one that is swapped are set.
  logic flags_above;
  always_comb begin
    flags_above = (ept_level >= 4 || ept_levels < 4 || \u_walker.u_ept_levels.entries_q[4] [8])
      && (ept_level >= 5 || ept_levels < 5 || \u_walker.u_ept_levels.entries_q[5] [8])
      && (ept_level >= 3 || \u_walker.u_ept_levels.entries_q[3] [8])
      && (ept_level >= 2 || \u_walker.u_ept_levels.entries_q[2] [8]);
  end

  always_comb begin
    if (rst_n && (state == Issue || state == Wait)) begin
      // Where a walk can be.
      assert (of_ept || of_guest);
      assert (guest_level <= levels);
      assert (!of_ept || (ept_level >= 1 && ept_level <= ept_levels));
      assert (!of_guest || guest_level != 0);
      assert (op == EptRead || ept_levels == 0 || (leaf_level >= 1 && leaf_level <= 3));
      if (op == EptSwap) begin
        assert (ept_level >= leaf_level);
        assert (flags_above);
        assert (\u_walker.desired_q [8]);
        assert (ept_level != leaf_level || !writes || \u_walker.desired_q [9]);
      end

      if (failed_q != 7) begin
        assert (reads <= may_read);
      end
      if (failed_q == 0) begin
        assert (swaps <= may_swap);
      end
    end

    if (response_valid && failed_q != 7) begin
      assert (reads_q <= (levels + 1) * (ept_levels + 1) - 1 + failed_q * below_root);
    end
    if (response_valid && failed_q == 0) begin
      assert (swaps_q <= levels * (ept_levels + 1) + ept_levels + 1);
    end
  end

endmodule
