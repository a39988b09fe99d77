// Proof: what a walk takes from which register.
// Bug: rtl/context_decode.sv:
//   `context_i.ept_enabled & context_i.eptp[arch_pkg::EptpAccessedDirty]`
//   -> `context_i.eptp[arch_pkg::EptpAccessedDirty]`

module context_decode_proof (
  input walker_pkg::context_t context_i
);

  walker_pkg::mode_t mode;

  context_decode u_decode (
    .context_i,
    .mode_o(mode)
  );

  always_comb begin
    // Paging is that of IA-32e mode.
    assume (!context_i.cr0[31] || (context_i.cr4[5] && context_i.efer[10]));

    assert (mode.ept == context_i.ept_enabled);
    assert (mode.paging == context_i.cr0[31]);
    assert (mode.cd == context_i.cr0[30]);
    assert (mode.pat == context_i.pat);
    assert (mode.maxphyaddr == context_i.maxphyaddr);
    assert (mode.ept_flags == (context_i.ept_enabled & context_i.eptp[6]));

    if (context_i.ept_enabled) begin
      assert (mode.ept_root == context_i.eptp[51:12]);
      assert (mode.ept_five_levels == (context_i.eptp[5:3] == 4));
      assert (mode.ept_shadow_stack == context_i.eptp[7]);
      assert (mode.mode_based_execute == context_i.mode_based_execute);
      assert (mode.execute_only == context_i.execute_only);
      assert (mode.ept_page_1g == context_i.page_1g);
      assert (mode.ept_page_2m == context_i.page_2m);
      assert (mode.advanced_exit_info == context_i.advanced_exit_info);
    end

    if (context_i.cr0[31]) begin
      assert (mode.five_levels == context_i.cr4[12]);
      assert (mode.root == context_i.cr3[51:12]);
      assert (mode.guest_page_1g == context_i.guest_page_1g);
      assert (mode.wp == context_i.cr0[16]);
      assert (mode.nxe == context_i.efer[11]);
      assert (mode.global_pages == context_i.cr4[7]);
      assert (mode.smep == context_i.cr4[20]);
      assert (mode.smap == context_i.cr4[21]);
      assert (mode.pke == context_i.cr4[22]);
      assert (mode.pks == context_i.cr4[24]);
      assert (mode.lass == (context_i.cr4[27] & context_i.efer[10]));
      assert (mode.ac == context_i.rflags_ac);
      assert (mode.pkru == context_i.pkru);
      assert (mode.pkrs == context_i.pkrs);
    end
  end

endmodule
