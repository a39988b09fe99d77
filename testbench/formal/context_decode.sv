// Proof: what a walk takes from which register, in each of the five modes of guest paging.
// Bug: rtl/context_decode.sv:
//   `context_i.ept_enabled & context_i.eptp[arch_pkg::EptpAccessedDirty]`
//   -> `context_i.eptp[arch_pkg::EptpAccessedDirty]`
// Bug: rtl/context_decode.sv:
//   `mode_o.root[39:20] = '0;`
//   -> `mode_o.root[39:21] = '0;`
// Bug: rtl/context_decode.sv:
//   `{address_i, 6'd0}`
//   -> `{address_i[30], address_i[31], 6'd0}`
// Bug: rtl/context_decode.sv:
//   `(upper_half_i | (context_i.hlat_prefix_size == '0))`
//   -> `(upper_half_i & (context_i.hlat_prefix_size == '0))`
// Bug: rtl/context_decode.sv:
//   `mode_o.verification = context_i.paging_write &`
//   -> `mode_o.verification = 1'b1 &`

module context_decode_proof (
  input walker_pkg::context_t context_i,
  input logic [31:30]         address_i,
  input logic                 upper_half_i
);

  walker_pkg::mode_t  mode;
  walker_pkg::annex_t annex;

  context_decode u_decode (
    .context_i,
    .address_i,
    .upper_half_i,
    .mode_o (mode),
    .annex_o(annex)
  );

  // The table of paging modes: CR0.PG, CR4.PAE, EFER.LMA, CR4.LA57.
  localparam logic [2:0] None = 3'd0;
  localparam logic [2:0] Narrow = 3'd1;
  localparam logic [2:0] Pae = 3'd2;
  localparam logic [2:0] FourLevels = 3'd3;
  localparam logic [2:0] FiveLevels = 3'd4;
  logic [2:0]  paging;
  logic [63:0] pdpte;

  always_comb begin
    case ({context_i.cr0[31], context_i.cr4[5], context_i.efer[10], context_i.cr4[12]})
      4'b1000, 4'b1001: paging = Narrow;
      4'b1100, 4'b1101: paging = Pae;
      4'b1110: paging = FourLevels;
      4'b1111: paging = FiveLevels;
      default: paging = None;
    endcase
    case (address_i)
      2'd0: pdpte = context_i.pdptes[63:0];
      2'd1: pdpte = context_i.pdptes[127:64];
      2'd2: pdpte = context_i.pdptes[191:128];
      default: pdpte = context_i.pdptes[255:192];
    endcase
  end

  // Which of those modes a mode says it is.
  logic [2:0] decoded;
  always_comb begin
    case ({mode.paging, mode.narrow, mode.pae, mode.long_mode, mode.five_levels})
      5'b00000: decoded = None;
      5'b11000: decoded = Narrow;
      5'b10100: decoded = Pae;
      5'b10010: decoded = FourLevels;
      5'b10011: decoded = FiveLevels;
      default: decoded = 3'd7;
    endcase
  end

  always_comb begin
    // EFER.LMA is set in paging with entries of eight bytes alone.
    assume (!context_i.efer[10] || (context_i.cr0[31] && context_i.cr4[5]));
    // What VM entry checks.
    assume (context_i.eptp[5:3] == 3 || context_i.eptp[5:3] == 4);

    assert (mode.cd == context_i.cr0[30]);
    assert (mode.pat == context_i.pat);
    assert (mode.maxphyaddr == context_i.maxphyaddr);

    assert (mode.ept == context_i.ept_enabled);
    if (context_i.ept_enabled) begin
      assert (mode.ept_root == context_i.eptp[51:12]);
      assert (mode.ept_five_levels == context_i.eptp[5]);
      assert (mode.ept_flags == context_i.eptp[6]);
      assert (mode.ept_shadow_stack == context_i.eptp[7]);
      assert (mode.mode_based_execute == context_i.mode_based_execute);
      assert (mode.execute_only == context_i.execute_only);
      assert (mode.ept_page_1g == context_i.page_1g);
      assert (mode.ept_page_2m == context_i.page_2m);
      assert (mode.advanced_exit_info == context_i.advanced_exit_info);
      assert (mode.paging_write == context_i.paging_write);
      case ({context_i.paging_write, context_i.guest_paging_verification})
        2'b11: assert (mode.verification);
        default: assert (!mode.verification);
      endcase
      // The log needs flags, an exception a processor in protected mode.
      case ({context_i.pml, context_i.eptp[6]})
        2'b11: assert (mode.pml);
        default: assert (!mode.pml);
      endcase
      case ({context_i.violation_ve, context_i.cr0[0]})
        2'b11: assert (mode.violation_ve);
        default: assert (!mode.violation_ve);
      endcase
    end else begin
      assert (!mode.ept_flags && !mode.ept_shadow_stack && !mode.pml);
    end
    assert (annex.hlat_root == context_i.hlat_pointer[51:12]);
    // Any prefix but an empty one stands for the upper half.
    case ({paging == FourLevels || paging == FiveLevels, context_i.hlat})
      2'b11: assert (mode.hlat == (context_i.hlat_prefix_size > 0 ? upper_half_i : 1'b1));
      default: assert (!mode.hlat);
    endcase
    assert (mode.sub_pages == context_i.sub_page_permission);
    assert (annex.sub_page_root == context_i.sppt_pointer[51:12]);
    assert (annex.pml_frame == context_i.pml_address[51:12]);
    assert (annex.ve_frame == context_i.ve_info_address[51:12]);
    assert (annex.eptp_index == context_i.eptp_index);

    assert (decoded == paging);
    if (paging == Narrow) begin
      assert (mode.root == {20'd0, context_i.cr3[31:12]});
    end else if (paging == Pae) begin
      assert (annex.pdpte == pdpte);
      assert (mode.root == pdpte[51:12]);
    end else if (paging != None) begin
      assert (mode.root == context_i.cr3[51:12]);
    end
    if (paging != None) begin
      assert (mode.wp == context_i.cr0[16]);
      assert (mode.global_pages == context_i.cr4[7]);
      assert (mode.smep == context_i.cr4[20]);
      assert (mode.smap == context_i.cr4[21]);
      assert (mode.ac == context_i.rflags_ac);
      // Entries of four bytes have no execute-disable bit; only they have pages of 4 MiB.
      if (paging == Narrow) begin
        assert (!mode.nxe);
        assert (mode.pse == context_i.cr4[4]);
      end else begin
        assert (mode.nxe == context_i.efer[11]);
      end
    end
    if (paging == FourLevels || paging == FiveLevels) begin
      assert (mode.guest_page_1g == context_i.guest_page_1g);
      assert (mode.pke == context_i.cr4[22]);
      assert (mode.pks == context_i.cr4[24]);
      assert (mode.pkru == context_i.pkru);
      assert (mode.pkrs == context_i.pkrs);
      assert (mode.lass == context_i.cr4[27]);
    end else begin
      assert (!mode.pke && !mode.pks && !mode.lass);
    end
  end

endmodule
