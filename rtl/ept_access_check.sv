// Whether the rights of an EPT walk that reached its leaf allow an access (SDM 31.3.3.2).

module ept_access_check (
  input  walker_pkg::ept_rights_t rights_i,  // and of all levels
  input  walker_pkg::access_t     access_i,
  input  logic                    mode_based_execute_i,
  input  logic                    user_address_i,  // the linear address is a user-mode one
  output logic                    refused_o,
  output walker_pkg::reason_e     reason_o
);

  logic executable;
  assign executable =
      (mode_based_execute_i && user_address_i) ? rights_i.user_execute : rights_i.execute;

  always_comb begin
    refused_o = 1'b1;
    if (access_i.read && !rights_i.read) begin
      reason_o = walker_pkg::ReasonEptNotReadable;
    end else if (access_i.write && !rights_i.write) begin
      reason_o = walker_pkg::ReasonEptNotWritable;
    end else if (access_i.fetch && !executable) begin
      reason_o = walker_pkg::ReasonEptNotExecutable;
    end else begin
      reason_o = walker_pkg::ReasonNone;
      refused_o = 1'b0;
    end
  end

endmodule
