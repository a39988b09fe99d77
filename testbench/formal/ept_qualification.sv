// Proof: each bit of an EPT violation's exit qualification.
// Bug: rtl/ept_qualification.sv:
//   `leaf_reached_i & rights_i.write`
//   -> `rights_i.write`

module ept_qualification_proof (
  input walker_pkg::mode_t         mode_i,
  input walker_pkg::access_t       access_i,
  input logic                      linear_i,
  input logic                      final_i,
  input logic                      leaf_reached_i,
  input walker_pkg::ept_rights_t   rights_i,
  input logic                      leaf_shadow_stack_i,
  input walker_pkg::guest_rights_t guest_rights_i
);

  logic [16:0] code;

  ept_qualification u_qualification (
    .mode_i,
    .access_i,
    .linear_i,
    .final_i,
    .leaf_reached_i,
    .rights_i,
    .leaf_shadow_stack_i,
    .guest_rights_i,
    .qualification_o(code)
  );

  logic of_page;
  logic tells_paging;

  always_comb begin
    of_page = linear_i & final_i;
    tells_paging = of_page & mode_i.advanced_exit_info;

    // Without paging the guest refuses nothing.
    assume (mode_i.paging || guest_rights_i == 3'b111);
    // Without EFER.NXE an entry with the execute-disable bit is malformed.
    assume (mode_i.nxe || guest_rights_i.execute);

    assert (code[0] == access_i.read);
    assert (code[1] == access_i.write);
    assert (code[2] == access_i.fetch);
    assert (code[3] == (rights_i.read & leaf_reached_i));
    assert (code[4] == (rights_i.write & leaf_reached_i));
    assert (code[5] == (rights_i.execute & leaf_reached_i));
    assert (code[6] == (rights_i.user_execute & leaf_reached_i & mode_i.mode_based_execute));
    assert (code[7] == linear_i);
    assert (code[8] == of_page);
    assert (code[9] == (tells_paging & (guest_rights_i.user | !mode_i.paging)));
    assert (code[10] == (tells_paging & (guest_rights_i.write | !mode_i.paging)));
    assert (code[11] == (tells_paging & !guest_rights_i.execute & mode_i.paging & mode_i.nxe));
    assert (code[13:12] == 2'b00);
    assert (code[14] == (leaf_reached_i & mode_i.ept_shadow_stack & leaf_shadow_stack_i));
    assert (code[16:15] == 2'b00);
  end

endmodule
