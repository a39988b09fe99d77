// Which format a content is taken for, and what is said of contents that are no trace.
#include <unistd.h>

#include "sim/trace/convert.hpp"
#include "sim/trace/info.hpp"
#include "sim/trace/own_writer.hpp"
#include "sim/trace/tests/compressed.hpp"
#include "sim/trace/tests/trace_files.hpp"

namespace eptsim::sim {
namespace {

std::string champsim_record() { return bytes_of(std::uint64_t{0x401000}) + std::string(56, '\0'); }

std::string own_trace(const TestFolder& folder) {
  OwnTraceWriter writer(folder.path("own"), {});
  writer.add(make_record(RecordKind::kRead, 0x1000, 8, 0x401000, 1));
  writer.finish();
  return content_of(folder.path("own"));
}

TEST(OpenTrace, TellsEachFormatPlainAndInEachCompression) {
  const TestFolder folder;
  const std::vector<std::pair<std::string, std::string>> traces = {
      {"eptsim", own_trace(folder)}, {"champsim", champsim_record()},
      {"lackey", "I  04001000,3\n"}, {"lackey", "==1== a comment\n L 1000,8\n"},
      {"din", "0 1000\n"},           {"din", "2 0x1000 4\n"}};
  for (const auto& [format, content] : traces) {
    for (const auto& bytes : {content, gzip(content), xz(content), zstd(content)}) {
      const auto path = folder.write("misleading.zip", bytes);
      EXPECT_EQ(open_trace(path)->format(), format);
      const auto result = read_trace(path);
      EXPECT_FALSE(result.error) << result.message();
      EXPECT_EQ(result.records.size(), 1u);
    }
  }
}

TEST(OpenTrace, SaysWhatIsWrongWithAFileThatIsNoTrace) {
  const TestFolder folder;
  std::string tar(512, '\0');
  tar.replace(0, 5, "trace");
  tar.replace(257, 5, "ustar");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "is empty"},
      {gzip(""), "is empty"},
      {tar, "is a tar archive, expected a trace"},
      {xz(tar), "is a tar archive compressed with xz, expected a trace"},
      {"BZh91AY", "is a bzip2 file"},
      {std::string("\x7f"
                   "ELF\2\1\1"),
       "is an ELF file"},
      {"This is a letter.\n", "the text \"This is a letter.\" isn't a trace"},
      {"EPTT", "ends inside the trace's header"},
      {"EPTTRACE\1", "ends inside the trace's header"},
      {std::string(300, '\x07'), "isn't a trace of a known format"},
      {std::string(640, '\0'), "isn't a trace of a known format"}};
  for (const auto& [content, problem] : cases) {
    const auto message = read_trace(folder.write("t", content)).message();
    EXPECT_NE(message.find(problem), std::string::npos) << problem << "\n" << message;
    EXPECT_TRUE(message.starts_with(folder.path("t"))) << message;
  }
  EXPECT_NE(read_trace(folder.path("missing")).message().find("cannot be opened"),
            std::string::npos);
  EXPECT_NE(read_trace(folder.path("")).message().find("is a directory"), std::string::npos);
}

TEST(OpenTrace, AnUnknownFormatNamesTheNearestOne) {
  const TestFolder folder;
  const auto result = read_trace(folder.write("t", "0 1000\n"), "lacky");
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->place(), "--format");
  EXPECT_NE(result.error->hint().find("lackey"), std::string::npos) << result.error->hint();
}

TEST(OpenTrace, TheNamedFormatOverridesTheGuess) {
  const TestFolder folder;
  EXPECT_TRUE(read_trace(folder.write("t", "0 1000\n"), "lackey").error);
  for (const auto format : trace_formats()) {
    const auto result = read_trace(folder.write("u", "neither this nor that"), format);
    EXPECT_TRUE(result.error) << format;
    EXPECT_TRUE(result.records.empty());
  }
}

TEST(OpenTrace, ReadsStandardInput) {
  const TestFolder folder;
  const auto path = folder.write("t", gzip("I  04001000,3\n L 1000,8\n"));
  const int saved = ::dup(STDIN_FILENO);
  ASSERT_NE(std::freopen(path.c_str(), "rb", stdin), nullptr);
  const auto result = read_trace("-");
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
  EXPECT_FALSE(result.error) << result.message();
  EXPECT_EQ(result.records.size(), 2u);
}

TEST(HashOfFile, IsThatOfTheStoredBytes) {
  const TestFolder folder;
  // XXH3-128 of no bytes, from its specification.
  EXPECT_EQ(hash_of_trace(folder.write("empty", "")), "99aa06d3014798d86001c324468d497f");
  EXPECT_NE(hash_of_trace(folder.write("a", "a")), hash_of_trace(folder.write("b", "b")));
  EXPECT_EQ(hash_of_trace("-"), "");
  EXPECT_THROW(hash_of_trace(folder.path("missing")), InputError);
}

TEST(Convert, AnyFormatBecomesTheOwnOneWithItsSource) {
  const TestFolder folder;
  const auto in = folder.write("in", "I  401000,3\n L 7f00,8\nI  401003,2\n S 7f08,8\n");
  const auto out = folder.path("out.ept");
  EXPECT_EQ(convert_trace(in, out).instructions, 2u);
  EXPECT_EQ(open_trace(out)->format(), "eptsim");
  EXPECT_TRUE(same(read_trace(out).records, read_trace(in).records));
  const auto info = describe_trace(out);
  ASSERT_TRUE(info.header);
  EXPECT_TRUE(info.header->fetches);
  const std::pair<std::string, std::string> source = {"source-hash", hash_of_trace(in)};
  EXPECT_EQ(info.header->notes.back(), source);
}

TEST(Convert, FetchesDroppedLeaveTheirInstructionsToTheNextAccess) {
  const TestFolder folder;
  const auto in =
      folder.write("in", "I  401000,3\nI  401003,2\n L 7f00,8\nI  401005,2\n S 7f08,8\n");
  ConvertOptions options;
  options.fetches = false;
  convert_trace(in, folder.path("out"), options);
  const auto records = read_trace(folder.path("out")).records;
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].instructions, 2u);
  EXPECT_EQ(records[1].instructions, 1u);
  EXPECT_FALSE(open_trace(folder.path("out"))->has_fetches());
}

TEST(Convert, APieceIsCutOut) {
  const TestFolder folder;
  const auto in = folder.write("in", "0 1000\n0 2000\n0 3000\n0 4000\n");
  ConvertOptions options;
  options.skip = 1;
  options.limit = 2;
  convert_trace(in, folder.path("out"), options);
  const auto records = read_trace(folder.path("out")).records;
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].address, 0x2000u);
}

TEST(Convert, ADamagedInputLeavesNoOutput) {
  const TestFolder folder;
  const auto in = folder.write("in", "0 1000\nbad\n");
  EXPECT_THROW(convert_trace(in, folder.path("out")), InputError);
  EXPECT_FALSE(std::filesystem::exists(folder.path("out")));
  EXPECT_FALSE(std::filesystem::exists(folder.path("out.part")));
}

TEST(Convert, AFullDiskIsAnError) {
  const TestFolder folder;
  const auto in = folder.write("in", "0 1000\n");
  EXPECT_THROW(convert_trace(in, "/dev/full"), InputError);
}

TEST(DescribeTrace, CountsKindsAndPages) {
  const TestFolder folder;
  const auto info = describe_trace(
      folder.write("t", "I  401fff,3\n L 7f00,8\nI  402002,2\n S 7ffc,8\n M 7f00,4\n"));
  EXPECT_EQ(info.format, "lackey");
  EXPECT_EQ(info.counts.fetches, 2u);
  EXPECT_EQ(info.counts.reads, 1u);
  EXPECT_EQ(info.counts.writes, 1u);
  EXPECT_EQ(info.counts.modifies, 1u);
  EXPECT_EQ(info.code_pages, 2u);  // the first fetch reaches into the second page
  EXPECT_EQ(info.data_pages, 2u);
  EXPECT_NE(to_text(info).find("accesses      5\n"), std::string::npos) << to_text(info);
}

}  // namespace
}  // namespace eptsim::sim
