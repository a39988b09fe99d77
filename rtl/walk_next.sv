// What each walk waits for: the look-up or the memory request that its last step led to.

module walk_next #(
  parameter int unsigned Walks = 1,
  parameter int unsigned SlotBits = 1
) (
  input  logic                        clk_i,

  // The walk in hand: what it waited for.
  input  logic [SlotBits-1:0]         slot_i,
  output walker_pkg::op_e             op_o,
  output logic [51:0]                 address_o,
  output logic [63:0]                 expected_o,
  output logic [63:0]                 desired_o,
  output logic [2:0]                  ept_level_o,  // of the EPT entry, 0 for a guest entry; of
                                                    // an entry of sub-page permissions

  // And what it waits for next, the first of these.
  input  logic                        leads_on_i,  // any of them
  input  logic                        asks_combined_i,
  input  logic                        asks_ept_i,
  input  logic                        loads_area_i,  // whether the #VE information area is busy
  input  logic                        stores_area_i,
  input  logic [51:0]                 area_address_i,
  input  logic [3:0]                  area_size_i,
  input  logic [63:0]                 area_value_i,
  input  logic [2:0]                  area_level_i,  // of the EPT entry that decided
  input  logic                        logs_i,
  input  logic [51:0]                 log_address_i,
  input  logic [51:12]                log_page_i,
  input  logic                        swaps_ept_i,
  input  logic [63:0]                 ept_expected_i,
  input  logic [63:0]                 ept_desired_i,
  input  logic                        reads_guest_i,
  input  logic                        narrow_i,  // entries of 32-bit paging
  input  logic [51:0]                 guest_entry_address_i,
  input  logic                        reads_sub_page_i,
  input  logic                        reads_ept_i,
  input  logic [51:0]                 ept_entry_address_i,
  input  logic [2:0]                  ept_level_i,
  input  logic                        swaps_guest_i,  // the entry that was read
  input  logic                        sets_dirty_i,
  input  logic [63:0]                 guest_expected_i,
  input  logic [63:0]                 guest_desired_i,

  // The memory request of any walk.
  input  logic [SlotBits-1:0]         memory_slot_i,
  input  logic [2:0]                  memory_guest_level_i,
  input  logic                        memory_hlat_i,
  output walker_pkg::memory_request_t memory_o
);

  walker_pkg::op_e op_q [Walks];
  logic [3:0] size_q [Walks];
  logic [51:0] address_q [Walks];
  logic [63:0] expected_q [Walks];
  logic [63:0] desired_q [Walks];
  logic [2:0] ept_level_q [Walks];

  assign op_o = op_q[slot_i];
  assign address_o = address_q[slot_i];
  assign expected_o = expected_q[slot_i];
  assign desired_o = desired_q[slot_i];
  assign ept_level_o = ept_level_q[slot_i];

  walker_pkg::op_e op;
  logic [3:0] size;
  logic [51:0] address;
  logic [63:0] expected, desired;
  logic [2:0] ept_level;

  always_comb begin
    op = op_o;
    size = size_q[slot_i];
    address = address_o;
    expected = expected_o;
    desired = desired_o;
    ept_level = ept_level_o;
    if (asks_combined_i) begin
      op = walker_pkg::OpLookupCombined;
    end else if (asks_ept_i) begin
      op = walker_pkg::OpLookupEpt;
    end else if (loads_area_i) begin
      op = walker_pkg::OpVeLoad;
      size = area_size_i;
      address = area_address_i;
      ept_level = area_level_i;
    end else if (stores_area_i) begin
      op = walker_pkg::OpVeStore;
      size = area_size_i;
      address = area_address_i;
      desired = area_value_i;
    end else if (logs_i) begin
      op = walker_pkg::OpLog;
      address = log_address_i;
      desired = {12'd0, log_page_i, 12'd0};
    end else if (swaps_ept_i) begin
      op = walker_pkg::OpEptSwap;
      size = 4'd8;
      address = ept_entry_address_i;
      ept_level = ept_level_i;
      expected = ept_expected_i;
      desired = ept_desired_i;
    end else if (reads_guest_i) begin
      op = walker_pkg::OpGuestRead;
      size = narrow_i ? 4'd4 : 4'd8;
      address = guest_entry_address_i;
      ept_level = 3'd0;
    end else if (reads_ept_i) begin
      op = walker_pkg::OpEptRead;
      size = 4'd8;
      address = ept_entry_address_i;
      ept_level = ept_level_i;
    end else if (reads_sub_page_i) begin
      op = walker_pkg::OpSubPageRead;
      size = 4'd8;
      address = ept_entry_address_i;
      ept_level = ept_level_i;
    end else if (swaps_guest_i) begin
      op = sets_dirty_i ? walker_pkg::OpGuestDirty : walker_pkg::OpGuestAccessed;
      expected = guest_expected_i;
      desired = guest_desired_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (leads_on_i) begin
      op_q[slot_i] <= op;
      size_q[slot_i] <= size;
      address_q[slot_i] <= address;
      expected_q[slot_i] <= expected;
      desired_q[slot_i] <= desired;
      ept_level_q[slot_i] <= ept_level;
    end
  end

  always_comb begin
    memory_o = '0;
    memory_o.id[SlotBits-1:0] = memory_slot_i;
    memory_o.size = size_q[memory_slot_i];
    memory_o.address = address_q[memory_slot_i];
    memory_o.place.guest_level = memory_guest_level_i;
    memory_o.place.hlat = memory_hlat_i;
    memory_o.place.ept_level = ept_level_q[memory_slot_i];
    unique case (op_q[memory_slot_i])
      walker_pkg::OpEptSwap, walker_pkg::OpGuestAccessed, walker_pkg::OpGuestDirty: begin
        memory_o.kind = walker_pkg::MemorySwap;
        memory_o.expected = expected_q[memory_slot_i];
        memory_o.desired = desired_q[memory_slot_i];
      end
      walker_pkg::OpLog, walker_pkg::OpVeStore: begin
        memory_o.kind = walker_pkg::MemoryStore;
        memory_o.desired = desired_q[memory_slot_i];
      end
      walker_pkg::OpSubPageRead: begin
        memory_o.kind = walker_pkg::MemoryRead;
        memory_o.place.ept_level = 3'd0;
        memory_o.place.sub_page_level = ept_level_q[memory_slot_i];
      end
      walker_pkg::OpVeLoad: memory_o.kind = walker_pkg::MemoryLoad;
      default: memory_o.kind = walker_pkg::MemoryRead;
    endcase
  end

endmodule
