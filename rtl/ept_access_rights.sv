// The rights that an access needs of every EPT entry used (SDM 31.3.3.2).

module ept_access_rights (
  input  logic                    asked_i,  // else none
  input  walker_pkg::mode_t       mode_i,
  input  walker_pkg::access_t     access_i,
  input  logic                    own_access_i,    // the request's own, not one to a guest table
  input  logic                    supervisor_i,    // the request's own is one of supervisor mode
  input  logic                    user_address_i,  // the linear address is a user-mode one
  output walker_pkg::ept_rights_t needed_o
);

  always_comb begin
    needed_o = '0;
    if (asked_i) begin
      if (own_access_i && access_i.shadow_stack && supervisor_i && mode_i.ept_shadow_stack) begin
        needed_o.supervisor_shadow_stack = 1'b1;
      end else begin
        needed_o.read = access_i.read;
        needed_o.write = access_i.write & (own_access_i | ~mode_i.paging_write);
        needed_o.paging_write = access_i.write & ~own_access_i & mode_i.paging_write;
        if (mode_i.mode_based_execute && user_address_i) begin
          needed_o.user_execute = access_i.fetch;
        end else begin
          needed_o.execute = access_i.fetch;
        end
      end
    end
  end

endmodule
