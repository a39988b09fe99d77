// Proof: the EPT refuses an access that needs a right which an entry lacks, or that fails
// guest-paging verification, and no other; and says for want of what, by the uppermost such entry.
// Bug: rtl/ept_access_check.sv:
//   `(needed_i & ~rights_i) != '0`
//   -> `(needed_i & ~first_rights_i) != '0`
// Bug: rtl/ept_access_check.sv:
//   `verifies_i & ~verified_i`
//   -> `verifies_i`
// Bug: rtl/ept_access_check.sv:
//   `assign unverified_o = ~lacking & `
//   -> `assign unverified_o = `

module ept_access_check_proof (
  input walker_pkg::ept_rights_t needed_i,
  input walker_pkg::ept_rights_t first_i,
  input walker_pkg::ept_rights_t second_i,
  input walker_pkg::ept_rights_t third_i,
  input logic                    verifies_i,
  input logic                    verified_i
);

  // Three entries from the root down, and what a walk that read them says of them.
  walker_pkg::ept_rights_t rights;
  walker_pkg::ept_rights_t uppermost;
  logic                    refused;
  logic                    unverified;
  walker_pkg::reason_e     reason;

  ept_access_check u_check (
    .needed_i,
    .rights_i      (rights),
    .first_rights_i(uppermost),
    .verifies_i,
    .verified_i,
    .refused_o     (refused),
    .unverified_o  (unverified),
    .reason_o      (reason)
  );

  logic                    lacking;
  walker_pkg::ept_rights_t gone;  // of what is needed, in the entry that is named
  logic                    unchecked;

  always_comb begin
    rights = first_i & second_i & third_i;
    lacking = 1'b1;
    if ((first_i | needed_i) != first_i) begin
      uppermost = first_i;
    end else if ((second_i | needed_i) != second_i) begin
      uppermost = second_i;
    end else if ((third_i | needed_i) != third_i) begin
      uppermost = third_i;
    end else begin
      uppermost = '0;
      lacking = 1'b0;
    end
    gone = (uppermost | needed_i) ^ uppermost;
    unchecked = verifies_i > verified_i;
  end

  always_comb begin
    if (lacking) begin
      // For want of a right verification is not looked at.
      assert (refused);
      assert (!unverified);
      if (gone.read) begin
        assert (reason == walker_pkg::ReasonEptNotReadable);
      end else if (gone.write | gone.paging_write) begin
        assert (reason == walker_pkg::ReasonEptNotWritable);
      end else if (gone.supervisor_shadow_stack) begin
        assert (reason == walker_pkg::ReasonEptShadowStack);
      end else begin
        assert (reason == walker_pkg::ReasonEptNotExecutable);
      end
    end else if (unchecked) begin
      assert (refused);
      assert (unverified);
      assert (reason == walker_pkg::ReasonEptPagingVerification);
    end else begin
      assert (!refused);
      assert (!unverified);
      assert (reason == walker_pkg::ReasonNone);
    end
  end

endmodule
