// Proof: each bit of a page fault's error code.
// Bug: rtl/page_fault_code.sv:
//   `(mode_i.nxe | mode_i.smep)`
//   -> `mode_i.nxe`

module page_fault_code_proof (
  input walker_pkg::mode_t   mode_i,
  input walker_pkg::access_t access_i,
  input logic                user_i,
  input logic                present_i,
  input logic                reserved_i,
  input logic                key_refused_i
);

  logic [7:0] code;

  page_fault_code u_code (
    .mode_i,
    .access_i,
    .user_i,
    .present_i,
    .reserved_i,
    .key_refused_i,
    .error_code_o(code)
  );

  always_comb begin
    // A reserved bit and a key are looked at in entries that are present only.
    assume (present_i || !reserved_i);

    assert (code[arch_pkg::ErrorCodePresent] == present_i);
    assert (code[arch_pkg::ErrorCodeWrite] == access_i.write);
    assert (code[arch_pkg::ErrorCodeUser] == user_i);
    assert (code[arch_pkg::ErrorCodeReserved] == reserved_i);
    assert (code[arch_pkg::ErrorCodeFetch] == (access_i.fetch & (mode_i.nxe | mode_i.smep)));
    assert (code[arch_pkg::ErrorCodeProtectionKey] == (key_refused_i & present_i & !reserved_i));
    assert (!code[arch_pkg::ErrorCodeShadowStack]);
    assert (!code[arch_pkg::ErrorCodeHlat]);
  end

endmodule
