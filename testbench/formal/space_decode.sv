// Proof: what a walk caches belongs to the current VPID, PCID and root of the EPT.
// Bug: rtl/space_decode.sv:
//   `if (context_i.cr4[arch_pkg::Cr4Pcide]) begin`
//   -> `if (context_i.cr4[arch_pkg::Cr4Pge]) begin`

module space_decode_proof (
  input walker_pkg::context_t context_i
);

  walker_pkg::space_t space;

  space_decode u_decode (
    .context_i,
    .space_o(space)
  );

  logic [11:0] pcid;
  logic [39:0] root;

  always_comb begin
    case (context_i.cr4[17])
      1'b1: pcid = context_i.cr3 % 4096;
      default: pcid = 0;
    endcase
    // Not by the bits of the EPTP below the address.
    case (context_i.ept_enabled)
      1'b1: root = (context_i.eptp % 64'h10_0000_0000_0000) / 4096;
      default: root = 0;
    endcase

    assert (space.vpid == context_i.vpid);
    assert (space.pcid == pcid);
    assert (space.ept == context_i.ept_enabled);
    assert (space.ept_root == root);
  end

endmodule
