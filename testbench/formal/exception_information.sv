// Proof: the fields of a virtualization exception stand in its information area without a gap, and
// put into each byte what the table of the area says.
// Bug: rtl/exception_information.sv:
//   `value_o = 64'd48;`
//   -> `value_o = 64'd49;`
// Bug: rtl/exception_information.sv:
//   `offset_o = 6'd24;`
//   -> `offset_o = 6'd16;`

module exception_information_proof (
  input logic [2:0]  field_i,
  input logic [16:0] qualification_i,
  input logic [63:0] linear_i,
  input logic [51:0] gpa_i,
  input logic [15:0] eptp_index_i
);

  logic [5:0]  offset;
  logic [3:0]  size;
  logic [63:0] value;

  exception_information u_information (
    .field_i,
    .qualification_i,
    .linear_i,
    .gpa_i,
    .eptp_index_i,
    .offset_o(offset),
    .size_o  (size),
    .value_o (value)
  );

  logic [5:0]  next_offset;
  logic [3:0]  next_size;
  logic [63:0] next_value;

  exception_information u_next (
    .field_i        (field_i + 3'd1),
    .qualification_i,
    .linear_i,
    .gpa_i,
    .eptp_index_i,
    .offset_o(next_offset),
    .size_o  (next_size),
    .value_o (next_value)
  );

  // The area, its first byte lowest.
  logic [34*8-1:0] area;
  logic [34*8-1:0] from_offset;
  logic [63:0]     of_field;

  always_comb begin
    area = '0;
    area[0*8 +: 32] = 48;
    area[4*8 +: 32] = 32'hffff_ffff;
    area[8*8 +: 17] = qualification_i;
    area[16*8 +: 64] = linear_i;
    area[24*8 +: 52] = gpa_i;
    area[32*8 +: 16] = eptp_index_i;
    from_offset = area >> (8 * {6'd0, offset});
    case (size)
      4'd2: of_field = {48'd0, from_offset[15:0]};
      4'd4: of_field = {32'd0, from_offset[31:0]};
      default: of_field = from_offset[63:0];
    endcase

    assume (field_i <= 5);
    assert (size == 2 || size == 4 || size == 8);
    assert (value == of_field);
    if (field_i == 0) assert (offset == 0);
    if (field_i < 5) assert (next_offset == offset + size);
    if (field_i == 5) assert (offset + size == 34);
  end

endmodule
