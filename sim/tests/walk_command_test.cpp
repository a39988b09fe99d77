#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "sim/tests/program.hpp"
#include "sim/tests/walk_image.hpp"

// `eptsim walk` as scripts use it, on an image whose tables are written here word by word.
namespace eptsim::sim::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// Linear page 5 is mapped to 0x20000, page 6 to 0x30000, which the EPT lets nobody execute, and
/// page 7 to 0x21000, read-only and execute-disable.
WalkImage image() {
  return WalkImage()
      .guest_page(5, 0x20007)
      .guest_page(6, 0x30007)
      .guest_page(7, (1ull << 63) | 0x21005)
      .ept_page(0x30, 3);
}

constexpr const char* kContext =
    R"({"eptp": "0x101e", "cr0": "0x80010001", "cr3": "0x10000", "cr4": "0x20", "efer": "0xd00"})";

class WalkCommand : public testing::Test {
 protected:
  WalkCommand() {
    folder_.write("image", image().bytes());
    folder_.write("context", kContext);
  }
  Ran walk(const std::string& arguments) const {
    return test::run("eptsim walk --memory image --context context " + arguments, folder_);
  }
  Ran batch(const std::string& requests, const std::string& options = "") const {
    folder_.write("requests", requests);
    return walk("--requests requests " + options);
  }
  /// The lines of a batch from `"outcome"` on, but for references, writes and cycles.
  std::vector<std::string> outcomes(const std::string& requests, const std::string& options) const {
    const Ran ran = batch(requests, options);
    EXPECT_EQ(ran.status, 0) << ran.err;
    std::vector<std::string> lines;
    std::istringstream text(ran.out);
    for (std::string line; std::getline(text, line);) {
      const std::size_t refs = line.find(", \"refs\"");
      lines.push_back(
          line.substr(0, refs == std::string::npos ? line.size() - 1 : refs).substr(12));
    }
    return lines;
  }

  TestFolder folder_;
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
                       R"("cycles": 2829})"
                       "\n"));
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
  const Ran ran = walk("--gva 0x6ff0 --access fetch --user");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(
      ran.out,
      StartsWith(
          "Instruction fetch of 1 byte at linear address 0x6ff0, user mode (CPL 3)\n"
          "4-level guest paging (CR3 0x10000); 4-level EPT (EPTP 0x101e), accessed and dirty "
          "flags off\n"));
  for (const char* part :
       {"     to the guest PTE at guest-physical 0x13030\n",
        "\n  1  EPT PML4E   [   0]  0x000000001000  0x0000000000002007  R W X  -> table 0x2000\n",
        "\n 20  guest PTE   [   6]  0x000000013030  0x0000000000030007  P W U  -> 4K page "
        "guest-physical 0x30000\n",
        "\n 24  EPT PTE     [  48]  0x000000004180  0x0000000000030033  R W - WB  -> 4K page "
        "0x30000  <-- decides\n",
        "0x000000013030  0x0000000000030027  accessed flag of the guest PTE\n",
        "EPT violation: VM exit 48\nguest-physical 0x30ff0, linear 0x6ff0\n"
        "Exit qualification 0x19c\n     bit  2  FETCH ",
        "Why: The EPT maps the page, but does not let it be executed: EXECUTE is 0 in one entry.\n"
        "What would have to change:\n"
        "  - EPT PTE at host-physical 0x4180: bit 2 (EXECUTE) from 0 to 1, which makes it "
        "0x30037\n"}) {
    EXPECT_THAT(ran.out, HasSubstr(part));
  }
  EXPECT_THAT(ran.out, testing::Not(HasSubstr("\x1b")));  // no colours in a pipe
}

TEST_F(WalkCommand, TheOracleExplainsTheSameWalkButGivesNoReason) {
  const std::string model = walk("--gva 0x6ff0 --access fetch --user").out;
  const std::string oracle = walk("--gva 0x6ff0 --access fetch --user --engine oracle").out;
  std::string same = model.substr(0, model.find("Why:"));
  const std::string mark = "  <-- decides";
  same.erase(same.find(mark), mark.size());
  EXPECT_EQ(oracle, same +
                        "The oracle gives no reason; each of the other engines does.\n"
                        "\n24 references\n");
}

TEST_F(WalkCommand, AnExplanationTellsWhatLiesOutsideTheImage) {
  const Ran ran = walk("--gpa 0x40000000");
  EXPECT_THAT(ran.out, HasSubstr("EPT PDPTE at host-physical 0x2008: bit 0 (READ) from 0 to 1"));
  EXPECT_THAT(ran.out, testing::Not(HasSubstr("outside the image")));
  folder_.write("context", R"({"eptp": "0x4000001e"})");
  EXPECT_THAT(walk("--gpa 0").out, HasSubstr("not present  (outside the image: reads as zero)"));
}

// What a hypervisor's developer meets who forgets INVEPT: the old page until it is made up for. The
// EPT's own structure caches save half of even the first walk's references.
TEST_F(WalkCommand, OneTranslationIsDrawnAsAPageToo) {
  const Ran ran = walk("--gva 0x5000 --html page.html");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, walk("--gva 0x5000").out);
  const std::string page = test::run("cat page.html", folder_).out;
  EXPECT_THAT(page, AllOf(StartsWith("<!DOCTYPE html>"), HasSubstr("the data")));
  EXPECT_THAT(page, testing::Not(HasSubstr("DRAM")));
  EXPECT_EQ(walk("--gva 0x5000 --html -").out, page);
  EXPECT_THAT(walk("--gva 0x5000 --machine zen5 --html -").out,
              AllOf(HasSubstr("machine zen5"), HasSubstr("DRAM"), HasSubstr("spared")));
}

TEST_F(WalkCommand, CachedTranslationsStayStaleUntilTheyAreInvalidated) {
  const std::string read = "{\"gva\": \"0x5123\", \"user\": true}\n";
  const std::string requests =
      read + R"({"store": {"address": "0x4100", "value": "0x22037"}})" + "\n" + read +
      R"({"id": 1, "invalidate": "invept", "type": 1, "eptp": "0x101e"})" + "\n" + read;
  EXPECT_THAT(
      outcomes(requests, "--cached"),
      ElementsAre(
          AllOf(HasSubstr(R"("hpa": "0x20123")"), EndsWith(R"("references": 12)")), R"("stored")",
          AllOf(HasSubstr(R"("hpa": "0x20123")"), EndsWith(R"("hit": "tlb", "references": 0)")),
          HasSubstr(R"("invalidated")"),
          AllOf(HasSubstr(R"("hpa": "0x22123")"), EndsWith(R"("references": 12)"))));
}

TEST_F(WalkCommand, EachInvalidationForgetsWhatItMustAndNoMore) {
  const std::string read = "{\"gva\": \"0x5123\", \"user\": true}\n";
  const std::string store = R"({"store": {"address": "0x13028", "value": "0x22067"}})"
                            "\n";
  const auto after = [&](const std::string& operation) {
    return outcomes(read + store + operation + "\n" + read, "--cached").back();
  };
  const std::string stale = R"("hpa": "0x20123")";
  const std::string fresh = R"("hpa": "0x22123")";
  EXPECT_THAT(after(R"({"invalidate": "invlpg", "gva": "0x6000"})"), HasSubstr(stale));
  EXPECT_THAT(after(R"({"invalidate": "invlpg", "gva": "0x5fff"})"), HasSubstr(fresh));
  EXPECT_THAT(after(R"({"invalidate": "invvpid", "type": 1, "vpid": 2})"), HasSubstr(stale));
  EXPECT_THAT(after(R"({"invalidate": "invvpid", "type": 0, "vpid": 1, "gva": "0x5000"})"),
              HasSubstr(fresh));
  EXPECT_THAT(after(R"({"invalidate": "invvpid", "type": 2})"), HasSubstr(fresh));
  EXPECT_THAT(after(R"({"invalidate": "invpcid", "type": 3})"), HasSubstr(fresh));
  EXPECT_THAT(after(R"({"invalidate": "mov_cr3", "value": "0x10000"})"), HasSubstr(fresh));
  EXPECT_THAT(after(R"({"invalidate": "mov_cr4", "value": "0x30"})"), HasSubstr(stale));
  EXPECT_THAT(after(R"({"invalidate": "mov_cr4", "value": "0xa0"})"), HasSubstr(fresh));
  EXPECT_THAT(after(R"({"invalidate": "invept", "type": 1, "eptp": "0x201e"})"), HasSubstr(stale));
  EXPECT_THAT(after(R"({"invalidate": "invept", "type": 2})"), HasSubstr(fresh));
  EXPECT_THAT(after(R"({"invalidate": "vm_transition"})"), HasSubstr(stale));
}

TEST_F(WalkCommand, OperationsWithBadOperandsAreRefusedAtTheirLine) {
  const auto message = [this](const std::string& line, const std::string& options = "--cached") {
    const Ran ran = batch(line, options);
    EXPECT_EQ(ran.status, 2) << line;
    return ran.err;
  };
  EXPECT_THAT(message(R"({"invalidate": "invlpg", "gva": 0})", ""),
              HasSubstr("requests:1:2: invalidate needs --cached"));
  EXPECT_THAT(message(R"({"store": {"address": 0, "value": 1}})", ""),
              HasSubstr("requests:1:12: store needs --cached"));
  EXPECT_THAT(message(R"({"invalidate": "invplg"})"), HasSubstr("did you mean 'invlpg'?"));
  EXPECT_THAT(message(R"({"invalidate": "invept"})"), HasSubstr("requests:1:1: invept needs type"));
  EXPECT_THAT(message(R"({"invalidate": "invept", "type": 1, "eptp": "0x1011"})"),
              HasSubstr("invept: VMfail, error 28: eptp bits 2:0"));
  EXPECT_THAT(message(R"({"invalidate": "invept", "type": 3})"), HasSubstr("type must be 1 or 2"));
  EXPECT_THAT(message(R"({"invalidate": "invvpid", "type": 1, "vpid": 0})"),
              HasSubstr("VPID 0 needs type 2"));
  // INVVPID may name an address of a guest with 5-level paging; this one has 4-level paging.
  const std::string wide = R"("type": 0, "gva": "0x80000000000000")";
  EXPECT_EQ(batch(R"({"invalidate": "invvpid", "vpid": 1, )" + wide + "}", "--cached").status, 0);
  EXPECT_THAT(message(R"({"invalidate": "invpcid", "pcid": 0, )" + wide + "}"),
              HasSubstr("invpcid: #GP(0): gva is not canonical"));
  EXPECT_THAT(
      message(R"({"invalidate": "invvpid", "type": 0, "vpid": 1, "gva": "0x100000000000000"})"),
      HasSubstr("invvpid: VMfail, error 28: gva is not canonical"));
  EXPECT_THAT(message(R"({"invalidate": "invlpg", "gva": 0, "user": true})"),
              HasSubstr("user does not belong to an operation"));
  EXPECT_THAT(message(R"({"invalidate": "vm_transition", "vpid": 1})"),
              HasSubstr("vpid does not belong to vm_transition"));
  EXPECT_THAT(message(R"({"store": {"address": 4, "value": 1}})"),
              HasSubstr("address a multiple of it"));
  EXPECT_THAT(message(R"({"store": {"adress": 4}})"),
              HasSubstr("unknown key 'store.adress' in an operation"));
  EXPECT_THAT(message(R"({"invalidate": "mov_cr4", "value": 0})"), HasSubstr("LMA needs PAE"));
  EXPECT_THAT(message(R"({"gva": 0})", "--cached --engine oracle"), HasSubstr("--cached: "));
}

TEST_F(WalkCommand, BadLinesAreToldWithTheirPlaceAfterTheAnswersBefore) {
  const auto message = [this](const std::string& second) {
    const Ran ran = batch("{\"gva\": \"0x5000\"}\r\n" + second);
    EXPECT_EQ(ran.status, 2) << second;
    EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1) << second;
    return ran.err;
  };
  EXPECT_THAT(message("{\"gva\": 0} {}\n"), HasSubstr("requests:2:12: expected nothing more"));
  EXPECT_THAT(message("{\"gva\": 0, \"id\": [1]}"), HasSubstr("requests:2:12: id is an array"));
  EXPECT_THAT(message("{\"gva\": 0, \"gva\": 1}"), HasSubstr("requests:2:12: 'gva' stands twice"));
  EXPECT_THAT(message("{\"id\": \"\xff\"}"), HasSubstr("requests:2:9: no valid JSON"));
  EXPECT_THAT(message("{\"gva\": 0, \"size\": 1e400}"), HasSubstr("requests:2:20: size is 1e400"));
  EXPECT_THAT(message("\n \r\n{"), HasSubstr("requests:4:"));
  EXPECT_THAT(message(std::string(3 << 20, ' ')), HasSubstr("requests:2:1048577: the line is"));
  EXPECT_THAT(message(std::string("{\"gva\": 0\0}", 12)), HasSubstr("requests:2:"));
  const Ran folder = walk("--requests .");
  EXPECT_EQ(folder.status, 2);
  EXPECT_THAT(folder.err, HasSubstr(".: can't be read: Is a directory"));
}

TEST_F(WalkCommand, APageIsOfOneTranslation) {
  const Ran batch_drawn = batch(R"({"gva": "0x5000"})", "--html page.html");
  EXPECT_EQ(batch_drawn.status, 2);
  EXPECT_THAT(batch_drawn.err, HasSubstr("--html: draws one translation"));
  EXPECT_EQ(walk("--gva 0x5000 --html missing/page.html").status, 2);
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
