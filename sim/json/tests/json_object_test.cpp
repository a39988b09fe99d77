#include "sim/json/json_object.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

/// Every scalar as "path=token", or the message.
std::string read(std::string_view text, std::size_t first_line = 1) {
  JsonObjectReader reader("file");
  std::string all;
  try {
    reader.read(text, first_line, [&](std::string_view key, const JsonScalar& scalar) {
      all += fmt::format("{}={} ", key, scalar.token);
    });
  } catch (const InputError& error) {
    return error.what();
  }
  return all;
}

TEST(JsonObject, ScalarsComeWithTheirPath) {
  EXPECT_EQ(read(R"({"a": 1, "b": {"c": "x", "d": [true, null]}})"),
            R"(a=1 b.c="x" b.d.0=true b.d.1=null )");
  EXPECT_EQ(read("{}"), "");
  EXPECT_EQ(read("  {\"a\" : -1.5e3 }\n"), "a=-1.5e3 ");
}

TEST(JsonObject, BadTextIsRefusedWithLineAndColumn) {
  EXPECT_EQ(read("{\"a\": 1,\n \"a\": 2}"), "file:2:2: 'a' stands twice");
  EXPECT_EQ(read("{\"b\": {\"a\": 1}, \"a\": 2, \"b\": 3}", 7), "file:7:25: 'b' stands twice");
  EXPECT_EQ(read("[1]"), "file:1:1: expected a JSON object");
  EXPECT_EQ(read("5"), "file:1:1: expected a JSON object");
}

TEST(JsonObject, NothingThatIsNoJsonIsAccepted) {
  const std::vector<std::string> bad = {"",
                                        " ",
                                        "{",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{\"a\": 1",
                                        "{\"a\" 1}",
                                        "{a: 1}",
                                        "{\"a\": tru}",
                                        "{\"a\": 1}}",
                                        "{\"a\": 1} 5",
                                        "{\"a\": \"x}",
                                        "{\"a\": 01}",
                                        "{\"a\": 0x10}",
                                        "{\"a\": nul}",
                                        "{\"a\": [1,}",
                                        "{\"a\": \"\\q\"}",
                                        "{,}",
                                        "{\"a\": 1,}",
                                        "{\"a\": \"\xff\"}",
                                        "\xef\xbb\xbf",
                                        "{\"a\": [1 2]}"};
  for (const std::string& text : bad) {
    EXPECT_EQ(read(text).substr(0, 5), "file:") << text;
  }
}

TEST(JsonObject, EveryBeginningOfAnObjectIsRefused) {
  const std::string whole = R"({"eptp": "0x101e", "cpu": {"maxphyaddr": 46, "x": [1, true]}})";
  ASSERT_NE(read(whole).substr(0, 5), "file:");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(read(whole.substr(0, length)).substr(0, 5), "file:") << whole.substr(0, length);
  }
}

TEST(JsonObject, NumbersAreDecimalOrHexadecimalWithinTheirRange) {
  JsonObjectReader reader("file");
  std::vector<std::uint64_t> numbers;
  reader.read(R"({"a": "0xffffffffffffffff", "b": 12, "c": "34"})", 1,
              [&](std::string_view key, const JsonScalar& scalar) {
                numbers.push_back(number_of(reader, key, scalar));
              });
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{~0ull, 12, 34}));
  for (const char* bad : {"-1", "1.5", "\"0x\"", "\"\"", "\"x\"", "true", "null", "17",
                          "\"0x10000000000000000\"", "18446744073709551616"}) {
    EXPECT_THROW(reader.read(fmt::format("{{\"a\": {}}}", bad), 1,
                             [&](std::string_view key, const JsonScalar& scalar) {
                               number_of(reader, key, scalar, 16);
                             }),
                 InputError)
        << bad;
  }
}

}  // namespace
}  // namespace eptsim::sim
