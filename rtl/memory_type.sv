// The effective memory type of an access to a page (SDM 31.3.7.2): the EPT's type in the role that
// the MTRRs have otherwise, combined with the type that the guest's PAT gives.

module memory_type (
  input  walker_pkg::mode_t mode_i,
  input  logic [2:0]        ept_type_i,
  input  logic              ignore_pat_i,
  input  logic              paged_i,      // the address went through guest paging
  input  logic [2:0]        pat_index_i,  // PAT, PCD and PWT of the guest's leaf
  output logic [2:0]        type_o
);

  logic [2:0] base, pat, combined;
  logic weak_base;

  assign base = mode_i.ept ? ept_type_i : arch_pkg::MemoryTypeWb;
  assign pat = paged_i ? mode_i.pat[{pat_index_i, 3'b000} +: 3] : arch_pkg::MemoryTypeWb;
  assign weak_base = base == arch_pkg::MemoryTypeUc || base == arch_pkg::MemoryTypeWc;

  always_comb begin
    unique case (pat)
      arch_pkg::MemoryTypeWc: combined = arch_pkg::MemoryTypeWc;
      arch_pkg::MemoryTypeWb: combined = base;
      arch_pkg::MemoryTypeWt, arch_pkg::MemoryTypeWp:
        combined = weak_base ? arch_pkg::MemoryTypeUc : pat;
      arch_pkg::MemoryTypeUcMinus:
        combined = (base == arch_pkg::MemoryTypeWc || base == arch_pkg::MemoryTypeWp)
                       ? arch_pkg::MemoryTypeWc : arch_pkg::MemoryTypeUc;
      default: combined = arch_pkg::MemoryTypeUc;
    endcase
  end

  always_comb begin
    if (mode_i.cd) begin
      type_o = arch_pkg::MemoryTypeUc;
    end else if (mode_i.ept && ignore_pat_i) begin
      type_o = ept_type_i;
    end else begin
      type_o = combined;
    end
  end

endmodule
