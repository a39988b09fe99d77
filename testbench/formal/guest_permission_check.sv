// Proof: guest paging refuses what its rules refuse, and says so of the first of them.
// Bug: rtl/guest_permission_check.sv:
//   `rights_i.user && access_i.fetch && mode_i.smep`
//   -> `access_i.fetch && mode_i.smep`
// Bug: rtl/guest_permission_check.sv:
//   ` | mode_i.wp)`
//   -> `)`
// Bug: rtl/guest_permission_check.sv:
//   `!rights_i.shadow_stack || user_i != rights_i.user`
//   -> `!rights_i.shadow_stack`
// Bug: rtl/guest_permission_check.sv:
//   `if (access_i.shadow_stack) begin`
//   -> `if (access_i.shadow_stack && user_i) begin`

module guest_permission_check_proof (
  input walker_pkg::mode_t         mode_i,
  input walker_pkg::access_t       access_i,
  input logic                      user_i,
  input logic                      implicit_i,
  input walker_pkg::guest_rights_t rights_i,
  input logic [3:0]                key_i
);

  logic                refused;
  logic                key_refused;
  walker_pkg::reason_e reason;

  guest_permission_check u_check (
    .asked_i(1'b1),
    .mode_i,
    .access_i,
    .user_i,
    .implicit_i,
    .rights_i,
    .key_i,
    .refused_o    (refused),
    .key_refused_o(key_refused),
    .reason_o     (reason)
  );

  logic user;
  logic data;
  logic ordinary;
  logic no_write;
  logic no_user;
  logic no_execute;
  logic smep;
  logic smap;
  logic no_key;
  logic no_shadow_stack;

  // Two bits for each key: the lower disables access, the upper writes.
  logic [31:0] user_keys;
  logic [31:0] supervisor_keys;

  always_comb begin
    user = user_i;
    data = access_i.read | access_i.write;
    ordinary = !access_i.shadow_stack;
    user_keys = mode_i.pkru >> {key_i, 1'b0};
    supervisor_keys = mode_i.pkrs >> {key_i, 1'b0};

    no_user = user & !rights_i.user;
    no_execute = access_i.fetch & !rights_i.execute;
    // CR0.WP protects read-only pages from the supervisor.
    case ({access_i.write & ordinary, rights_i.write, user, mode_i.wp})
      4'b1001, 4'b1010, 4'b1011: no_write = 1'b1;
      default: no_write = 1'b0;
    endcase
    // A shadow stack is written though its page is read-only: that marks it. It is one mode's.
    no_shadow_stack = access_i.shadow_stack & !(rights_i.shadow_stack & (user == rights_i.user));
    smep = !user & access_i.fetch & rights_i.user & mode_i.smep;
    smap = !user & data & ordinary & rights_i.user & mode_i.smap & (implicit_i | !mode_i.ac);
    if (!data) begin
      no_key = 1'b0;
    end else if (rights_i.user) begin
      no_key = mode_i.pke
        & (user_keys[0] | (user_keys[1] & access_i.write & (user | mode_i.wp)));
    end else begin
      no_key = mode_i.pks
        & (supervisor_keys[0] | (supervisor_keys[1] & access_i.write & mode_i.wp));
    end
  end

  always_comb begin
    // What access_decode makes: a fetch is nothing else.
    assume (access_i.fetch != data);
    assume (!access_i.fetch || ordinary);
    // An implicit access is the supervisor's.
    assume (!implicit_i || !user_i);

    assert (refused
            == (no_write | no_user | no_execute | smep | smap | no_key | no_shadow_stack));
    assert (key_refused == no_key);
    if (no_write) begin
      assert (reason == walker_pkg::ReasonGuestNotWritable);
    end else if (no_user) begin
      assert (reason == walker_pkg::ReasonGuestSupervisorPage);
    end else if (no_execute) begin
      assert (reason == walker_pkg::ReasonGuestExecuteDisable);
    end else if (smep) begin
      assert (reason == walker_pkg::ReasonGuestSmep);
    end else if (smap) begin
      assert (reason == walker_pkg::ReasonGuestSmap);
    end else if (no_key) begin
      assert (reason == walker_pkg::ReasonGuestProtectionKey);
    end else if (no_shadow_stack) begin
      assert (reason == walker_pkg::ReasonGuestShadowStack);
    end else begin
      assert (reason == walker_pkg::ReasonNone);
    end
  end

endmodule
