// The error code of a page fault (SDM 5.7).

module page_fault_code (
  input  logic                asked_i,  // else 0
  input  walker_pkg::mode_t   mode_i,
  input  walker_pkg::access_t access_i,
  input  logic                user_i,
  input  logic                present_i,   // every entry met was present
  input  logic                reserved_i,  // but one had a reserved bit set
  input  logic                key_refused_i,
  input  logic                hlat_i,  // the last entry met was one of the HLAT tables
  output logic [7:0]          error_code_o
);

  always_comb begin
    error_code_o = '0;
    if (asked_i) begin
      error_code_o[arch_pkg::ErrorCodePresent] = present_i;
      error_code_o[arch_pkg::ErrorCodeWrite] = access_i.write;
      error_code_o[arch_pkg::ErrorCodeUser] = user_i;
      error_code_o[arch_pkg::ErrorCodeReserved] = present_i & reserved_i;
      error_code_o[arch_pkg::ErrorCodeFetch] = access_i.fetch & (mode_i.nxe | mode_i.smep);
      error_code_o[arch_pkg::ErrorCodeProtectionKey] = present_i & ~reserved_i & key_refused_i;
      error_code_o[arch_pkg::ErrorCodeShadowStack] = access_i.shadow_stack;
      error_code_o[arch_pkg::ErrorCodeHlat] = hlat_i & (~present_i | reserved_i);
    end
  end

endmodule
