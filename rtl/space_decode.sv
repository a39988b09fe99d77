// The tags of what a walk caches and may use of the caches (SDM 31.4.1, 5.10.1).

module space_decode (
  input  walker_pkg::context_t context_i,
  output walker_pkg::space_t   space_o
);

  always_comb begin
    space_o = '0;
    space_o.vpid = context_i.vpid;
    if (context_i.cr4[arch_pkg::Cr4Pcide]) begin
      space_o.pcid = context_i.cr3[arch_pkg::Cr3PcidHigh:arch_pkg::Cr3PcidLow];
    end
    space_o.ept = context_i.ept_enabled;
    if (context_i.ept_enabled) begin
      space_o.ept_root = context_i.eptp[arch_pkg::EptpAddressHigh:arch_pkg::EptpAddressLow];
    end
  end

endmodule
