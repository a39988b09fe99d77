// A second walker, which shows that any walker can be checked as the one in rtl/ is. It shares
// nothing with that one and differs where it can: one walk at a time; a command with busy and done
// in place of valid and ready; registers that stand beside the command and must be held still; a
// bus of 64-bit words with strobe and acknowledge; and all that follows from a word decided in one
// combinational step.
//
// It knows 4-level paging under a 4-level EPT, with every page size, accessed and dirty flags in
// both dimensions, mode-based execute control, execute-disable, WP, SMEP and SMAP. It tells neither
// memory types nor rights.

module second_walker (
    input logic clk,
    input logic rst,

    // The command is taken in a cycle with go high and busy low.
    input  logic        go,
    output logic        busy,
    input  logic [63:0] linear,
    input  logic [ 2:0] op,        // fetch, write, read; write and read together are one access
    input  logic        cpl3,
    input  logic        implicit,  // an access of the supervisor whatever cpl3 says

    // Registers of the guest and of its hypervisor. Held still from the command until done.
    input logic [51:12] guest_root,
    input logic         wp,
    input logic         nxe,
    input logic         smep,
    input logic         smap,
    input logic         ac,
    input logic [51:12] ept_root,
    input logic         ept_flags,      // EPTP bit 6
    input logic         mode_execute,
    input logic         execute_only,
    input logic         ept_1g,
    input logic         ept_2m,
    input logic         guest_1g,
    input logic [ 5:0]  physical_bits,

    // The result stands in the one cycle in which done is high.
    output logic        done,
    output logic [ 2:0] fault,
    output logic [ 8:0] info,  // error code of a page fault, or exit qualification
    output logic [51:0] where, // host-physical; of what the EPT refuses guest-physical
    output logic [ 1:0] span,  // of the translation: 4 KiB, 2 MiB, 1 GiB

    // A word is asked for until it is acknowledged. A swap stores bus_new if it finds bus_old, and
    // is answered with what it found.
    output logic        bus_strobe,
    output logic        bus_swap,
    output logic [51:3] bus_at,
    output logic [63:0] bus_old,
    output logic [63:0] bus_new,
    input  logic        bus_ack,
    input  logic [63:0] bus_word
);

  localparam logic [2:0] NoFault = 3'd0;
  localparam logic [2:0] NotCanonical = 3'd1;
  localparam logic [2:0] PageFault = 3'd2;
  localparam logic [2:0] EptViolation = 3'd3;
  localparam logic [2:0] EptMisconfiguration = 3'd4;

  localparam logic [63:0] EptAccessed = 64'h100;
  localparam logic [63:0] EptDirty = 64'h200;
  localparam logic [63:0] GuestAccessed = 64'h20;
  localparam logic [63:0] GuestDirty = 64'h40;

  typedef enum logic [2:0] {
    Idle,
    EptRead,
    EptSwap,
    GuestRead,
    GuestSwap,
    Finished
  } state_e;

  // What is remembered. Levels are 4 for a root and 1 for a table of 4 KiB pages.
  state_e state, state_n;
  logic [2:0] guest_level, guest_level_n;  // of the guest entry in hand; 0: the access itself
  logic [2:0] ept_level, ept_level_n;  // of the EPT entry in hand
  logic [2:0] ept_leaf, ept_leaf_n;  // where the last translation of a GPA ended
  logic [51:0] gpa, gpa_n;  // what is being translated by the EPT
  logic [255:0] ept_words, ept_words_n;  // an entry of each level, see slot
  logic [51:3] guest_at, guest_at_n;
  logic [63:0] guest_word, guest_word_n;
  logic user, user_n;  // AND and OR over the guest entries used
  logic writable, writable_n;
  logic no_execute, no_execute_n;
  logic [2:0] guest_leaf, guest_leaf_n;
  logic [63:0] swap_to, swap_to_n;
  logic [2:0] fault_n;
  logic [8:0] info_n;
  logic [51:0] where_n;
  logic [1:0] span_n;

  // Where the entry of a level is in ept_words.
  function automatic logic [7:0] slot(input logic [1:0] level);
    slot = {level, 6'd0};
  endfunction

  // Rules about one entry.

  function automatic logic [8:0] index_at(input logic [47:12] address, input logic [2:0] level);
    case (level)
      3'd4: index_at = address[47:39];
      3'd3: index_at = address[38:30];
      3'd2: index_at = address[29:21];
      default: index_at = address[20:12];
    endcase
  endfunction

  function automatic logic maps_page(input logic [2:0] level, input logic bit7);
    maps_page = level == 3'd1 || (bit7 && level != 3'd4);
  endfunction

  // A page's address with the offset that belongs to its size.
  function automatic logic [51:0] in_page(input logic [51:12] frame, input logic [29:0] offset,
                                          input logic [2:0] level);
    case (level)
      3'd3: in_page = {frame[51:30], offset};
      3'd2: in_page = {frame[51:21], offset[20:0]};
      default: in_page = {frame, offset[11:0]};
    endcase
  endfunction

  function automatic logic guest_reserved(input logic [2:0] level, input logic bit7,
                                          input logic [29:13] frame, input logic page_1g);
    case ({level, bit7})
      {3'd4, 1'b1}: guest_reserved = 1'b1;
      {3'd3, 1'b1}: guest_reserved = !page_1g || |frame;
      {3'd2, 1'b1}: guest_reserved = |frame[20:13];
      default: guest_reserved = 1'b0;
    endcase
  endfunction

  function automatic logic ept_reserved(input logic [2:0] level, input logic [7:3] low,
                                        input logic [29:12] frame, input logic page_1g,
                                        input logic page_2m);
    case ({level, low[7]})
      {3'd4, 1'b0}, {3'd3, 1'b0}, {3'd2, 1'b0}: ept_reserved = |low[6:3];
      {3'd4, 1'b1}: ept_reserved = 1'b1;
      {3'd3, 1'b1}: ept_reserved = !page_1g || |frame;
      {3'd2, 1'b1}: ept_reserved = !page_2m || |frame[20:12];
      default: ept_reserved = 1'b0;
    endcase
    // Memory types that there are not.
    if (maps_page(level, low[7]) && (low[4:3] == 2'd3 || low[5:3] == 3'd2)) ept_reserved = 1'b1;
  endfunction

  // One step: from the word that has come to the next word to ask for, or to the end. Each part
  // hands on to one further down.
  logic [51:12] too_high;
  logic [63:0] word, expected;
  logic canonical, by_user, changes_memory;
  logic use_guest, enter_ept, use_ept, flag_ept, leave_ept, update_guest, page_fault, refuse;
  logic malformed, present, all_user, all_writable, any_no_execute, denied, got_there, executes;
  logic [3:0] rights;  // user-mode execute, execute, write, read
  logic [2:0] wants;  // execute, write, read
  logic needs_flag;
  logic [63:0] flags;

  always_comb begin
    state_n = state;
    guest_level_n = guest_level;
    ept_level_n = ept_level;
    ept_leaf_n = ept_leaf;
    gpa_n = gpa;
    ept_words_n = ept_words;
    guest_at_n = guest_at;
    guest_word_n = guest_word;
    user_n = user;
    writable_n = writable;
    no_execute_n = no_execute;
    guest_leaf_n = guest_leaf;
    swap_to_n = swap_to;
    fault_n = fault;
    info_n = info;
    where_n = where;
    span_n = span;

    too_high = {40{1'b1}} << (physical_bits - 6'd12);
    canonical = linear[63:47] == 17'h0 || linear[63:47] == 17'h1ffff;
    by_user = cpl3 && !implicit;
    word = '0;
    expected = ept_words[slot(ept_level[1:0])+:64];
    changes_memory = 1'b0;
    use_guest = 1'b0;
    enter_ept = 1'b0;
    use_ept = 1'b0;
    flag_ept = 1'b0;
    leave_ept = 1'b0;
    update_guest = 1'b0;
    page_fault = 1'b0;
    refuse = 1'b0;
    malformed = 1'b0;
    present = 1'b0;
    all_user = 1'b0;
    all_writable = 1'b0;
    any_no_execute = 1'b0;
    denied = 1'b0;
    got_there = 1'b0;
    executes = 1'b0;
    rights = 4'b1111;
    wants = 3'b000;
    needs_flag = 1'b0;
    flags = '0;

    case (state)
      Idle:
      if (go) begin
        guest_level_n = 3'd4;
        user_n = 1'b1;
        writable_n = 1'b1;
        no_execute_n = 1'b0;
        gpa_n = {guest_root, linear[47:39], 3'b000};
        fault_n = NoFault;
        info_n = '0;
        if (canonical) begin
          enter_ept = 1'b1;
        end else begin
          fault_n = NotCanonical;
          state_n = Finished;
        end
      end
      EptRead:
      if (bus_ack) begin
        ept_words_n[slot(ept_level[1:0])+:64] = bus_word;
        use_ept = 1'b1;
      end
      EptSwap:
      if (bus_ack) begin
        // Another that set flags only has not changed what the entry says.
        ept_words_n[slot(ept_level[1:0])+:64] = bus_word == expected ? swap_to : bus_word;
        if (((bus_word ^ expected) & ~(EptAccessed | EptDirty)) == 0) flag_ept = 1'b1;
        else use_ept = 1'b1;
      end
      GuestRead:
      if (bus_ack) begin
        guest_word_n = bus_word;
        use_guest = 1'b1;
      end
      GuestSwap:
      if (bus_ack) begin
        guest_word_n = bus_word == guest_word ? swap_to : bus_word;
        use_guest = 1'b1;
      end
      default: state_n = Idle;
    endcase

    // A guest entry, as read or as a swap left it: what is wrong with it, which flag it needs, and
    // where it leads.
    if (use_guest) begin
      word = guest_word_n;
      all_user = user && word[2];
      all_writable = writable && word[1];
      any_no_execute = no_execute || word[63];
      malformed = guest_reserved(guest_level, word[7], word[29:13], guest_1g) ||
                  |(word[51:12] & too_high) || (word[63] && !nxe);
      if (by_user) begin
        denied = !all_user || (op[1] && !all_writable) || (op[2] && any_no_execute);
      end else if (op[2]) begin
        denied = any_no_execute || (all_user && smep);
      end else begin
        denied = (op[1] && !all_writable && wp) || (all_user && smap && (implicit || !ac));
      end

      if (!word[0] || malformed) begin
        page_fault = 1'b1;
      end else if (!word[5]) begin
        update_guest = 1'b1;
        swap_to_n = word | GuestAccessed;
      end else if (!maps_page(guest_level, word[7])) begin
        user_n = all_user;
        writable_n = all_writable;
        no_execute_n = any_no_execute;
        guest_level_n = guest_level - 3'd1;
        gpa_n = {word[51:12], index_at(linear[47:12], guest_level_n), 3'b000};
        enter_ept = 1'b1;
      end else if (denied) begin
        page_fault = 1'b1;
      end else if (op[1] && !word[6]) begin
        update_guest = 1'b1;
        swap_to_n = word | GuestDirty;
      end else begin
        user_n = all_user;
        guest_leaf_n = guest_level;
        guest_level_n = 3'd0;
        gpa_n = in_page(word[51:12], linear[29:0], guest_level);
        enter_ept = 1'b1;
      end
    end

    if (page_fault) begin
      fault_n = PageFault;
      info_n = {4'h0, op[2] && (nxe || smep), word[0] && malformed, by_user, op[1], word[0]};
      state_n = Finished;
    end

    if (enter_ept) begin
      ept_level_n = 3'd4;
      state_n = EptRead;
      if (gpa_n[51:48] != 0) refuse = 1'b1;
    end

    // An EPT entry. Rights count only when the page is found.
    if (use_ept) begin
      word = ept_words_n[slot(ept_level[1:0])+:64];
      executes = word[2] || (mode_execute && word[10]);
      present = executes || |word[1:0];
      malformed = ept_reserved(ept_level, word[7:3], word[29:12], ept_1g, ept_2m) ||
                  |(word[51:12] & too_high) ||
                  (!word[0] && (word[1] || (executes && !execute_only)));
      if (!present) begin
        refuse = 1'b1;
      end else if (malformed) begin
        fault_n = EptMisconfiguration;
        where_n = gpa;
        state_n = Finished;
      end else if (maps_page(ept_level, word[7])) begin
        ept_leaf_n = ept_level;
        got_there = 1'b1;
      end else begin
        ept_level_n = ept_level - 3'd1;
        state_n = EptRead;
      end
    end

    // What the entries of the last translation allow.
    for (int level = 1; level <= 4; level++) begin
      if (3'(level) >= ept_leaf_n) begin
        rights = rights & {ept_words_n[slot(2'(level))+10], ept_words_n[slot(2'(level))+:3]};
      end
    end
    if (!mode_execute) rights[3] = 1'b0;

    // To use a table is to read it and, with EPT flags on, to write it; to set a flag in it is to
    // write it in any case.
    wants = guest_level_n == 0 ? op : {1'b0, ept_flags || update_guest, 1'b1};
    changes_memory = wants[1];
    if (got_there) begin
      if (|(wants[1:0] & ~rights[1:0]) ||
          (wants[2] && !(mode_execute && user ? rights[3] : rights[2]))) begin
        refuse = 1'b1;
      end else begin
        flag_ept = 1'b1;
      end
    end
    if (update_guest) begin
      state_n = GuestSwap;
      if (!rights[1]) refuse = 1'b1;
    end

    // The entry nearest the root that lacks a flag comes first.
    if (flag_ept) begin
      leave_ept = 1'b1;
      for (int level = 1; level <= 4; level++) begin
        flags = EptAccessed | (3'(level) == ept_leaf_n && changes_memory ? EptDirty : 64'h0);
        needs_flag = ept_flags && 3'(level) >= ept_leaf_n &&
            (flags & ~ept_words_n[slot(2'(level))+:64]) != 0;
        if (needs_flag) begin
          leave_ept = 1'b0;
          ept_level_n = 3'(level);
          swap_to_n = ept_words_n[slot(2'(level))+:64] | flags;
          state_n = EptSwap;
        end
      end
    end

    if (leave_ept) begin
      word = ept_words_n[slot(ept_leaf_n[1:0])+:64];
      where_n = in_page(word[51:12], gpa[29:0], ept_leaf_n);
      guest_at_n = where_n[51:3];
      span_n = 2'((ept_leaf_n < guest_leaf ? ept_leaf_n : guest_leaf) - 3'd1);
      state_n = guest_level == 0 ? Finished : GuestRead;
    end

    if (refuse) begin
      fault_n = EptViolation;
      info_n = {guest_level_n == 0, 1'b1, got_there || update_guest ? rights : 4'h0, wants};
      where_n = gpa_n;
      state_n = Finished;
    end
  end

  always_ff @(posedge clk) begin
    if (rst) begin
      state <= Idle;
    end else begin
      state <= state_n;
    end
    guest_level <= guest_level_n;
    ept_level <= ept_level_n;
    ept_leaf <= ept_leaf_n;
    gpa <= gpa_n;
    ept_words <= ept_words_n;
    guest_at <= guest_at_n;
    guest_word <= guest_word_n;
    user <= user_n;
    writable <= writable_n;
    no_execute <= no_execute_n;
    guest_leaf <= guest_leaf_n;
    swap_to <= swap_to_n;
    fault <= fault_n;
    info <= info_n;
    where <= where_n;
    span <= span_n;
  end

  // The table of an EPT entry is where the entry above it leads.
  logic [51:12] ept_table;
  assign ept_table = ept_level == 3'd4 ? ept_root : ept_words[slot(ept_level[1:0]+2'd1)+12+:40];

  assign busy = state != Idle;
  assign done = state == Finished;

  assign bus_strobe = state != Idle && state != Finished;
  assign bus_swap = state == EptSwap || state == GuestSwap;
  assign bus_at = state == GuestRead || state == GuestSwap ? guest_at :
                  {ept_table, index_at(gpa[47:12], ept_level)};
  assign bus_old = state == EptSwap ? ept_words[slot(ept_level[1:0])+:64] : guest_word;
  assign bus_new = swap_to;

endmodule
