// Takes the architectural registers apart into what a walk depends on.

module context_decode (
  input  walker_pkg::context_t context_i,
  input  logic [31:30]         address_i,  // of the request, to choose a PDPTE register
  input  logic                 upper_half_i,  // its bit 63
  output walker_pkg::mode_t    mode_o,
  output walker_pkg::annex_t   annex_o
);

  logic paging, long_mode, pae;
  assign paging = context_i.cr0[arch_pkg::Cr0Pg];
  assign long_mode = paging & context_i.efer[arch_pkg::EferLma];
  assign pae = paging & ~long_mode & context_i.cr4[arch_pkg::Cr4Pae];

  always_comb begin
    annex_o = '0;
    annex_o.pdpte = context_i.pdptes[{address_i, 6'd0} +: 64];
    annex_o.hlat_root = context_i.hlat_pointer[51:12];
    annex_o.sub_page_root = context_i.sppt_pointer[51:12];
    annex_o.pml_frame = context_i.pml_address[51:12];
    annex_o.ve_frame = context_i.ve_info_address[51:12];
    annex_o.eptp_index = context_i.eptp_index;
  end

  always_comb begin
    mode_o = '0;
    mode_o.ept = context_i.ept_enabled;
    // The field holds levels less one: 3 or 4.
    mode_o.ept_five_levels = context_i.eptp[arch_pkg::EptpWalkLengthHigh:
                                            arch_pkg::EptpWalkLengthLow] == 3'd4;
    mode_o.ept_flags = context_i.ept_enabled & context_i.eptp[arch_pkg::EptpAccessedDirty];
    mode_o.ept_shadow_stack = context_i.ept_enabled &
                              context_i.eptp[arch_pkg::EptpSupervisorShadowStack];
    mode_o.ept_root = context_i.eptp[arch_pkg::EptpAddressHigh:arch_pkg::EptpAddressLow];
    mode_o.mode_based_execute = context_i.mode_based_execute;
    mode_o.execute_only = context_i.execute_only;
    mode_o.ept_page_1g = context_i.page_1g;
    mode_o.ept_page_2m = context_i.page_2m;
    mode_o.advanced_exit_info = context_i.advanced_exit_info;
    // Without EPT accessed and dirty flags there is nothing to log.
    mode_o.pml = mode_o.ept_flags & context_i.pml;
    mode_o.violation_ve = context_i.violation_ve & context_i.cr0[arch_pkg::Cr0Pe];
    mode_o.paging_write = context_i.paging_write;
    mode_o.verification = context_i.paging_write & context_i.guest_paging_verification;
    mode_o.sub_pages = context_i.sub_page_permission;
    mode_o.paging = paging;
    mode_o.long_mode = long_mode;
    mode_o.five_levels = long_mode & context_i.cr4[arch_pkg::Cr4La57];
    // Of a prefix no more than one bit counts.
    mode_o.hlat = long_mode & context_i.hlat &
                  (upper_half_i | (context_i.hlat_prefix_size == '0));
    mode_o.narrow = paging & ~long_mode & ~context_i.cr4[arch_pkg::Cr4Pae];
    mode_o.pae = pae;
    mode_o.pse = context_i.cr4[arch_pkg::Cr4Pse];
    mode_o.root = context_i.cr3[arch_pkg::Cr3AddressHigh:arch_pkg::Cr3AddressLow];
    if (pae) begin
      mode_o.root = annex_o.pdpte[arch_pkg::GuestEntryAddressHigh:arch_pkg::GuestEntryAddressLow];
    end
    if (mode_o.narrow) begin
      mode_o.root[39:20] = '0;
    end
    mode_o.guest_page_1g = context_i.guest_page_1g;
    mode_o.wp = context_i.cr0[arch_pkg::Cr0Wp];
    mode_o.cd = context_i.cr0[arch_pkg::Cr0Cd];
    mode_o.nxe = context_i.cr4[arch_pkg::Cr4Pae] & context_i.efer[arch_pkg::EferNxe];
    mode_o.global_pages = context_i.cr4[arch_pkg::Cr4Pge];
    mode_o.smep = context_i.cr4[arch_pkg::Cr4Smep];
    mode_o.smap = context_i.cr4[arch_pkg::Cr4Smap];
    mode_o.lass = long_mode & context_i.cr4[arch_pkg::Cr4Lass];
    mode_o.pke = long_mode & context_i.cr4[arch_pkg::Cr4Pke];
    mode_o.pks = long_mode & context_i.cr4[arch_pkg::Cr4Pks];
    mode_o.ac = context_i.rflags_ac;
    mode_o.pkru = context_i.pkru;
    mode_o.pkrs = context_i.pkrs;
    mode_o.pat = context_i.pat;
    mode_o.maxphyaddr = context_i.maxphyaddr;
  end

endmodule
