// Whether an EPT walk that reached its leaf allows an access (SDM 31.3.3.2).

module ept_access_check (
  input  walker_pkg::ept_rights_t needed_i,
  input  walker_pkg::ept_rights_t rights_i,        // of all levels
  input  walker_pkg::ept_rights_t first_rights_i,  // of the uppermost level that lacks one needed
  input  logic                    verifies_i,      // the leaf asks for guest-paging verification
  input  logic                    verified_i,      // which succeeds
  output logic                    refused_o,
  output logic                    unverified_o,  // refused for that alone
  output walker_pkg::reason_e     reason_o
);

  walker_pkg::ept_rights_t missing;
  logic lacking;
  assign lacking = (needed_i & ~rights_i) != '0;
  assign missing = needed_i & ~first_rights_i;
  assign unverified_o = ~lacking & verifies_i & ~verified_i;
  assign refused_o = lacking | unverified_o;

  always_comb begin
    if (!lacking) begin
      reason_o = unverified_o ? walker_pkg::ReasonEptPagingVerification : walker_pkg::ReasonNone;
    end else if (missing.read) begin
      reason_o = walker_pkg::ReasonEptNotReadable;
    end else if (missing.write || missing.paging_write) begin
      reason_o = walker_pkg::ReasonEptNotWritable;
    end else if (missing.supervisor_shadow_stack) begin
      reason_o = walker_pkg::ReasonEptShadowStack;
    end else if (missing.execute || missing.user_execute) begin
      reason_o = walker_pkg::ReasonEptNotExecutable;
    end else begin
      reason_o = walker_pkg::ReasonNone;
    end
  end

endmodule
