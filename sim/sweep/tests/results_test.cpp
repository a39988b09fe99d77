#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/sweep/tests/small_sweep.hpp"

namespace eptsim::sim::sweep {
namespace {

using test::kTwelve;
using test::SmallSweep;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Results, CsvHasALineForEachRowWithItsAxesAndItsColumns) {
  const SmallSweep twelve(kTwelve);
  const std::string csv = twelve.results.csv();
  EXPECT_THAT(csv, StartsWith("point,scheme,trace,dram.cycles,cycles,cpi,walker.cycles_per_walk\n" +
                              twelve.grid.points[0].id + ",native:4K,small,100,1000,1.0,\n"));
  EXPECT_THAT(csv, HasSubstr(",nested:4K/4K,large,200,12000,12.0,\n"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 13);
}

TEST(Results, RowsThatArentDoneAreThereAndEmpty) {
  SmallSweep some(kTwelve, 2);
  some.results.add_failed(2);
  EXPECT_EQ(some.results.count_done(), 2u);
  EXPECT_THAT(some.results.csv(), HasSubstr(",native:4K,small,200,,,\n"));
  const Json rows = some.results.json().at("rows");
  EXPECT_EQ(rows.at(1).at("state"), "done");
  EXPECT_EQ(rows.at(2).at("state"), "failed");
  EXPECT_EQ(rows.at(3).at("state"), "open");
  EXPECT_EQ(rows.at(3).at("columns"), Json({nullptr, nullptr, nullptr}));
}

TEST(Results, JsonSaysWhatAxesAndColumnsAre) {
  const Json json = SmallSweep(kTwelve).results.json();
  EXPECT_EQ(json.at("title"), "Twelve <points>");
  EXPECT_EQ(json.at("axes").at(2),
            Json({{"name", "dram.cycles"}, {"kind", "setting"}, {"values", {100, 50, 200}}}));
  EXPECT_EQ(json.at("columns").at(1).at("unit"), "cycle");
  EXPECT_EQ(json.at("rows").at(11).at("axes"), Json({"nested:4K/4K", "large", 200}));
  EXPECT_EQ(json.at("rows").at(11).at("columns"), Json({12000, 12.0, nullptr}));
}

TEST(Results, WhatHasCommasOrQuotesIsQuotedInCsv) {
  EXPECT_EQ(csv_line({"a", "b,c", "d \"e\"", "", "f\ng"}), "a,\"b,c\",\"d \"\"e\"\"\",,\"f\ng\"");
}

}  // namespace
}  // namespace eptsim::sim::sweep
