// Slots in the order in which they entered. No slot is in it twice, so it is never full.

module slot_queue #(
  parameter int unsigned SlotBits = 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                enter_i,
  input  logic [SlotBits-1:0] slot_i,
  input  logic                leave_i,  // of the first
  output logic                valid_o,
  output logic [SlotBits-1:0] slot_o    // the first
);

  // One bit more than the index: equal pointers mean empty.
  logic [SlotBits:0] head_q, tail_q;
  logic [SlotBits-1:0] slots_q [2**SlotBits];

  assign valid_o = head_q != tail_q;
  assign slot_o = slots_q[head_q[SlotBits-1:0]];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      head_q <= '0;
      tail_q <= '0;
    end else begin
      if (enter_i) begin
        tail_q <= tail_q + 1'b1;
      end
      if (leave_i) begin
        head_q <= head_q + 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (enter_i) begin
      slots_q[tail_q[SlotBits-1:0]] <= slot_i;
    end
  end

endmodule
