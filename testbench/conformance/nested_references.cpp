#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// How many entries a translation reads when nothing is cached: (g + 1)(e + 1) - 1.
namespace eptsim::tb::conformance {
namespace {

struct Row {
  Guest guest;
  unsigned guest_leaf;
  unsigned four_4k, four_2m, four_1g, five_4k;  ///< by EPT levels and page
  unsigned no_ept;
};

constexpr Row kRows[] = {
    {Guest::k4Level, 1, 24, 19, 14, 29, 4},  //
    {Guest::k4Level, 2, 19, 15, 11, 23, 3},  //
    {Guest::k4Level, 3, 14, 11, 8, 17, 2},   //
    {Guest::kPae, 1, 14, 11, 8, 17, 2},      //
    {Guest::k32Bit, 1, 14, 11, 8, 17, 2},    //
    {Guest::k5Level, 1, 29, 23, 17, 35, 5},  //
    {Guest::kNone, 1, 4, 3, 2, 5, 0},        //
};

}  // namespace

void nested_references(const Sink& sink) {
  struct Column {
    unsigned ept_levels, ept_leaf;
    unsigned Row::* references;
  };
  constexpr Column kColumns[] = {
      {4, 1, &Row::four_4k}, {4, 2, &Row::four_2m}, {4, 3, &Row::four_1g},
      {5, 1, &Row::five_4k}, {0, 1, &Row::no_ept},
  };
  for (const Row& row : kRows) {
    for (const Column& column : kColumns) {
      for (const bool flags : {false, true}) {
        if (flags && column.ept_levels == 0) continue;
        for (const Op op : kOps) {
          const MachineState state({.guest = row.guest,
                                    .guest_leaf = row.guest_leaf,
                                    .ept_levels = column.ept_levels,
                                    .ept_leaf = column.ept_leaf,
                                    .table_leaf = column.ept_leaf,
                                    .ept_accessed_dirty = flags});
          Expected expected = translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op));
          expected.references = row.*column.references;
          sink(state.vector(std::string(name(row.guest)) + " guest leaf L" +
                                std::to_string(row.guest_leaf) + ", " +
                                std::to_string(column.ept_levels) + " EPT levels, leaf L" +
                                std::to_string(column.ept_leaf) + (flags ? ", EPT A/D, " : ", ") +
                                std::string(name(op)),
                            request_of(op, state.linear()), std::move(expected)));
        }
      }
    }
  }
}

}  // namespace eptsim::tb::conformance
