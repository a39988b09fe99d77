#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "sim/tests/program.hpp"

// `eptsim walk` as scripts use it, on an image whose tables are written here word by word.
namespace eptsim::sim::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// 256 KiB of host-physical memory. EPT at 0x1000 to 0x4fff: identity with 4 KiB pages, read, write
/// and execute, but page 0x30 without execute. Guest tables at 0x10000 to 0x13fff map linear page 5
/// to 0x20000, page 6 to 0x30000, and page 7 to 0x21000, read-only and execute-disable.
class Image {
 public:
  Image() : bytes_(0x40000, '\0') {
    constexpr std::uint64_t kAll = 7;
    constexpr std::uint64_t kWriteBack = 6 << 3;
    store(0x1000, 0x2000 | kAll);
    store(0x2000, 0x3000 | kAll);
    store(0x3000, 0x4000 | kAll);
    for (std::uint64_t page = 0; page < 512; ++page) {
      store(0x4000 + 8 * page, (page << 12) | kWriteBack | (page == 0x30 ? 3 : kAll));
    }
    store(0x10000, 0x11000 | kAll);
    store(0x11000, 0x12000 | kAll);
    store(0x12000, 0x13000 | kAll);
    store(0x13000 + 8 * 5, 0x20000 | kAll);
    store(0x13000 + 8 * 6, 0x30000 | kAll);
    store(0x13000 + 8 * 7, (1ull << 63) | 0x21000 | 5);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void store(std::size_t address, std::uint64_t value) {
    std::memcpy(bytes_.data() + address, &value, sizeof value);
  }
  std::string bytes_;
};

constexpr const char* kContext =
    R"({"eptp": "0x101e", "cr0": "0x80010001", "cr3": "0x10000", "cr4": "0x20", "efer": "0xd00"})";

class WalkCommand : public testing::Test {
 protected:
  WalkCommand() {
    folder_.write("image", Image().bytes());
    folder_.write("context", kContext);
  }
  Ran walk(const std::string& arguments) const {
    return test::run("eptsim walk --memory image --context context " + arguments, folder_);
  }
  Ran batch(const std::string& requests, const std::string& engine = "model") const {
    folder_.write("requests", requests);
    return walk("--requests requests --engine " + engine);
  }
  /// `lines` without what follows "cycles", which an engine without time leaves at 0.
  static std::string without_cycles(std::string lines) {
    for (std::size_t at = 0; (at = lines.find(", \"cycles\": ", at)) != std::string::npos;) {
      lines.erase(at, lines.find('}', at) - at);
    }
    return lines;
  }

  TemporaryFolder folder_;
};

// The whole first column of the walk by hand: EPT of 0x10000 (index 0, 0, 0, 0x10), the guest's L4.
TEST_F(WalkCommand, AnAnswerHoldsTheOutcomeEachReferenceAndEachWrite) {
  const Ran ran = batch(R"({"id": 9, "gva": "0x5123", "user": true})");
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out,
              StartsWith(R"({"id": 9, "outcome": "translated", "gpa": "0x20123", )"
                         R"("hpa": "0x20123", "guest_page_size": "4K", "ept_page_size": "4K", )"
                         R"("page_size": "4K", "memory_type": "WB", "references": 24, "refs": [)"
                         R"({"kind": "ept", "level": 4, "address": "0x1000", "value": "0x2007"}, )"
                         R"({"kind": "ept", "level": 3, "address": "0x2000", "value": "0x3007"}, )"
                         R"({"kind": "ept", "level": 2, "address": "0x3000", "value": "0x4007"}, )"
                         R"({"kind": "ept", "level": 1, "address": "0x4080", "value": "0x10037"}, )"
                         R"({"kind": "guest", "level": 4, "address": "0x10000", )"
                         R"("value": "0x11007"}, )"));
  // Four accessed flags; 28 requests to memory of 100 cycles and one.
  EXPECT_THAT(ran.out,
              EndsWith(R"("writes": [{"address": "0x10000", "size": 8, "value": "0x11027"}, )"
                       R"({"address": "0x11000", "size": 8, "value": "0x12027"}, )"
                       R"({"address": "0x12000", "size": 8, "value": "0x13027"}, )"
                       R"({"address": "0x13028", "size": 8, "value": "0x20027"}], )"
                       R"("cycles": 2828})"
                       "\n"));
}

TEST_F(WalkCommand, EveryEngineGivesTheSameAnswers) {
  const std::string requests = R"({"id": 1, "gva": "0x5123", "user": true}
{"id": "crosses", "gva": "0x6ffc", "access": "write", "user": true, "size": 8}
{"id": "crosses too", "gva": "0x5ffc", "access": "write", "user": true, "size": 64}
{"gva": "0x6000", "access": "fetch"}

{"gva": "0x7000", "access": "read_modify_write", "user": true}
{"gva": "0x800000000000"}
{"gva": "0x9000", "access": "write"}
{"gpa": "0x30008", "access": "fetch"}
{"gpa": "0x3fffffffff", "access": "write"}
)";
  const Ran model = batch(requests);
  EXPECT_EQ(model.status, 0);
  EXPECT_THAT(model.err, IsEmpty());
  for (
      const char* part :
      {R"({"id": "crosses", "outcome": "page_fault", "error_code": "0x7", "gva": "0x7000")",
       R"("outcome": "ept_violation", "qualification": "0x19c", "gpa": "0x30000", "gva": "0x6000")",
       R"({"id": "crosses too", "outcome": "translated", "gpa": "0x20ffc")",
       R"("second": {"outcome": "translated", "gpa": "0x30000", "hpa": "0x30000")",
       R"({"outcome": "general_protection", "error_code": "0x0", "gva": "0x800000000000")",
       R"({"outcome": "ept_violation", "qualification": "0x1c", "gpa": "0x30008", "ref)"}) {
    EXPECT_THAT(model.out, HasSubstr(part));
  }
  for (const char* engine : {"systemc", "rtl", "oracle"}) {
    const Ran other = batch(requests, engine);
    EXPECT_EQ(other.status, 0) << other.err;
    EXPECT_EQ(without_cycles(other.out), without_cycles(model.out)) << engine;
    if (std::string(engine) == "oracle") continue;
    EXPECT_EQ(other.out, model.out) << engine;
  }
}

TEST_F(WalkCommand, EachRequestStartsFromTheImageAsItWas) {
  const Ran ran = batch("{\"gva\": \"0x5000\"}\n{\"gva\": \"0x5000\"}\n");
  const std::size_t half = ran.out.size() / 2;
  EXPECT_EQ(ran.out.substr(0, half), ran.out.substr(half));
  EXPECT_THAT(ran.out, HasSubstr("\"value\": \"0x20027\"}]"));
}

TEST_F(WalkCommand, ABadLineStopsTheBatchAfterTheAnswersBeforeIt) {
  const Ran ran =
      batch("{\"id\": 1, \"gva\": 0}\n{\"id\": 2, \"gvb\": 0}\n{\"id\": 3, \"gva\": 0}\n");
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.out, StartsWith("{\"id\": 1, "));
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1);
  EXPECT_THAT(ran.err, HasSubstr("requests:2:11: unknown key 'gvb' in a request"));
}

TEST_F(WalkCommand, RequestsComeFromAPipeToo) {
  const Ran ran = test::run(
      "printf '{\"gpa\": 5}' | eptsim walk --memory image --context context --requests -", folder_);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, StartsWith(R"({"outcome": "translated", "gpa": "0x5", "hpa": "0x5")"));
}

TEST_F(WalkCommand, OneTranslationIsExplainedEntryByEntryAndInWords) {
  const Ran ran = walk("--gva 0x6000 --access fetch --user");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("fetch of 1 byte at linear 0x6000, user\n"));
  EXPECT_THAT(ran.out, HasSubstr("  1      EPT level 4 PML4E  at 0x000000001000  "
                                 "0x0000000000002007  R W X\n"));
  EXPECT_THAT(ran.out, HasSubstr(" 20  guest level 1 PTE    at 0x000000013030  "
                                 "0x0000000000030007  P W U, maps a 4K page\n"));
  EXPECT_THAT(ran.out,
              HasSubstr("EPT violation (exit 48) at guest-physical 0x30000, qualification 0x19c "
                        "(FETCH READABLE WRITABLE LINEAR_VALID FINAL)\n"
                        "an EPT entry of the walk lacks EXECUTE: EPT PTE at 0x4180 is 0x30033\n"));
}

TEST_F(WalkCommand, WhatIsMissingOrContradictsItselfIsToldAndRefused) {
  const auto message = [this](const std::string& command) {
    const Ran ran = test::run(command, folder_);
    EXPECT_EQ(ran.status, 2) << command;
    EXPECT_THAT(ran.out, IsEmpty());
    return ran.err;
  };
  EXPECT_THAT(message("eptsim walk --context context --gva 0"), HasSubstr("--memory: is missing"));
  EXPECT_THAT(message("eptsim walk --memory image --gva 0"), HasSubstr("--context: is missing"));
  const std::string walk = "eptsim walk --memory image --context context ";
  EXPECT_THAT(message(walk), HasSubstr("expected one of --requests, --gva and --gpa"));
  EXPECT_THAT(message(walk + "--gva 0 --gpa 0"), HasSubstr("expected one of"));
  EXPECT_THAT(message(walk + "--gva x"), HasSubstr("--gva: 'x' is no address"));
  EXPECT_THAT(message(walk + "--gva 0 --access reed"), HasSubstr("did you mean 'read'?"));
  EXPECT_THAT(message(walk + "--gva 0 --engine modle"), HasSubstr("did you mean 'model'?"));
  EXPECT_THAT(message(walk + "--gva 0 --size 65"), HasSubstr("expected 1 to 64"));
  EXPECT_THAT(message(walk + "--gpa 0 --user"), HasSubstr("user belongs to linear addresses only"));
  EXPECT_THAT(message(walk + "--memory image --gva 0"), HasSubstr("overlaps"));
  for (const char* option : {"--user", "--access write", "--size 8"}) {
    EXPECT_THAT(message(walk + "--requests - </dev/null " + option),
                HasSubstr("--requests: its lines say what access they are"));
  }
  EXPECT_THAT(message(walk + "--requests /nonexistent"), HasSubstr("/nonexistent: "));
}

}  // namespace
}  // namespace eptsim::sim::test
