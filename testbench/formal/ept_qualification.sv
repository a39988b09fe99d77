// Proof: the exit qualification of an EPT violation, as the sum of what the rules have each bit
// stand for.
// Bug: rtl/ept_qualification.sv:
//   `mode_i.mode_based_execute & rights_i.user_execute`
//   -> `rights_i.user_execute`
// Bug: rtl/ept_qualification.sv:
//   `mode_i.ept_shadow_stack & leaf_shadow_stack_i`
//   -> `leaf_shadow_stack_i`
// Bug: rtl/ept_qualification.sv:
//   `QualificationGuestPagingVerification] = unverified_i`
//   -> `QualificationGuestPagingVerification] = 1'b0`

module ept_qualification_proof (
  input walker_pkg::mode_t         mode_i,
  input walker_pkg::access_t       access_i,
  input logic                      linear_i,
  input logic                      final_i,
  input logic                      leaf_reached_i,
  input walker_pkg::ept_rights_t   rights_i,
  input logic                      leaf_shadow_stack_i,
  input logic                      unverified_i,
  input walker_pkg::guest_rights_t guest_rights_i
);

  logic [16:0] code;

  ept_qualification u_qualification (
    .asked_i(1'b1),
    .mode_i,
    .access_i,
    .linear_i,
    .final_i,
    .leaf_reached_i,
    .rights_i,
    .leaf_shadow_stack_i,
    .unverified_i,
    .guest_rights_i,
    .qualification_o(code)
  );

  logic [16:0] kind;
  logic [16:0] pages;  // what the EPT entries that were used give
  logic [16:0] guest;  // where the guest's paging comes in

  always_comb begin
    kind = 17'h0;
    if (access_i.read) kind = kind + 17'h1;
    if (access_i.write) kind = kind + 17'h2;
    if (access_i.fetch) kind = kind + 17'h4;
    if (access_i.shadow_stack) kind = kind + 17'h2000;
    if (unverified_i) kind = kind + 17'h8000;

    pages = 17'h0;
    if (leaf_reached_i) begin
      if (rights_i.read) pages = pages + 17'h8;
      if (rights_i.write) pages = pages + 17'h10;
      if (rights_i.execute) pages = pages + 17'h20;
      if (mode_i.mode_based_execute && rights_i.user_execute) pages = pages + 17'h40;
      if (mode_i.ept_shadow_stack && leaf_shadow_stack_i) pages = pages + 17'h4000;
    end

    case ({linear_i, final_i, mode_i.advanced_exit_info})
      3'b100, 3'b101: guest = 17'h80;
      3'b110: guest = 17'h180;
      3'b111: begin
        guest = 17'h180;
        if (!mode_i.paging) begin
          guest = guest + 17'h600;
        end else begin
          if (guest_rights_i.user) guest = guest + 17'h200;
          if (guest_rights_i.write) guest = guest + 17'h400;
          if (mode_i.nxe && !guest_rights_i.execute) guest = guest + 17'h800;
        end
      end
      default: guest = 17'h0;
    endcase
  end

  always_comb begin
    // Without paging the guest refuses nothing; without EFER.NXE, or CR4.PAE, no fetch.
    assume (mode_i.paging || guest_rights_i.write);
    assume (mode_i.paging || guest_rights_i.user);
    assume ((mode_i.paging && mode_i.nxe) || guest_rights_i.execute);

    assert (code == kind + pages + guest);
  end

endmodule
