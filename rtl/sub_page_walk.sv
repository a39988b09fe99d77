// The walk of the sub-page permission tables (SDM 31.3.4), entry by entry. They are asked about a
// write that is refused for want of the EPT's write access alone; an entry's place in its table is
// that of an EPT entry of the same level.

module sub_page_walk (
  input  walker_pkg::mode_t       mode_i,
  input  logic [11:0]             offset_i,  // of the access in its page
  input  logic [7:0]              size_i,

  // An access that the EPT refuses, once its leaf has been reached.
  input  logic                    refused_i,
  input  logic                    own_access_i,  // the request's own, not one to a guest table
  input  walker_pkg::ept_rights_t needed_i,
  input  walker_pkg::ept_rights_t rights_i,
  input  logic [2:0]              leaf_level_i,
  input  logic [63:0]             leaf_i,
  output logic                    begins_o,

  // An entry of the tables has come from memory.
  input  logic                    judge_i,
  input  logic [2:0]              level_i,
  input  logic [63:0]             entry_i,
  output logic                    event_o,
  output logic                    miss_o,  // by a miss, else a misconfiguration
  output logic                    descends_o,
  output logic                    allowed_o,
  output logic                    denied_o
);

  walker_pkg::ept_rights_t write_alone;

  always_comb begin
    write_alone = '0;
    write_alone.write = 1'b1;
  end

  assign begins_o = refused_i & own_access_i & mode_i.sub_pages &
                    (leaf_level_i == 3'd1) & leaf_i[arch_pkg::EptEntrySubpageWritePermission] &
                    rights_i.read & ((needed_i & ~rights_i) == write_alone);

  logic misconfigured;

  sub_page_entry_check u_sub_page_entry_check (
    .asked_i(judge_i),
    .mode_i(mode_i),
    .entry_i(entry_i),
    .level_i(level_i),
    .offset_i(offset_i),
    .size_i(size_i),
    .miss_o(miss_o),
    .misconfigured_o(misconfigured),
    .descends_o(descends_o),
    .allows_o(allowed_o),
    .denies_o(denied_o)
  );

  assign event_o = miss_o | misconfigured;

endmodule
