// One EPT entry by itself: not present, misconfigured (SDM 31.3.3.1), a reference to the next table
// or a leaf. Says nothing of rights: those are judged once the leaf has been reached.

module ept_entry_check (
  input  walker_pkg::mode_t   mode_i,
  input  logic [63:0]         entry_i,
  input  logic [2:0]          level_i,  // 1 = PTE to 5 = PML5E
  output logic                present_o,
  output logic                leaf_o,           // if present and not misconfigured
  output logic                misconfigured_o,  // if present
  output walker_pkg::reason_e reason_o
);

  logic read, write, execute, user_execute, size, size_supported, reserved, type_reserved;
  logic [2:0] memory_type;

  assign read = entry_i[arch_pkg::EptEntryRead];
  assign write = entry_i[arch_pkg::EptEntryWrite];
  assign execute = entry_i[arch_pkg::EptEntryExecute];
  assign user_execute = mode_i.mode_based_execute & entry_i[arch_pkg::EptEntryUserExecute];
  assign size = entry_i[arch_pkg::EptEntryPageSize];
  assign memory_type = entry_i[arch_pkg::EptEntryMemoryTypeHigh:arch_pkg::EptEntryMemoryTypeLow];

  assign present_o = read | write | execute | user_execute;

  // Bit 7 of a PTE is ignored.
  assign size_supported = (level_i == 3'd2 && mode_i.ept_page_2m) ||
                          (level_i == 3'd3 && mode_i.ept_page_1g);
  assign leaf_o = (level_i == 3'd1) || (size && size_supported);

  always_comb begin
    reserved = 1'b0;
    if (present_o) begin
      reserved = (entry_i[51:32] >> (mode_i.maxphyaddr - 6'd32)) != '0;
      if (!leaf_o) begin
        reserved = reserved | (entry_i[7:3] != '0);
      end else if (level_i == 3'd2) begin
        reserved = reserved | (entry_i[20:12] != '0);
      end else if (level_i == 3'd3) begin
        reserved = reserved | (entry_i[29:12] != '0);
      end
    end
  end

  assign type_reserved = memory_type == 3'd2 || memory_type == 3'd3 || memory_type == 3'd7;

  always_comb begin
    misconfigured_o = 1'b1;
    if (!present_o) begin
      reason_o = walker_pkg::ReasonNone;
      misconfigured_o = 1'b0;
    end else if (!read && write) begin
      reason_o = walker_pkg::ReasonEptWriteWithoutRead;
    end else if (!read && (execute || user_execute) && !mode_i.execute_only) begin
      reason_o = walker_pkg::ReasonEptExecuteOnlyUnsupported;
    end else if (!read && leaf_o && mode_i.paging_write &&
                 entry_i[arch_pkg::EptEntryPagingWriteAccess]) begin
      reason_o = walker_pkg::ReasonEptPagingWriteWithoutRead;
    end else if (reserved) begin
      reason_o = walker_pkg::ReasonEptReservedBit;
    end else if (leaf_o && type_reserved) begin
      reason_o = walker_pkg::ReasonEptMemoryType;
    end else begin
      reason_o = walker_pkg::ReasonNone;
      misconfigured_o = 1'b0;
    end
  end

endmodule
