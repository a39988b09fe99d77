#include <sys/stat.h>

#include <thread>

#include "sim/trace/byte_stream.hpp"
#include "sim/trace/tests/compressed.hpp"
#include "sim/trace/tests/trace_files.hpp"

namespace eptsim::sim {
namespace {

using Compressor = std::string (*)(std::string_view);

struct Kind {
  const char* name;
  Compressor compress;
};

class Compression : public testing::TestWithParam<Kind> {
 protected:
  static std::string some_text(std::size_t bytes) {
    std::string text;
    for (std::uint32_t state = 1; text.size() < bytes; state = state * 1664525 + 1013904223)
      text += static_cast<char>('a' + (state >> 24) % 20);
    return text;
  }
  /// All that comes out, and the error it ended with.
  static std::string read(const std::string& path, std::string* error = nullptr) {
    std::string text;
    try {
      ByteStream stream(path);
      for (auto some = stream.peek_some(); !some.empty(); some = stream.peek_some()) {
        text.append(reinterpret_cast<const char*>(some.data()), some.size());
        stream.consume(some.size());
      }
    } catch (const InputError& caught) {
      if (error == nullptr) throw;
      *error = caught.what();
    }
    return text;
  }
  TestFolder folder_;
};

TEST_P(Compression, IsToldByItsFirstBytesWhateverTheFilesName) {
  const auto text = some_text(700'000);
  const auto path = folder_.write("trace.txt", GetParam().compress(text));
  EXPECT_EQ(ByteStream(path).compression(), GetParam().name);
  EXPECT_TRUE(read(path) == text);
}

TEST_P(Compression, SeveralMembersAreOneText) {
  const auto text = some_text(1000);
  const auto compress = GetParam().compress;
  const auto path = folder_.write("t", compress(text) + compress("") + compress(text));
  EXPECT_EQ(read(path), text + text);
}

TEST_P(Compression, CompressionInsideCompressionIsUndoneToo) {
  const auto path = folder_.write("t", GetParam().compress(gzip("hello")));
  EXPECT_EQ(read(path), "hello");
  EXPECT_EQ(ByteStream(path).compression(), std::string(GetParam().name) + ", gzip");
}

TEST_P(Compression, AFileCutAnywhereIsAnErrorThatNamesTheByte) {
  const auto whole = GetParam().compress(some_text(300));
  for (std::size_t size = 6; size < whole.size(); ++size) {
    std::string error;
    const auto path = folder_.write("t", whole.substr(0, size));
    read(path, &error);
    EXPECT_NE(error.find(": byte " + std::to_string(size)), error.npos) << size << ": " << error;
    EXPECT_NE(error.find("truncated"), error.npos) << size << ": " << error;
  }
}

TEST_P(Compression, AFlippedBitNeverGoesUnnoticedInWhatComesOut) {
  const auto text = some_text(300);
  const auto whole = GetParam().compress(text);
  for (std::size_t at = 6; at < whole.size(); ++at) {
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    std::string error;
    const auto got = read(folder_.write("t", damaged), &error);
    // A bit of no consequence (a time stamp in a header) may change without harm.
    EXPECT_TRUE(!error.empty() || got == text) << "byte " << at;
  }
}

TEST_P(Compression, BytesBehindItThatAreSomethingElseAreAnError) {
  std::string error;
  read(folder_.write("t", GetParam().compress("hello") + "some more bytes"), &error);
  EXPECT_NE(error.find("something else"), error.npos) << error;
}

INSTANTIATE_TEST_SUITE_P(Each, Compression,
                         testing::Values(Kind{"gzip",
                                              [](std::string_view text) { return gzip(text); }},
                                         Kind{"xz", xz}, Kind{"zstd", zstd}),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(ByteStream, AZstdFileMayBeginWithASkippableFrame) {
  const TestFolder folder;
  const auto skippable = std::string("\x50\x2a\x4d\x18", 4) + bytes_of(std::uint32_t{3}) + "abc";
  ByteStream stream(folder.write("t", skippable + zstd("hello")));
  EXPECT_EQ(stream.compression(), "zstd");
  EXPECT_EQ(stream.peek(10).size(), 5u);
}

TEST(ByteStream, PlacesCountDecompressedBytes) {
  const TestFolder folder;
  ByteStream stream(folder.write("t", gzip(std::string(600'000, 'x'))));
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(stream.peek(100'001).size(), 100'001u);
    stream.consume(100'001);
  }
  EXPECT_EQ(stream.offset(), 500'005u);
  EXPECT_EQ(stream.peek(200'000).size(), 99'995u);
  EXPECT_NE(stream.place(7).find("byte 7 of the decompressed data"), std::string::npos);
}

TEST(ByteStream, MissingFilesAndDirectoriesAreErrors) {
  const TestFolder folder;
  EXPECT_THROW(ByteStream(folder.path("missing")), InputError);
  EXPECT_THROW(ByteStream(folder.path("")), InputError);
}

TEST(ByteStream, APipeIsReadToItsEndThoughItGivesLittleAtATime) {
  const TestFolder folder;
  const auto path = folder.path("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] {
    std::ofstream out(path, std::ios::binary);
    for (const char c : gzip("hello")) out << c << std::flush;
  });
  {
    ByteStream stream(path);
    EXPECT_EQ(stream.peek(100).size(), 5u);
    EXPECT_FALSE(stream.fraction_read().has_value());
  }
  writer.join();
}

TEST(IsCanonical, TheBitsAboveTheHighestAreItsCopies) {
  EXPECT_TRUE(is_canonical(0x7fff'ffff'ffff, 48));
  EXPECT_FALSE(is_canonical(0x8000'0000'0000, 48));
  EXPECT_TRUE(is_canonical(0xffff'8000'0000'0000, 48));
  EXPECT_FALSE(is_canonical(0xffff'7fff'ffff'ffff, 48));
  EXPECT_TRUE(is_canonical(0x00ff'ffff'ffff'ffff, 57));
  EXPECT_FALSE(is_canonical(0x0100'0000'0000'0000, 57));
  EXPECT_TRUE(is_canonical(0xff00'0000'0000'0000, 57));
  EXPECT_TRUE(is_canonical(~std::uint64_t{0}, 57));
}

}  // namespace
}  // namespace eptsim::sim
