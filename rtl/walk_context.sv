// What each walk was asked for, and in what context: taken with the request.

module walk_context #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1
) (
  input  logic                 clk_i,

  input  logic                 take_i,
  input  logic [SlotBits-1:0]  take_slot_i,
  input  walker_pkg::request_t request_i,
  input  walker_pkg::context_t context_i,

  // The walk in hand.
  input  logic [SlotBits-1:0]  slot_i,
  input  logic                 logged_i,  // a page, so that the log's index counts down
  output walker_pkg::request_t request_o,
  output walker_pkg::mode_t    mode_o,
  output walker_pkg::annex_t   annex_o,
  output walker_pkg::space_t   space_o,
  output logic [15:0]          pml_index_o
);

  walker_pkg::mode_t mode_taken;
  walker_pkg::space_t space_taken;
  walker_pkg::annex_t annex_taken;

  context_decode u_context_decode (
    .context_i(context_i),
    .address_i(request_i.address[31:30]),
    .upper_half_i(request_i.address[63]),
    .mode_o(mode_taken),
    .annex_o(annex_taken)
  );
  space_decode u_space_decode (.context_i(context_i), .space_o(space_taken));

  // Structs are kept as plain vectors: of an array of structs Yosys 0.23 keeps one element, and
  // says nothing.
  logic [$bits(mode_o)-1:0] mode_q [Walks];
  logic [$bits(annex_o)-1:0] annex_q [Walks];
  logic [$bits(space_o)-1:0] space_q [Walks];
  logic [$bits(request_o)-1:0] request_q [Walks];
  logic [15:0] pml_index_q [Walks];

  always_ff @(posedge clk_i) begin
    if (take_i) begin
      mode_q[take_slot_i] <= mode_taken;
      annex_q[take_slot_i] <= annex_taken;
      space_q[take_slot_i] <= space_taken;
      request_q[take_slot_i] <= request_i;
      pml_index_q[take_slot_i] <= context_i.pml_index;
    end
    if (logged_i) begin
      pml_index_q[slot_i] <= pml_index_o - 16'd1;
    end
  end

  assign request_o = request_q[slot_i];
  assign mode_o = mode_q[slot_i];
  assign annex_o = annex_q[slot_i];
  assign space_o = space_q[slot_i];
  assign pml_index_o = pml_index_q[slot_i];

endmodule
