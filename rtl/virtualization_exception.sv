// EPT violations that may become virtualization exceptions (SDM 28.5.7). Such a violation is kept
// until the information area was found free and has been filled, or was found busy.

module virtualization_exception #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1
) (
  input  logic                  clk_i,
  input  logic [SlotBits-1:0]   slot_i,
  input  walker_pkg::response_t report_i,  // of the step
  input  logic                  due_i,     // it is a violation, to be kept
  input  logic                  loaded_i,  // whether the area is busy
  input  logic                  busy_i,
  input  logic                  stored_i,  // a field
  input  logic [39:0]           frame_i,   // of the area
  input  logic [63:0]           linear_i,  // 0 where the request has none
  input  logic [51:0]           gpa_i,
  input  logic [15:0]           eptp_index_i,
  // The next access to the area: if due_i the load, otherwise a store.
  output logic                  stores_o,
  output logic [51:0]           address_o,
  output logic [3:0]            size_o,
  output logic [63:0]           value_o,
  // What is responded, if nothing is asked of memory.
  output walker_pkg::response_t response_o
);

  logic [$bits(report_i)-1:0] violation_q [Walks];
  logic [16:0] qualification_q [Walks];  // of it
  logic [2:0] field_q [Walks];  // being stored
  logic [2:0] field;
  logic delivered;

  always_comb begin
    field = 3'd0;
    if (stored_i) begin
      field = field_q[slot_i] + 3'd1;
    end
  end
  assign delivered = stored_i & (field == 3'd6);
  assign stores_o = (loaded_i & ~busy_i) | (stored_i & ~delivered);

  logic [5:0] offset;
  logic [3:0] size;

  exception_information u_exception_information (
    .field_i(field),
    .qualification_i(qualification_q[slot_i]),
    .linear_i(linear_i),
    .gpa_i(gpa_i),
    .eptp_index_i(eptp_index_i),
    .offset_o(offset),
    .size_o(size),
    .value_o(value_o)
  );

  assign address_o = {frame_i, 6'd0, due_i ? 6'd4 : offset};
  assign size_o = due_i ? 4'd4 : size;

  always_comb begin
    response_o = report_i;
    if (loaded_i | stored_i) begin
      response_o = violation_q[slot_i];
      if (delivered) begin
        response_o.outcome = walker_pkg::OutcomeVirtualizationException;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (due_i) begin
      violation_q[slot_i] <= report_i;
      qualification_q[slot_i] <= report_i.qualification;
    end
    if (stores_o) begin
      field_q[slot_i] <= field;
    end
  end

endmodule
