// Proof: the answer to a memory request means one thing for its walk: an entry that was read is
// judged, of its kind; a swap has set its flag, or the word it found is judged, unless of an EPT
// entry other flags alone were found; or the log, or the area of an exception, has been served.
// Bug: rtl/walk_answer.sv:
//   `(of_ept_swap & ~swapped & ~reflagged_o)`
//   -> `(of_ept_swap & ~swapped)`
// Bug: rtl/walk_answer.sv:
//   `assign reflagged_o = of_ept_swap & ~swapped &`
//   -> `assign reflagged_o = answered_i & ~swapped &`
// Bug: rtl/walk_answer.sv:
//   `found_change[arch_pkg::EptEntryDirty] = 1'b0;`
//   -> ``

module walk_answer_proof (
  input logic            answered_i,
  input walker_pkg::op_e op_i,
  input logic [63:0]     answer_i,
  input logic [63:0]     expected_i
);

  logic judge_ept;
  logic judge_guest;
  logic judge_sub_page;
  logic ept_swapped;
  logic reflagged;
  logic accessed_set;
  logic dirty_set;
  logic logged;
  logic ve_loaded;
  logic ve_stored;

  walk_answer u_answer (
    .answered_i,
    .op_i,
    .answer_i,
    .expected_i,
    .judge_ept_o     (judge_ept),
    .judge_guest_o   (judge_guest),
    .judge_sub_page_o(judge_sub_page),
    .ept_swapped_o   (ept_swapped),
    .reflagged_o     (reflagged),
    .accessed_set_o  (accessed_set),
    .dirty_set_o     (dirty_set),
    .logged_o        (logged),
    .ve_loaded_o     (ve_loaded),
    .ve_stored_o     (ve_stored)
  );

  localparam logic [9:0] JudgeEpt = 10'd1;
  localparam logic [9:0] JudgeGuest = 10'd2;
  localparam logic [9:0] JudgeSubPage = 10'd4;
  localparam logic [9:0] EptSwapped = 10'd8;
  localparam logic [9:0] Reflagged = 10'd16;
  localparam logic [9:0] AccessedSet = 10'd32;
  localparam logic [9:0] DirtySet = 10'd64;
  localparam logic [9:0] Logged = 10'd128;
  localparam logic [9:0] VeLoaded = 10'd256;
  localparam logic [9:0] VeStored = 10'd512;

  logic [9:0] meaning;
  logic       as_expected;
  logic       but_flags;  // bits 8 and 9

  always_comb begin
    as_expected = &(answer_i ~^ expected_i);
    but_flags = {answer_i[63:10], answer_i[7:0]} == {expected_i[63:10], expected_i[7:0]};
    case (op_i)
      walker_pkg::OpEptRead: meaning = JudgeEpt;
      walker_pkg::OpEptSwap: meaning = as_expected ? EptSwapped : but_flags ? Reflagged : JudgeEpt;
      walker_pkg::OpGuestRead: meaning = JudgeGuest;
      walker_pkg::OpGuestAccessed: meaning = as_expected ? AccessedSet : JudgeGuest;
      walker_pkg::OpGuestDirty: meaning = as_expected ? DirtySet : JudgeGuest;
      walker_pkg::OpSubPageRead: meaning = JudgeSubPage;
      walker_pkg::OpLog: meaning = Logged;
      walker_pkg::OpVeLoad: meaning = VeLoaded;
      walker_pkg::OpVeStore: meaning = VeStored;
      default: meaning = '0;
    endcase

    assert ({ve_stored, ve_loaded, logged, dirty_set, accessed_set, reflagged, ept_swapped,
             judge_sub_page, judge_guest, judge_ept} == (answered_i ? meaning : 10'd0));
  end

endmodule
