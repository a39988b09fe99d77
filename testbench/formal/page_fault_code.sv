// Proof: the error code of a page fault, as the sum of what the rules have each bit stand for.
// Bug: rtl/page_fault_code.sv:
//   `(mode_i.nxe | mode_i.smep)`
//   -> `mode_i.nxe`
// Bug: rtl/page_fault_code.sv:
//   `present_i & ~reserved_i & key_refused_i`
//   -> `present_i & key_refused_i`
// Bug: rtl/page_fault_code.sv:
//   `hlat_i & (~present_i | reserved_i)`
//   -> `hlat_i`

module page_fault_code_proof (
  input walker_pkg::mode_t   mode_i,
  input walker_pkg::access_t access_i,
  input logic                user_i,
  input logic                present_i,
  input logic                reserved_i,
  input logic                key_refused_i,
  input logic                hlat_i
);

  logic [7:0] code;

  page_fault_code u_code (
    .asked_i(1'b1),
    .mode_i,
    .access_i,
    .user_i,
    .present_i,
    .reserved_i,
    .key_refused_i,
    .hlat_i,
    .error_code_o(code)
  );

  // What was met: an entry that is absent, one that is malformed, or else a right is missing.
  logic [7:0] cause;
  logic [7:0] kind;

  always_comb begin
    case ({present_i, reserved_i})
      2'b00, 2'b01: cause = hlat_i ? 8'h80 : 8'h00;
      2'b11: cause = hlat_i ? 8'h89 : 8'h09;
      default: cause = key_refused_i ? 8'h21 : 8'h01;
    endcase

    kind = 8'h00;
    if (access_i.write) kind = kind + 8'h02;
    if (user_i) kind = kind + 8'h04;
    if (access_i.shadow_stack) kind = kind + 8'h40;
    // Where no page can refuse fetches alone, they are not told from reads.
    case ({access_i.fetch, mode_i.nxe, mode_i.smep})
      3'b101, 3'b110, 3'b111: kind = kind + 8'h10;
      default: ;
    endcase

    assert (code == cause + kind);
  end

endmodule
