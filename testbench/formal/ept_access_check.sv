// Proof: the EPT refuses an access that needs a right which an entry lacks, and no other.
// Bug: rtl/ept_access_check.sv:
//   `(mode_based_execute_i && user_address_i)`
//   -> `mode_based_execute_i`

module ept_access_check_proof (
  input walker_pkg::ept_rights_t rights_i,
  input walker_pkg::access_t     access_i,
  input logic                    mode_based_execute_i,
  input logic                    user_address_i
);

  logic                refused;
  walker_pkg::reason_e reason;

  ept_access_check u_check (
    .rights_i,
    .access_i,
    .mode_based_execute_i,
    .user_address_i,
    .refused_o(refused),
    .reason_o (reason)
  );

  logic may_execute;
  logic no_read;
  logic no_write;
  logic no_execute;

  always_comb begin
    case ({mode_based_execute_i, user_address_i})
      2'b11: may_execute = rights_i.user_execute;
      default: may_execute = rights_i.execute;
    endcase
    no_read = access_i.read & !rights_i.read;
    no_write = access_i.write & !rights_i.write;
    no_execute = access_i.fetch & !may_execute;

    assert (refused == (no_read | no_write | no_execute));
    if (no_read) begin
      assert (reason == walker_pkg::ReasonEptNotReadable);
    end else if (no_write) begin
      assert (reason == walker_pkg::ReasonEptNotWritable);
    end else if (no_execute) begin
      assert (reason == walker_pkg::ReasonEptNotExecutable);
    end
  end

endmodule
