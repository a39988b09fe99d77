#include "sim/json/json_object.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
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
            R"(a=1 b.c="x" b.d[0]=true b.d[1]=null )");
  EXPECT_EQ(read("{}"), "");
  EXPECT_EQ(read("  {\"a\" : -1.5e3 }\n"), "a=-1.5e3 ");
  EXPECT_EQ(read("{\"a\": [], \"b\": {}, \"c\": [[ ]]}"), "a=[] b={} c[0]=[] ");
}

TEST(JsonObject, BadTextIsRefusedWithLineAndColumn) {
  EXPECT_EQ(read("{\"a\": 1,\n \"a\": 2}"), "file:2:2: 'a' stands twice");
  EXPECT_EQ(read("{\"b\": {\"a\": 1}, \"a\": 2, \"b\": 3}", 7), "file:7:25: 'b' stands twice");
  EXPECT_EQ(read("[1]"), "file:1:1: expected a JSON object");
  EXPECT_EQ(read("5"), "file:1:1: expected a JSON object");
  EXPECT_EQ(read("{\"a\": 1} x"), "file:1:10: expected nothing more after the object");
  EXPECT_EQ(read("{\"a\": \"}\\\"\", \"b\": [1]} ] "),
            "file:1:24: expected nothing more after the object");
  EXPECT_EQ(read("{\"a\": 1, \"b\": [1]"), "file:1:18: no valid JSON (the object has no end)");
  EXPECT_EQ(read("{\"a\": 1}{\"b\": 2}"), "file:1:9: expected nothing more after the object");
  EXPECT_EQ(read("{\"a\": 01}"), "file:1:7: no valid JSON ('01' is no number)");
  EXPECT_EQ(read("{\"a\": 1, \"b\": \"ä\xff\"}"),
            "file:1:18: no valid JSON (The input is not valid UTF-8)");
}

TEST(JsonObject, NothingPassesForThePathOfSomethingElse) {
  EXPECT_EQ(read(R"({"cpu.maxphyaddr": 40})"), "file:1:2: unknown key 'cpu.maxphyaddr'");
  EXPECT_EQ(read(R"({"pdptes[0]": 0})"), "file:1:2: unknown key 'pdptes[0]'");
}

TEST(JsonObject, NestingWithoutEndIsRefused) {
  for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{"{\"a\":", "}"}}) {
    std::string text = "{\"a\":";
    std::string end;
    for (int i = 0; i < 200'000; ++i) {
      text += open;
      end += close;
    }
    EXPECT_THAT(read(text + "1" + end + "}"), testing::HasSubstr("stand in each other too deeply"));
  }
}

TEST(JsonObject, MessagesShowLongTextCutBetweenCharactersAndWithoutControls) {
  EXPECT_EQ(shown("a\tb\x7f"), "a?b?");
  EXPECT_EQ(shown(std::string(60, 'x')), std::string(60, 'x'));
  EXPECT_EQ(shown(std::string(61, 'x')), std::string(60, 'x') + "…");
  EXPECT_EQ(shown(std::string(59, 'x') + "ä!"), std::string(59, 'x') + "…");
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
