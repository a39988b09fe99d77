// Proof: what each kind of access needs.
// Bug: rtl/access_decode.sv:
//   `access_o.fetch = 1'b1`
//   -> `access_o.read = 1'b1`

module access_decode_proof (
  input logic [2:0] kind_i
);

  walker_pkg::access_t access;

  access_decode u_decode (
    .kind_i,
    .access_o(access)
  );

  // Read, write, fetch, by the number of the kind.
  logic [2:0] needs;

  always_comb begin
    case (kind_i)
      arch_pkg::AccessRead: needs = 3'b100;
      arch_pkg::AccessWrite: needs = 3'b010;
      arch_pkg::AccessReadModifyWrite: needs = 3'b110;
      default: needs = 3'b001;
    endcase

    assume (kind_i <= arch_pkg::AccessReadModifyWrite);
    assert (access.read == needs[2]);
    assert (access.write == needs[1]);
    assert (access.fetch == needs[0]);
  end

endmodule
