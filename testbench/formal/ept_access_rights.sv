// Proof: the rights that an access needs of the EPT, by each of the rules that make a violation.
// Bug: rtl/ept_access_rights.sv:
//   `if (mode_i.mode_based_execute && user_address_i)`
//   -> `if (mode_i.mode_based_execute)`
// Bug: rtl/ept_access_rights.sv:
//   `access_i.shadow_stack && supervisor_i && mode_i.ept_shadow_stack`
//   -> `access_i.shadow_stack && mode_i.ept_shadow_stack`
// Bug: rtl/ept_access_rights.sv:
//   `access_i.write & (own_access_i | ~mode_i.paging_write)`
//   -> `access_i.write & own_access_i`

module ept_access_rights_proof (
  input walker_pkg::mode_t       mode_i,
  input walker_pkg::access_t     access_i,
  input logic                    own_access_i,
  input logic                    supervisor_i,
  input logic                    user_address_i,
  input walker_pkg::ept_rights_t given_i
);

  walker_pkg::ept_rights_t needed;

  ept_access_rights u_rights (
    .asked_i(1'b1),
    .mode_i,
    .access_i,
    .own_access_i,
    .supervisor_i,
    .user_address_i,
    .needed_o(needed)
  );

  // An entry gives some rights: the access is a violation or is not, by the rules b to e.
  logic controlled;  // by the right of supervisor shadow stacks alone
  logic no_read;
  logic no_write;
  logic no_fetch;
  logic no_shadow_stack;

  always_comb begin
    case ({mode_i.ept_shadow_stack, own_access_i, access_i.shadow_stack, supervisor_i})
      4'b1111: controlled = 1'b1;
      default: controlled = 1'b0;
    endcase
    no_read = access_i.read && !given_i.read;
    // The walker's own writes, to guest tables, may have a right of their own.
    case ({own_access_i, mode_i.paging_write})
      2'b01: no_write = access_i.write && !given_i.write && !given_i.paging_write;
      default: no_write = access_i.write && !given_i.write;
    endcase
    // Which of the two rights goes by the address, not by the processor's mode.
    case ({mode_i.mode_based_execute, user_address_i})
      2'b11: no_fetch = access_i.fetch && !given_i.user_execute;
      default: no_fetch = access_i.fetch && !given_i.execute;
    endcase
    no_shadow_stack = !given_i.supervisor_shadow_stack;

    // An entry that gives write access gives it to all writes.
    assume (!given_i.write || given_i.paging_write);
    // Guest tables are read and written.
    assume (own_access_i || (!access_i.fetch && !access_i.shadow_stack));

    if (controlled) begin
      assert (((needed & ~given_i) != 0) == no_shadow_stack);
    end else begin
      assert (((needed & ~given_i) != 0) == (no_read || no_write || no_fetch));
    end
  end

endmodule
