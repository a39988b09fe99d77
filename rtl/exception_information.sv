// The fields of the information area of virtualization exceptions, in the order in which they are
// stored (SDM 28.5.7.2).

module exception_information (
  input  logic [2:0]  field_i,
  input  logic [16:0] qualification_i,
  input  logic [63:0] linear_i,
  input  logic [51:0] gpa_i,
  input  logic [15:0] eptp_index_i,
  output logic [5:0]  offset_o,
  output logic [3:0]  size_o,  // in bytes
  output logic [63:0] value_o
);

  always_comb begin
    size_o = 4'd8;
    unique case (field_i)
      3'd0: begin
        offset_o = 6'd0;
        size_o = 4'd4;
        value_o = 64'd48;  // the exit reason: EPT violation
      end
      3'd1: begin
        // The area is busy until the guest clears this.
        offset_o = 6'd4;
        size_o = 4'd4;
        value_o = 64'hffff_ffff;
      end
      3'd2: begin
        offset_o = 6'd8;
        value_o = {47'd0, qualification_i};
      end
      3'd3: begin
        offset_o = 6'd16;
        value_o = linear_i;
      end
      3'd4: begin
        offset_o = 6'd24;
        value_o = {12'd0, gpa_i};
      end
      default: begin
        offset_o = 6'd32;
        size_o = 4'd2;
        value_o = {48'd0, eptp_index_i};
      end
    endcase
  end

endmodule
