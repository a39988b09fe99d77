#include "sim/walk/context_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

class ContextFileTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() /
             ("eptsim-context-" + std::to_string(::getpid()) + ".json"))
                .string();
  }
  void TearDown() override { std::filesystem::remove(path_); }

  mmu::Context read(const std::string& text) const {
    std::ofstream(path_) << text;
    return read_context(path_);
  }
  /// The message without the file's name.
  std::string message_of(const std::string& text) const {
    try {
      read(text);
    } catch (const InputError& error) {
      return std::string(error.what()).substr(path_.size());
    }
    return "accepted";
  }

  std::string path_;
};

TEST_F(ContextFileTest, WhatIsAbsentTakesItsDefault) {
  const mmu::Context context = read("{}");
  EXPECT_FALSE(context.ept_enabled);
  EXPECT_EQ(context.cr0, 0u);
  EXPECT_EQ(context.pat, 0x0007040600070406u);
  EXPECT_EQ(context.cpu.maxphyaddr, 46u);
  EXPECT_TRUE(context.cpu.execute_only);
  EXPECT_TRUE(context.cpu.page_1g);
  EXPECT_FALSE(context.cpu.advanced_exit_info);
  EXPECT_EQ(context.vpid, 1);
  EXPECT_EQ(context.pml_index, 511);
}

TEST_F(ContextFileTest, EachKeyReachesItsField) {
  const mmu::Context context = read(R"({
    "eptp": "0x105e", "cr0": "0x80010001", "cr3": "0x3000", "cr4": "0x300020", "efer": "0xd00",
    "pkru": "0x5", "pat": "0x0606060606060606", "rflags_ac": true, "vpid": 9,
    "cpu": {"maxphyaddr": 39, "execute_only": false, "page_1g": false, "page_2m": false,
            "guest_page_1g": false, "advanced_exit_info": true},
    "controls": {"mode_based_execute": true}})");
  EXPECT_TRUE(context.ept_enabled);
  EXPECT_EQ(context.eptp, 0x105eu);
  EXPECT_EQ(context.cr3, 0x3000u);
  EXPECT_EQ(context.cr4, 0x300020u);
  EXPECT_EQ(context.pkru, 5u);
  EXPECT_EQ(context.pat, 0x0606060606060606u);
  EXPECT_TRUE(context.rflags_ac);
  EXPECT_EQ(context.vpid, 9);
  EXPECT_EQ(context.cpu.maxphyaddr, 39u);
  EXPECT_FALSE(context.cpu.execute_only);
  EXPECT_FALSE(context.cpu.page_1g);
  EXPECT_FALSE(context.cpu.page_2m);
  EXPECT_FALSE(context.cpu.guest_page_1g);
  EXPECT_TRUE(context.cpu.advanced_exit_info);
  EXPECT_TRUE(context.controls.mode_based_execute);
}

TEST_F(ContextFileTest, NullTurnsEptOff) { EXPECT_FALSE(read(R"({"eptp": null})").ept_enabled); }

TEST_F(ContextFileTest, MistakesAreToldWithLineAndColumn) {
  EXPECT_EQ(message_of("{\n \"cr5\": 0}"), ":2:2: unknown key 'cr5' in a context");
  EXPECT_EQ(message_of("{\"cr3\": true}"),
            ":1:9: cr3 is true, expected a number from 0 to 0xffffffffffffffff, decimal or "
            "\"0x…\"");
  EXPECT_EQ(message_of("{\"vpid\": 65536}"),
            ":1:10: vpid is 65536, expected a number from 0 to 0xffff, decimal or \"0x…\"");
  EXPECT_EQ(message_of("{\"controls\": {\"hlat\": 1}}"),
            ":1:23: controls.hlat is 1, expected true or false");
  EXPECT_EQ(message_of("{\"pdptes\": [0, 0]}"), ":1:13: pdptes has 2 entries, expected 4");
  EXPECT_EQ(message_of("{\"pdptes\": [0, 0, 0, 0, 0]}"),
            ":1:2: unknown key 'pdptes[4]' in a context");
  EXPECT_EQ(message_of("{\"pdptes\": []}"), ":1:12: pdptes is [], expected an array of 4 numbers");
  EXPECT_EQ(message_of("{\"cpu\": 46}"), ":1:9: cpu is 46, expected an object");
  EXPECT_EQ(message_of("{\"cr3\": {}}"),
            ":1:9: cr3 is {}, expected a number from 0 to 0xffffffffffffffff, decimal or "
            "\"0x…\"");
}

TEST_F(ContextFileTest, WhatVmEntryRefusesIsRefusedAtItsKey) {
  const std::string message = message_of("{\"cr0\": 0,\n \"eptp\": \"0x1019\"}");
  EXPECT_EQ(message.substr(0, 29), ":2:10: VM entry refuses eptp:");
  EXPECT_NE(message.find("memory type"), std::string::npos) << message;
}

}  // namespace
}  // namespace eptsim::sim
