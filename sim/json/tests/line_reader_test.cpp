#include "sim/json/line_reader.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

class LineReaderTest : public testing::Test {
 protected:
  LineReaderTest()
      : path_((std::filesystem::temp_directory_path() /
               ("eptsim-lines-" + std::to_string(::getpid())))
                  .string()) {}
  ~LineReaderTest() override { std::filesystem::remove(path_); }

  std::vector<std::string> lines_of(const std::string& text) const {
    std::ofstream(path_, std::ios::binary) << text;
    LineReader reader(path_);
    std::vector<std::string> lines;
    while (reader.next()) {
      lines.emplace_back(reader.line());
      EXPECT_EQ(reader.number(), lines.size());
    }
    return lines;
  }

  std::string path_;
};

using Lines = std::vector<std::string>;

TEST_F(LineReaderTest, TheLastLineMayLackItsNewline) {
  EXPECT_EQ(lines_of(""), Lines{});
  EXPECT_EQ(lines_of("a"), Lines{"a"});
  EXPECT_EQ(lines_of("a\n"), Lines{"a"});
  EXPECT_EQ(lines_of("a\n\nb\r\nc"), (Lines{"a", "", "b\r", "c"}));
}

TEST_F(LineReaderTest, LinesOfEveryLengthComeWholeAcrossTheBlocks) {
  std::string text;
  Lines expected;
  for (std::size_t length = 0; length < 3000; length += 7) {
    expected.emplace_back(length, static_cast<char>('a' + length % 26));
    text += expected.back() + '\n';
  }
  ASSERT_GT(text.size(), 2u << 17);  // several blocks
  EXPECT_EQ(lines_of(text), expected);
}

TEST_F(LineReaderTest, ALineMayBeAMebibyteLongAndNoMore) {
  const std::string longest(LineReader::kLongest, 'x');
  EXPECT_EQ(lines_of("a\n" + longest + "\nb"), (Lines{"a", longest, "b"}));
  EXPECT_EQ(lines_of(longest), Lines{longest});
  try {
    lines_of("a\n" + longest + "x\n");
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()),
              path_ + ":2:1048577: the line is longer than 1 MiB, expected one object a line");
  }
}

TEST_F(LineReaderTest, WhatCantBeOpenedOrReadIsRefused) {
  EXPECT_THROW(LineReader("/nonexistent"), InputError);
  LineReader folder(std::filesystem::temp_directory_path().string());
  EXPECT_THROW(folder.next(), InputError);
}

}  // namespace
}  // namespace eptsim::sim
