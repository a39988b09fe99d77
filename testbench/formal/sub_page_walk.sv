// Proof: sub-page permissions are asked about a refused access if it is the request's own, a write
// to a page of 4 KiB whose leaf says so, readable at every level, and refused for want of write
// access alone. What their entries say, one after the other, is said of it.
// Bug: rtl/sub_page_walk.sv:
//   `rights_i.read & ((needed_i`
//   -> `((needed_i`
// Bug: rtl/sub_page_walk.sv:
//   `((needed_i & ~rights_i) == write_alone)`
//   -> `needed_i.write`
// Bug: rtl/sub_page_walk.sv:
//   `.asked_i(judge_i)`
//   -> `.asked_i(1'b1)`

module sub_page_walk_proof (
  input walker_pkg::mode_t       mode_i,
  input logic [11:0]             offset_i,
  input logic [7:0]              size_i,
  input logic                    refused_i,
  input logic                    own_access_i,
  input walker_pkg::ept_rights_t needed_i,
  input walker_pkg::ept_rights_t rights_i,
  input logic [2:0]              leaf_level_i,
  input logic [63:0]             leaf_i,
  input logic                    judge_i,
  input logic [2:0]              level_i,
  input logic [63:0]             entry_i
);

  logic begins;
  logic is_event;
  logic miss;
  logic descends;
  logic allowed;
  logic denied;

  sub_page_walk u_walk (
    .mode_i,
    .offset_i,
    .size_i,
    .refused_i,
    .own_access_i,
    .needed_i,
    .rights_i,
    .leaf_level_i,
    .leaf_i,
    .begins_o       (begins),
    .judge_i,
    .level_i,
    .entry_i,
    .event_o        (is_event),
    .miss_o         (miss),
    .descends_o     (descends),
    .allowed_o      (allowed),
    .denied_o       (denied)
  );

  // Of the entry by itself.
  logic entry_misses;
  logic entry_malformed;
  logic entry_descends;
  logic entry_allows;
  logic entry_denies;

  sub_page_entry_check u_entry (
    .asked_i        (1'b1),
    .mode_i,
    .entry_i,
    .level_i,
    .offset_i,
    .size_i,
    .miss_o         (entry_misses),
    .misconfigured_o(entry_malformed),
    .descends_o     (entry_descends),
    .allows_o       (entry_allows),
    .denies_o       (entry_denies)
  );

  // What is needed beside write access is there, and so is read access.
  logic others_there;

  always_comb begin
    others_there = rights_i.read
      && (rights_i.execute || !needed_i.execute)
      && (rights_i.user_execute || !needed_i.user_execute)
      && (rights_i.paging_write || !needed_i.paging_write)
      && (rights_i.supervisor_shadow_stack || !needed_i.supervisor_shadow_stack);
  end

  always_comb begin
    assume (!judge_i || (level_i >= 1 && level_i <= 4));
    assume (!(judge_i && refused_i));

    assert (begins == (refused_i && own_access_i && mode_i.sub_pages && needed_i.write
                       && !rights_i.write && leaf_level_i == 1 && leaf_i[61] && others_there));
    if (judge_i) begin
      assert (is_event == (entry_misses || entry_malformed));
      if (is_event) assert (miss == entry_misses);
      assert (allowed == entry_allows);
      assert (denied == entry_denies);
      assert (descends == entry_descends);
    end else begin
      assert ({is_event, descends, allowed, denied} == 0);
    end
  end

endmodule
