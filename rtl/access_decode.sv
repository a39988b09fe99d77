// What an access needs, from its kind.

module access_decode (
  input  logic [2:0]          kind_i,
  output walker_pkg::access_t access_o
);

  always_comb begin
    access_o = '0;
    unique case (kind_i)
      arch_pkg::AccessWrite: access_o.write = 1'b1;
      arch_pkg::AccessFetch: access_o.fetch = 1'b1;
      arch_pkg::AccessReadModifyWrite: begin
        access_o.read = 1'b1;
        access_o.write = 1'b1;
      end
      arch_pkg::AccessShadowStackRead: begin
        access_o.read = 1'b1;
        access_o.shadow_stack = 1'b1;
      end
      arch_pkg::AccessShadowStackWrite: begin
        access_o.write = 1'b1;
        access_o.shadow_stack = 1'b1;
      end
      default: access_o.read = 1'b1;
    endcase
  end

endmodule
