#include "sim/json/json_writer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace eptsim::sim {
namespace {

/// Every width from one bit to 64, with digits of both kinds at both ends.
std::vector<std::uint64_t> numbers() {
  std::vector<std::uint64_t> all = {0,    9, 10, 15, 16, 0x0123456789abcdef, 0xfedcba9876543210,
                                    ~0ull};
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    all.insert(all.end(), {power, power - 1, power | 0xa});
  }
  return all;
}

TEST(JsonWriter, NumbersAreWrittenWithoutLeadingZeros) {
  JsonWriter out;
  for (const std::uint64_t number : numbers()) {
    out.clear();
    out.reserve(41);
    out.hex(number);
    out.text(" ");
    out.decimal(number);
    EXPECT_EQ(out.view(), fmt::format("{:x} {}", number, number));
  }
}

TEST(JsonWriter, WhatWasWrittenStaysAsItGrows) {
  JsonWriter out;
  std::string expected;
  for (const std::uint64_t number : numbers()) {
    out.reserve(22);
    out.text("0x");
    out.hex(number);
    expected += fmt::format("{:#x}", number);
    constexpr char kPadded[64] = ", ";
    out.reserve(4);
    JsonCursor end = out.end();
    end.short_text(kPadded, 2);
    end.short_text(kPadded, 2);
    end.drop(2);
    out.go_on_to(end);
    expected += ", ";
  }
  EXPECT_EQ(out.view(), expected);
  EXPECT_EQ(out.size(), expected.size());
}

}  // namespace
}  // namespace eptsim::sim
