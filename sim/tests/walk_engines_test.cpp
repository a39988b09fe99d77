#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "sim/tests/program.hpp"
#include "sim/tests/walk_image.hpp"

// One set of images and requests, of every feature of the rules, for every engine of `eptsim walk`:
// the answers are the same byte for byte, but for `cycles` where an engine knows no time.
namespace eptsim::sim::test {
namespace {

struct Feature {
  std::string name;
  WalkImage image;
  std::string context;
  std::string requests;
  std::vector<std::string> shown;  ///< parts of the answers, in no order
  /// Words are read that are no references: the engine `model` has no cycles for them.
  bool reads_other_words = false;
};

/// A 4-level guest on the EPT of a WalkImage, with `more` keys.
std::string long_mode(const std::string& more) {
  return R"({"cr0": "0x80010001", "cr3": "0x10000", "efer": "0xd00", "cr4": "0x800020")" +
         (more.find("\"eptp\"") == std::string::npos ? std::string(R"(, "eptp": "0x101e")")
                                                     : std::string()) +
         ", " + more + "}";
}

void PrintTo(const Feature& feature, std::ostream* out) { *out << feature.name; }

std::vector<Feature> features() {
  std::vector<Feature> all;
  all.push_back(
      {.name = "FourLevels",
       .image = WalkImage()
                    .guest_page(5, 0x20007)
                    .guest_page(6, 0x30007)
                    .guest_page(7, (1ull << 63) | 0x21005)
                    .guest_page(8, 0x22003)
                    .guest_page(9, 1ull << 51 | 0x22007)
                    .ept_page(0x30, 3)
                    .ept_page(0x31, 2),
       .context = long_mode(R"("cpu": {"advanced_exit_info": true})"),
       .requests = R"({"id": 1, "gva": "0x5123", "user": true}
{"id": "crosses", "gva": "0x5ffc", "access": "write", "user": true, "size": 64}
{"id": "crosses into a fault", "gva": "0x6ffc", "access": "write", "user": true, "size": 8}
{"gva": "0x6000", "access": "fetch"}
{"gva": "0x7000", "access": "read_modify_write", "user": true}
{"gva": "0x8000", "access": "read", "user": true, "implicit": true}
{"gva": "0x8000", "access": "write", "user": true}
{"gva": "0x9000"}
{"gva": "0xa000", "access": "write"}
{"gva": "0x800000000000"}
{"gva": "0x7ffffffffffc", "size": 8}
{"gpa": "0x30008", "access": "fetch"}
{"gpa": "0x31000"}
{"gpa": "0x2fffc", "size": 8, "access": "fetch"}
{"gpa": "0x3fffffffff", "access": "write"}
)",
       .shown = {R"("second": {"outcome": "translated", "gpa": "0x30000", "hpa": "0x30000")",
                 R"("page_fault", "error_code": "0x7", "gva": "0x7000")",
                 R"("page_fault", "error_code": "0x9", "gva": "0x9000")",
                 R"("ept_violation", "qualification": "0x79c", "gpa": "0x30000", "gva": "0x6000")",
                 R"("general_protection", "error_code": "0x0", "gva": "0x800000000000", "ref)",
                 R"("ept_misconfig", "gpa": "0x31000", "references": 4)",
                 R"("ept_violation", "qualification": "0x1c", "gpa": "0x30008", "references")"}});
  all.push_back({.name = "AccessedAndDirtyFlags",
                 .image = WalkImage().guest_page(5, 0x20007).ept_page(0x13, 5),
                 .context = long_mode(R"("eptp": "0x105e")"),
                 .requests = R"({"gva": "0x5000", "access": "write"}
{"gpa": "0x5000", "access": "write"}
{"gpa": "0x5000"}
)",
                 .shown = {R"("qualification": "0xab", "gpa": "0x13028", "gva": "0x5000")",
                           R"({"address": "0x4028", "size": 8, "value": "0x5337"})"}});
  all.push_back({.name = "ModeBasedExecute",
                 .image = WalkImage()
                              .store(0x1000, 0x2407)
                              .store(0x2000, 0x3407)
                              .store(0x3000, 0x4407)
                              .guest_page(5, 0x20007)
                              .guest_page(6, 0x20003)
                              .ept_page(0x20, 0x403),
                 .context = long_mode(R"("controls": {"mode_based_execute": true})"),
                 .requests = R"({"gva": "0x5000", "access": "fetch"}
{"gva": "0x6000", "access": "fetch"}
{"gpa": "0x20000", "access": "fetch"}
)",
                 .shown = {R"("outcome": "translated", "gpa": "0x20000")",
                           R"("qualification": "0x1dc", "gpa": "0x20000", "gva": "0x6000")",
                           R"("qualification": "0x5c", "gpa": "0x20000", "ref)"}});
  all.push_back(
      {.name = "FiveLevels",
       .image = WalkImage()
                    .guest_page(5, 0x20007)
                    .store(0x9000, 0x1007)
                    .store(0x14000 + 8 * 511, 0x10007),
       .context = R"({"eptp": "0x9026", "cr0": "0x80010001", "cr3": "0x14000",
                                "efer": "0xd00", "cr4": "0x1020"})",
       .requests = R"({"gva": "0xffff000000005000"}
{"gva": "0x5000"}
{"gva": "0x0200000000000000"}
{"gpa": "0x5000"}
)",
       .shown = {R"("references": 35)", R"("references": 6)",
                 R"("general_protection", "error_code": "0x0", "gva": "0x200000000000000)",
                 R"({"kind": "guest", "level": 5, "address": "0x14ff8")"}});
  all.push_back({.name = "NoPaging",
                 .image = WalkImage().ept_page(0x30, 3),
                 .context = R"({"eptp": "0x101e", "cr0": "0x10", "cpu":
                                {"advanced_exit_info": true}})",
                 .requests = R"({"gva": "0x5123"}
{"gva": "0x30000", "access": "fetch"}
{"gva": "0xfffffffc", "size": 8}
)",
                 .shown = {R"("references": 4)", R"("qualification": "0x79c", "gpa": "0x30000")",
                           R"("qualification": "0x781", "gpa": "0xfffffffc")"}});
  all.push_back({.name = "EptOff",
                 .image = WalkImage().guest_page(5, 0x20007),
                 .context = R"({"cr0": "0x80010001", "cr3": "0x10000", "efer": "0xd00",
                                "cr4": "0x20"})",
                 .requests = R"({"gva": "0x5123", "access": "write"}
{"gva": "0x6000"}
{"gpa": "0x6000"}
)",
                 .shown = {R"("references": 4)", R"("references": 0)", R"("memory_type": "WB")"}});
  all.push_back({.name = "RightsOfTheGuest",
                 .image = WalkImage()
                              .guest_page(5, (3ull << 59) | 0x20007)
                              .guest_page(6, (3ull << 59) | 0x20003)
                              .guest_page(7, 0x20007),
                 .context = R"({"eptp": "0x101e", "cr0": "0x80010001", "cr3": "0x10000",
                                "efer": "0xd00", "cr4": "0x1700020", "pkru": "0x40",
                                "pkrs": "0x80"})",
                 .requests = R"({"gva": "0x5000", "user": true}
{"gva": "0x6000", "access": "write"}
{"gva": "0x7000", "access": "fetch"}
{"gva": "0x7000"}
{"gva": "0x7000", "user": true}
)",
                 .shown = {R"("error_code": "0x25", "gva": "0x5000")",
                           R"("error_code": "0x23", "gva": "0x6000")",
                           R"("error_code": "0x11", "gva": "0x7000")",
                           R"("error_code": "0x1", "gva": "0x7000")"}});
  all.push_back({.name = "LinearAddressSpaceSeparation",
                 .image = WalkImage().guest_page(5, 0x20007),
                 .context = R"({"eptp": "0x101e", "cr0": "0x80010001", "cr3": "0x10000",
                                "efer": "0xd00", "cr4": "0xa200020"})",
                 .requests = R"({"gva": "0x5000", "access": "fetch"}
{"gva": "0xffff800000000000", "user": true}
{"gva": "0x5000", "user": true}
)",
                 .shown = {R"("general_protection", "error_code": "0x0", "gva": "0x5000")",
                           R"("general_protection", "error_code": "0x0", "gva": "0xffff8)"}});
  all.push_back(
      {.name = "NarrowPaging",
       .image = WalkImage()
                    .store(0x20000, 0x21007, 4)
                    .store(0x20004, 0x2187, 4)  // 4 MiB at 0x100000000, PSE-36, and 0x400000
                    .store(0x21000 + 4 * 3, 0x22005, 4),
       .context = R"({"eptp": "0x101e", "cr0": "0x80010001", "cr3": "0x20fff", "cr4": "0x10"})",
       .requests = R"({"gva": "0x3123", "user": true}
{"gva": "0x3123", "access": "write", "user": true}
{"gva": "0x400000"}
{"gva": "0x5000"}
{"gva": "0x3000", "access": "fetch"}
)",
       .shown = {R"({"kind": "guest", "level": 1, "address": "0x2100c", "value": "0x22005"})",
                 R"({"address": "0x2100c", "size": 4, "value": "0x22025"})",
                 R"("gpa": "0x100000000", "gva": "0x400000")",
                 R"("error_code": "0x7", "gva": "0x3123")"}});
  const WalkImage pae = WalkImage()
                            .store(0x20060 + 8, 0x21001)
                            .store(0x21000, 0x22007)
                            .store(0x21008, 0x200087)
                            .store(0x22018, (1ull << 63) | 0x23007);
  const std::string pae_requests = R"({"gva": "0x40003123", "access": "write", "user": true}
{"gva": "0x40003000", "access": "fetch"}
{"gva": "0x40200000"}
{"gva": "0x3123"}
)";
  all.push_back({.name = "PaeWithRegisters",
                 .image = pae,
                 .context = R"({"eptp": "0x101e", "cr0": "0x80010001", "cr3": "0x20060",
                                "efer": "0x800", "cr4": "0x20",
                                "pdptes": ["0x0", "0x21001", "0x0", "0x0"]})",
                 .requests = pae_requests,
                 .shown = {R"("references": 14)", R"("references": 0)",
                           R"("guest_page_size": "4K")", R"("error_code": "0x11")"}});
  all.push_back({.name = "PaeWithoutEpt",
                 .image = pae,
                 .context = R"({"cr0": "0x80010001", "cr3": "0x20060", "efer": "0x800",
                                "cr4": "0x20"})",
                 .requests = pae_requests,
                 .shown = {R"("references": 2)", R"("references": 0)", R"("guest_page_size": "2M")",
                           R"("error_code": "0x11")"}});
  all.push_back({.name = "PageModificationLog",
                 .image = WalkImage().guest_page(5, 0x20007).guest_page(6, 0x21007),
                 .context = long_mode(
                     R"("eptp": "0x105e", "controls": {"pml": true}, "pml_address": "0x38000",
              "pml_index": 7)"),
                 .requests = R"({"gva": "0x5ffc", "access": "write", "size": 8}
{"gpa": "0x20000", "access": "write"}
{"gpa": "0x20000"}
)",
                 .shown = {R"({"address": "0x38038", "size": 8, "value": "0x10000"})",
                           R"("second": {"outcome": "translated")",
                           R"({"address": "0x38010", "size": 8, "value": "0x21000"})"}});
  all.push_back(
      {.name = "PageModificationLogFull",
       .image = WalkImage().guest_page(5, 0x20007),
       .context = long_mode(
           R"("eptp": "0x105e", "controls": {"pml": true}, "pml_address": "0x38000",
                        "pml_index": 1)"),
       .requests = R"({"gva": "0x5000", "access": "write"}
{"gpa": "0x5000", "access": "write"}
)",
       .shown = {R"("outcome": "pml_full", "qualification": "0x0", "gpa": "0x12000", "re)"}});
  all.push_back(
      {.name = "VirtualizationException",
       .image = WalkImage()
                    .guest_page(5, 0x20007)
                    .guest_page(6, 0x21007)
                    .ept_page(0x20, 5)
                    .ept_page(0x21, (1ull << 63) | 5)
                    .store(0x4000 + 8 * 0x22, 0),
       .context = long_mode(
           R"("controls": {"ept_violation_ve": true}, "ve_info_address": "0x38000",
              "eptp_index": 300)"),
       .requests = R"({"gva": "0x5000", "access": "write"}
{"gva": "0x6000", "access": "write"}
{"gpa": "0x22000"}
{"gva": "0x5000"}
)",
       .shown = {R"("virtualization_exception", "qualification": "0x1aa", "gpa": "0x20000", "gva")",
                 R"({"address": "0x38004", "size": 4, "value": "0xffffffff"})",
                 R"({"address": "0x38020", "size": 2, "value": "0x12c"})",
                 R"("outcome": "ept_violation", "qualification": "0x1aa", "gpa": "0x21000")"},
       .reads_other_words = true});
  all.push_back({.name = "VirtualizationExceptionBusy",
                 .image = WalkImage().guest_page(5, 0x20007).ept_page(0x20, 5).store(0x38004, 1, 4),
                 .context = long_mode(
                     R"("controls": {"ept_violation_ve": true}, "ve_info_address": "0x38000")"),
                 .requests = "{\"gva\": \"0x5000\", \"access\": \"write\"}\n",
                 .shown = {R"("outcome": "ept_violation", "qualification": "0x1aa")"},
                 .reads_other_words = true});
  WalkImage spp = WalkImage().guest_page(5, 0x20007).guest_page(6, 0x21007).guest_page(7, 0x22007);
  for (const std::uint64_t page : {0x20, 0x21, 0x22}) spp.ept_page(page, (1ull << 61) | 5);
  spp.store(0x30000, 0x31001).store(0x31000, 0x32001).store(0x32000, 0x33001);
  spp.store(0x33000 + 8 * 0x20, 1 << 2).store(0x33000 + 8 * 0x21, 2);
  all.push_back(
      {.name = "SubPagePermissions",
       .image = spp,
       .context =
           long_mode(R"("controls": {"sub_page_permission": true}, "sppt_pointer": "0x30000")"),
       .requests = R"({"gva": "0x5080", "access": "write", "size": 8}
{"gva": "0x50fc", "access": "write", "size": 8}
{"gva": "0x6000", "access": "write"}
{"gva": "0x5080"}
{"gpa": "0x20080", "access": "write"}
{"gpa": "0x21080", "access": "write"}
)",
       .shown = {R"({"kind": "spp", "level": 1, "address": "0x33100", "value": "0x4"})",
                 R"("qualification": "0x1aa", "gpa": "0x200fc", "gva": "0x50fc")",
                 R"("outcome": "spp_event", "qualification": "0x0", "gpa": "0x21000", "gva")",
                 R"("outcome": "spp_event", "qualification": "0x0", "gpa": "0x21080", "refer)"}});
  all.push_back(
      {.name = "SubPageMiss",
       .image = WalkImage().guest_page(5, 0x20007).ept_page(0x20, (1ull << 61) | 5),
       .context =
           long_mode(R"("controls": {"sub_page_permission": true}, "sppt_pointer": "0x30000")"),
       .requests = "{\"gva\": \"0x5080\", \"access\": \"write\"}\n",
       .shown = {R"("outcome": "spp_event", "qualification": "0x800", "gpa": "0x20080", "gva")",
                 R"({"kind": "spp", "level": 4, "address": "0x30000", "value": "0x0"}])"}});
  all.push_back(
      {.name = "PagingWriteAndVerification",
       .image = WalkImage()
                    .guest_page(5, 0x20007)
                    .guest_page(6, 0x21007)
                    .ept_page(0x13, (1ull << 58) | 5)
                    .ept_page(0x20, (1ull << 57) | 7),
       .context = long_mode(R"("eptp": "0x105e", "controls": {"paging_write": true,
                               "guest_paging_verification": true})"),
       .requests = R"({"gva": "0x6000"}
{"gva": "0x5000"}
)",
       .shown = {R"("outcome": "translated", "gpa": "0x21000")", R"("qualification": "0x81b9")"}});
  all.push_back({.name = "HlatPaging",
                 .image = WalkImage()
                              .guest_page(5, 0x20007)
                              .guest_page(6, 0x21007)
                              .store(0x28000, 0x29007)
                              .store(0x29000, 0x2a007)
                              .store(0x2a000, 0x2b007)
                              .store(0x2b000 + 8 * 5, 0x22807)
                              .store(0x2b000 + 8 * 6, 0x22005),
                 .context = long_mode(R"("controls": {"hlat": true}, "hlat_pointer": "0x28000")"),
                 .requests = R"({"gva": "0x5000", "access": "write"}
{"gva": "0x6000"}
{"gva": "0x6000", "access": "write"}
{"gva": "0x7000"}
)",
                 .shown = {R"("outcome": "translated", "gpa": "0x20000")", R"("references": 44)",
                           R"({"kind": "hlat", "level": 1, "address": "0x2b028")",
                           R"("error_code": "0x80", "gva": "0x7000")",
                           R"("error_code": "0x3", "gva": "0x6000")"}});
  all.push_back(
      {.name = "ShadowStacks",
       .image = WalkImage()
                    .guest_page(5, 0x20065)
                    .guest_page(6, 0x21067)
                    .guest_page(7, 0x22061)
                    .ept_page(0x22, 7 | 1ull << 60),
       .context = long_mode(R"("eptp": "0x109e", "cpu": {"supervisor_shadow_stack": true})"),
       .requests = R"({"gva": "0x5000", "access": "shadow_stack_read", "user": true}
{"gva": "0x5000", "access": "shadow_stack_write", "user": true}
{"gva": "0x5000", "access": "shadow_stack_write"}
{"gva": "0x6000", "access": "shadow_stack_read", "user": true}
{"gva": "0x7000", "access": "shadow_stack_write"}
)",
       .shown = {R"("outcome": "translated", "gpa": "0x20000")",
                 R"("outcome": "translated", "gpa": "0x22000")",
                 R"("error_code": "0x45", "gva": "0x6000")",
                 R"("error_code": "0x43", "gva": "0x5000")"}});
  all.push_back({.name = "ShadowStacksOfTheUser",
                 .image = WalkImage().guest_page(5, 0x20065),
                 .context = long_mode(R"("vpid": 2)"),
                 .requests = R"({"gva": "0x5000", "access": "shadow_stack_write", "user": true})",
                 .shown = {R"("outcome": "translated")"}});
  return all;
}

class WalkEngines : public testing::TestWithParam<Feature> {
 protected:
  /// `lines` without what follows "cycles", which an engine without time leaves at 0.
  static std::string without_cycles(std::string lines) {
    for (std::size_t at = 0; (at = lines.find(", \"cycles\": ", at)) != std::string::npos;) {
      lines.erase(at, lines.find('}', at) - at);
    }
    return lines;
  }
  Ran answers_of(const char* engine) const {
    return test::run("eptsim walk --memory image --context context --requests requests --engine " +
                         std::string(engine),
                     folder_);
  }
  TestFolder folder_;
};

TEST_P(WalkEngines, GiveTheSameAnswersByteForByte) {
  const Feature& feature = GetParam();
  folder_.write("image", feature.image.bytes());
  folder_.write("context", feature.context);
  folder_.write("requests", feature.requests);
  const Ran model = answers_of("model");
  EXPECT_EQ(model.status, 0) << model.err;
  for (const std::string& part : feature.shown) {
    EXPECT_NE(model.out.find(part), std::string::npos) << part;
  }

  const Ran oracle = answers_of("oracle");
  EXPECT_EQ(oracle.status, 0) << oracle.err;
  EXPECT_EQ(without_cycles(oracle.out), without_cycles(model.out));

  const Ran systemc = answers_of("systemc");
  EXPECT_EQ(systemc.status, 0) << systemc.err;
  EXPECT_EQ(without_cycles(systemc.out), without_cycles(model.out));
  EXPECT_EQ(systemc.out == model.out, !feature.reads_other_words);

  const Ran rtl = answers_of("rtl");
  EXPECT_EQ(rtl.status, 0) << rtl.err;
  EXPECT_EQ(rtl.out, systemc.out);
}

INSTANTIATE_TEST_SUITE_P(Features, WalkEngines, testing::ValuesIn(features()),
                         [](const auto& feature) { return feature.param.name; });

}  // namespace
}  // namespace eptsim::sim::test
