// What is refused before any table is read: a linear address that is not canonical (SDM 3.3.7.1),
// or that linear-address-space separation keeps from the access (SDM 4.6).

module linear_address_check (
  input  logic                asked_i,  // else nothing is refused
  input  walker_pkg::mode_t   mode_i,
  input  logic [63:47]        address_i,
  input  walker_pkg::access_t access_i,
  input  logic                user_i,      // a user-mode access
  input  logic                implicit_i,  // an implicit supervisor access
  output logic                refused_o,
  output walker_pkg::reason_e reason_o
);

  logic canonical, lass;

  // Copies of the highest bit that is translated: bit 47, or 56 with five levels. Outside long mode
  // linear addresses have 32 bits.
  always_comb begin
    canonical = 1'b1;
    if (asked_i) begin
      canonical = mode_i.five_levels ? address_i[63:56] == {8{address_i[56]}}
                                     : address_i[63:47] == {17{address_i[47]}};
    end
  end

  always_comb begin
    if (!asked_i) begin
      lass = 1'b0;
    end else if (user_i) begin
      lass = address_i[63];
    end else if (access_i.fetch) begin
      lass = ~address_i[63];
    end else begin
      lass = ~address_i[63] & mode_i.smap & (~mode_i.ac | implicit_i);
    end
  end

  always_comb begin
    refused_o = 1'b0;
    reason_o = walker_pkg::ReasonNone;
    if (mode_i.long_mode && !canonical) begin
      refused_o = 1'b1;
      reason_o = walker_pkg::ReasonNotCanonical;
    end else if (mode_i.lass && lass) begin
      refused_o = 1'b1;
      reason_o = walker_pkg::ReasonLass;
    end
  end

endmodule
