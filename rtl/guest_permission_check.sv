// Whether the guest's rights allow an access, once the leaf has been reached (SDM 5.6).

module guest_permission_check (
  input  logic                      asked_i,  // else nothing is refused
  input  walker_pkg::mode_t         mode_i,
  input  walker_pkg::access_t       access_i,
  input  logic                      user_i,      // a user-mode access
  input  logic                      implicit_i,  // an implicit supervisor access
  input  walker_pkg::guest_rights_t rights_i,    // and of all levels
  input  logic [3:0]                key_i,       // protection key of the leaf
  output logic                      refused_o,
  output logic                      key_refused_o,  // whatever else refuses
  output walker_pkg::reason_e       reason_o
);

  logic [31:0] keys;

  // Two bits for each key: all data accesses refused, writes refused. Of the page's rights only
  // U/S says which register holds; supervisor writes respect the second bit only with CR0.WP.
  always_comb begin
    keys = rights_i.user ? mode_i.pkru : mode_i.pkrs;
    key_refused_o = 1'b0;
    if (asked_i && !access_i.fetch && (rights_i.user ? mode_i.pke : mode_i.pks)) begin
      key_refused_o = keys[{key_i, 1'b0}] |
                      (keys[{key_i, 1'b1}] & access_i.write &
                       ((user_i & rights_i.user) | mode_i.wp));
    end
  end

  always_comb begin
    refused_o = 1'b1;
    if (!asked_i) begin
      reason_o = walker_pkg::ReasonNone;
      refused_o = 1'b0;
    end else if (access_i.shadow_stack) begin
      // The page must be one of shadow stacks, and of the access's own mode. Of the rules for
      // ordinary accesses that of keys alone applies.
      if (user_i && !rights_i.user) begin
        reason_o = walker_pkg::ReasonGuestSupervisorPage;
      end else if (key_refused_o) begin
        reason_o = walker_pkg::ReasonGuestProtectionKey;
      end else if (!rights_i.shadow_stack || user_i != rights_i.user) begin
        reason_o = walker_pkg::ReasonGuestShadowStack;
      end else begin
        reason_o = walker_pkg::ReasonNone;
        refused_o = 1'b0;
      end
    end else if (access_i.write && !rights_i.write && (user_i || mode_i.wp)) begin
      reason_o = walker_pkg::ReasonGuestNotWritable;
    end else if (user_i && !rights_i.user) begin
      reason_o = walker_pkg::ReasonGuestSupervisorPage;
    end else if (access_i.fetch && !rights_i.execute) begin
      reason_o = walker_pkg::ReasonGuestExecuteDisable;
    end else if (!user_i && rights_i.user && access_i.fetch && mode_i.smep) begin
      reason_o = walker_pkg::ReasonGuestSmep;
    end else if (!user_i && rights_i.user && !access_i.fetch && mode_i.smap &&
                 (implicit_i || !mode_i.ac)) begin
      reason_o = walker_pkg::ReasonGuestSmap;
    end else if (key_refused_o) begin
      reason_o = walker_pkg::ReasonGuestProtectionKey;
    end else begin
      reason_o = walker_pkg::ReasonNone;
      refused_o = 1'b0;
    end
  end

endmodule
