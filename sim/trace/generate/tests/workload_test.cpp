// How a workload is named, and what is said of a wrong name.
#include "sim/trace/generate/workload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "sim/input_error.hpp"
#include "sim/trace/convert.hpp"
#include "sim/trace/info.hpp"
#include "sim/trace/tests/trace_files.hpp"

namespace eptsim::sim {
namespace {

using generate::Choice;
using generate::Parameter;
using testing::HasSubstr;

TEST(Workload, WhatIsNotGivenHasItsDefault) {
  const Choice choice("chase,pages=100,lines=first,stride=8KiB,seed=0x10");
  EXPECT_EQ(choice.workload().name, "chase");
  EXPECT_EQ(choice["pages"], 100u);
  EXPECT_EQ(choice["lines"], 1u);
  EXPECT_EQ(choice["stride"], 8192u);
  EXPECT_EQ(choice["seed"], 16u);
  EXPECT_EQ(choice["chains"], 1u);
  EXPECT_EQ(choice["accesses"], 20'000'000u);
}

TEST(Workload, EveryDefaultIsInItsRangeAndCanBeWritten) {
  for (const auto& workload : generate::workloads()) {
    const Choice otherwise(workload.name);
    for (const auto& parameter : workload.parameters) {
      if (parameter.type != Parameter::Type::kWord) {
        EXPECT_LE(parameter.minimum, parameter.otherwise) << workload.name << parameter.name;
        EXPECT_GE(parameter.maximum, parameter.otherwise) << workload.name << parameter.name;
      }
      EXPECT_FALSE(parameter.help.empty());
    }
    EXPECT_TRUE(otherwise.workload().open(otherwise)) << workload.name;
    const auto canonical = otherwise.canonical();
    EXPECT_EQ(generate::chosen(canonical).canonical(), canonical);
  }
}

TEST(Workload, TheHashIsOfWhatIsMeantNotOfHowItIsWritten) {
  const auto hash = [](const std::string& text) { return hash_of_trace("generate:" + text); };
  EXPECT_EQ(hash("gups").size(), 32u);
  EXPECT_EQ(hash("gups"), hash("gups,footprint=1024MiB"));
  EXPECT_EQ(hash("gups,seed=2,init=off"), hash("gups,init=off,seed=0x2"));
  EXPECT_NE(hash("gups"), hash("gups,seed=2"));
  EXPECT_NE(hash("gups"), hash("btree"));
}

struct Wrong {
  std::string text;
  std::string problem;
  std::string hint;
};

TEST(Workload, WhatIsWrongIsSaidWithItsPlaceAndANearMiss) {
  const std::vector<Wrong> wrongs = {
      {"gup", "generate:gup: unknown workload, expected gups, chase, ", "did you mean 'gups'?"},
      {"", "generate:: unknown workload", ""},
      {"gups,footprnt=1GiB", "generate:gups: unknown parameter \"footprnt\", expected footprint, ",
       "did you mean 'footprint'?"},
      {"gups,footprint", "generate:gups: \"footprint\", expected PARAMETER=VALUE", ""},
      {"gups,", "generate:gups: \"\", expected PARAMETER=VALUE", ""},
      {"gups,,seed=1", "generate:gups: \"\", expected PARAMETER=VALUE", ""},
      {"gups,=1", "generate:gups: \"=1\", expected PARAMETER=VALUE", ""},
      {"gups,footprint=", "footprint can't be empty, expected a size from 64KiB to 16TiB", ""},
      {"gups,footprint=1KiB", "footprint can't be 1KiB, expected a size from 64KiB to 16TiB", ""},
      {"gups,footprint=17TiB", "footprint can't be 17TiB, expected a size", ""},
      {"gups,seed=-1", "seed can't be -1, expected a whole number from 0 to", ""},
      {"gups,seed=1,seed=1", "generate:gups: seed is given twice", ""},
      {"gups,accesses=0", "accesses can't be 0, expected a whole number from 1 to", ""},
      {"gups,init=of", "init can't be of, expected off, touch or full", "did you mean 'off'?"},
      {"stream,seed=1", "unknown parameter \"seed\"", ""},
      {"chase,pages=3,chains=4", "generate:chase: chains=4 is more than there are pages", ""},
      {"chase,stride=100", "generate:chase: stride=100 isn't a multiple of a line, 64", ""},
      {"chase,pages=0x100000000,stride=8KiB", "stride=8KiB leads beyond 16TiB", ""},
      {"btree,node=200", "generate:btree: node=200 isn't a multiple of 16", ""},
      {"mix,stride=12", "generate:mix: stride=12 isn't a multiple of a word, 8", ""},
      {"mix,array=4KiB,stride=8KiB", "generate:mix: stride=8KiB is more than the array", ""},
      {"spmv,footprint=64KiB,per_row=512", "per_row=512 is more than so small a matrix", ""},
  };
  for (const auto& wrong : wrongs) {
    try {
      open_trace("generate:" + wrong.text);
      ADD_FAILURE() << wrong.text;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(wrong.problem));
      if (!wrong.hint.empty()) {
        EXPECT_EQ(error.hint(), wrong.hint);
      }
    }
  }
}

TEST(Workload, AFormatCannotBeGiven) {
  EXPECT_THAT(read_trace("generate:gups", "din").message(), HasSubstr("has no format"));
}

TEST(Workload, CanBeConvertedAndDescribedAsAnyTrace) {
  const TestFolder folder;
  const std::string trace = "generate:btree,footprint=1MiB,accesses=5000,seed=4";
  convert_trace(trace, folder.path("t"));
  const auto stored = read_trace(folder.path("t"));
  EXPECT_FALSE(stored.error) << stored.message();
  EXPECT_TRUE(same(stored.records, read_trace(trace).records));

  const auto info = describe_trace(trace);
  EXPECT_EQ(info.format, "generated");
  EXPECT_EQ(info.path, trace);
  EXPECT_EQ(info.hash, hash_of_trace(trace));
  EXPECT_EQ(info.counts.accesses(), 5000u + 256u);
  EXPECT_EQ(info.data_pages, 256u);

  const auto header = describe_trace(folder.path("t")).header.value();
  EXPECT_TRUE(header.dependences);
  EXPECT_FALSE(header.fetches);
  EXPECT_THAT(header.notes, testing::Contains(testing::Pair(
                                "workload",
                                "generate:btree,footprint=1MiB,node=256,accesses=5000,"
                                "init=touch,seed=4")));
  EXPECT_THAT(header.notes, testing::Contains(testing::Pair("source-hash", info.hash)));
}

TEST(Workload, TheListIsTheOneInTheDocumentation) {
  std::ifstream file(EPTSIM_DOCS "/workloads.md");
  const std::string page(std::istreambuf_iterator<char>(file), {});
  EXPECT_THAT(page, HasSubstr("\n" + generate::list_of_workloads()))
      << "the output of `eptsim trace generators` belongs there";
}

}  // namespace
}  // namespace eptsim::sim
