// The exit qualification of an EPT violation (SDM 30.2.1).

module ept_qualification (
  input  logic                      asked_i,  // else 0
  input  walker_pkg::mode_t         mode_i,
  input  walker_pkg::access_t       access_i,
  input  logic                      linear_i,  // the request has a linear address
  input  logic                      final_i,   // its own access, not one to a paging structure
  input  logic                      leaf_reached_i,
  input  walker_pkg::ept_rights_t   rights_i,           // if the leaf was reached
  input  logic                      leaf_shadow_stack_i,  // bit 60 of the leaf
  input  logic                      unverified_i,  // guest-paging verification failed
  input  walker_pkg::guest_rights_t guest_rights_i,
  output logic [16:0]               qualification_o
);

  logic advanced;
  assign advanced = linear_i & final_i & mode_i.advanced_exit_info;

  always_comb begin
    qualification_o = '0;
    if (asked_i) begin
      qualification_o[arch_pkg::QualificationRead] = access_i.read;
      qualification_o[arch_pkg::QualificationWrite] = access_i.write;
      qualification_o[arch_pkg::QualificationFetch] = access_i.fetch;
      qualification_o[arch_pkg::QualificationLinearValid] = linear_i;
      qualification_o[arch_pkg::QualificationFinal] = linear_i & final_i;
      qualification_o[arch_pkg::QualificationShadowStack] = access_i.shadow_stack;
      qualification_o[arch_pkg::QualificationGuestPagingVerification] = unverified_i;
      if (leaf_reached_i) begin
        qualification_o[arch_pkg::QualificationReadable] = rights_i.read;
        qualification_o[arch_pkg::QualificationWritable] = rights_i.write;
        qualification_o[arch_pkg::QualificationExecutable] = rights_i.execute;
        qualification_o[arch_pkg::QualificationUserExecutable] =
            mode_i.mode_based_execute & rights_i.user_execute;
        qualification_o[arch_pkg::QualificationSupervisorShadowStack] =
            mode_i.ept_shadow_stack & leaf_shadow_stack_i;
      end
      if (advanced) begin
        qualification_o[arch_pkg::QualificationUserAddress] = guest_rights_i.user;
        qualification_o[arch_pkg::QualificationGuestWritable] = guest_rights_i.write;
        qualification_o[arch_pkg::QualificationGuestNx] = ~guest_rights_i.execute;
      end
    end
  end

endmodule
