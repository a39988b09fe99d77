// Where each walk is in the guest's dimension: the guest-physical address in translation, whether
// it is the access's own or of which guest entry, and the rights of the guest entries used so far.
// From an entry that was judged, or from a hit, follows where it goes next.

module guest_location #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1
) (
  input  logic                      clk_i,
  input  logic [SlotBits-1:0]       slot_i,
  input  walker_pkg::mode_t         mode_i,
  input  logic                      walks_guest_i,  // linear, with paging
  input  logic [2:0]                root_level_i,
  input  logic [39:0]               hlat_root_i,
  input  logic [56:0]               address_i,  // of the request

  // The walk in hand, as it stands.
  output logic [2:0]                level_o,  // of the entry being located or read, or 0
  output logic                      hlat_o,  // that entry is one of the HLAT tables
  output logic [2:0]                restart_level_o,  // of the one that restarted the walk, or 0
  output logic [51:0]               gpa_o,
  output walker_pkg::guest_rights_t rights_o,

  // Where it goes, if a new address is due: to the walk's first table, to that of CR3 if an HLAT
  // entry says so (SDM 5.5.5), to what a combined hit says, to the page that the entry in hand
  // maps, or to the table that it refers to.
  input  logic                      due_i,
  input  logic                      begins_i,
  input  logic                      restarts_i,  // and begins, therefore
  input  logic                      first_i,
  input  logic                      hit_i,
  input  logic [2:0]                hit_level_i,
  input  logic [39:0]               hit_frame_i,
  input  walker_pkg::guest_rights_t hit_rights_i,
  input  logic                      done_i,
  input  logic                      descends_i,
  input  logic [39:0]               entry_frame_i,
  input  walker_pkg::guest_rights_t entry_rights_i,  // and of all levels above
  output logic [2:0]                new_level_o,
  output logic                      new_hlat_o,
  output logic [2:0]                leaf_level_o,  // 0 before the leaf, and without paging
  output walker_pkg::guest_rights_t new_rights_o,
  output logic [51:0]               entry_address_o,  // of the next entry in the frame of its table
  output logic [51:0]               new_gpa_o,

  // Of any walk.
  input  logic [SlotBits-1:0]       memory_slot_i,
  output logic [2:0]                memory_level_o,
  output logic                      memory_hlat_o
);

  logic [2:0] guest_level_q [Walks];
  logic [51:0] gpa_q [Walks];
  logic [2:0] guest_leaf_level_q [Walks];
  logic [$bits(rights_o)-1:0] guest_rights_q [Walks];
  logic [Walks-1:0] hlat_q;
  logic [2:0] restart_level_q [Walks];

  assign level_o = guest_level_q[slot_i];
  assign gpa_o = gpa_q[slot_i];
  assign rights_o = guest_rights_q[slot_i];
  assign memory_level_o = guest_level_q[memory_slot_i];
  assign hlat_o = hlat_q[slot_i];
  assign memory_hlat_o = hlat_q[memory_slot_i];
  assign restart_level_o = restart_level_q[slot_i];

  logic [39:0] frame;
  logic [51:0] page_gpa;

  // Without EPT the guest's leaf is in hand when the walk ends; else it was left in registers.
  always_comb begin
    leaf_level_o = guest_leaf_level_q[slot_i];
    new_rights_o = rights_o;
    new_level_o = level_o - 3'd1;
    new_hlat_o = hlat_o;
    frame = entry_frame_i;
    if (begins_i || first_i) begin
      leaf_level_o = 3'd0;
      new_rights_o = '1;
      new_level_o = walks_guest_i ? root_level_i : 3'd0;
      new_hlat_o = mode_i.hlat & walks_guest_i & ~restarts_i;
      frame = new_hlat_o ? hlat_root_i : mode_i.root;
    end else if (hit_i) begin
      leaf_level_o = 3'd0;
      new_rights_o = hit_rights_i;
      new_level_o = hit_level_i - 3'd1;
      new_hlat_o = mode_i.hlat;
      frame = hit_frame_i;
    end else if (done_i) begin
      leaf_level_o = level_o;
      new_rights_o = entry_rights_i;
      new_level_o = 3'd0;
      new_hlat_o = 1'b0;
    end else if (descends_i) begin
      new_rights_o = entry_rights_i;
    end
  end

  entry_address u_entry_address (
    .frame_i(frame),
    .narrow_i(mode_i.narrow),
    .level_i(new_level_o),
    .address_i(address_i[56:12]),
    .entry_address_o(entry_address_o)
  );

  page_address u_page_address (
    .narrow_i(mode_i.narrow),
    .frame_i(frame),
    .level_i(level_o),
    .offset_i(address_i[29:0]),
    .address_o(page_gpa)
  );

  always_comb begin
    if (new_level_o != 3'd0) begin
      new_gpa_o = entry_address_o;
    end else begin
      new_gpa_o = walks_guest_i ? page_gpa : address_i[51:0];
    end
  end

  always_ff @(posedge clk_i) begin
    if (due_i | hit_i) begin
      guest_leaf_level_q[slot_i] <= leaf_level_o;
      guest_level_q[slot_i] <= new_level_o;
      guest_rights_q[slot_i] <= new_rights_o;
      hlat_q[slot_i] <= new_hlat_o;
      gpa_q[slot_i] <= new_gpa_o;
    end
    if (begins_i | first_i | hit_i) begin
      restart_level_q[slot_i] <= restarts_i ? level_o : 3'd0;
    end
  end

endmodule
