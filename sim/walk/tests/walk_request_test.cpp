#include "sim/walk/walk_request.hpp"

#include <gtest/gtest.h>

#include <string>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

/// A 4-level guest on a 4-level EPT.
mmu::Context long_mode() {
  mmu::Context context;
  context.ept_enabled = true;
  context.eptp = 0x101e;
  context.cr0 = 0x80010001;
  context.cr4 = 0x20;
  context.efer = 0xd00;
  return context;
}

std::string message_of(std::string_view line) {
  const mmu::Context context = long_mode();
  RequestLineParser parser("requests", context);
  try {
    parser.parse(line, 3);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(WalkRequest, ALineGivesItsRequestAndItsIdAsItStood) {
  const mmu::Context context = long_mode();
  RequestLineParser parser("requests", context);
  const WalkRequest& request = parser.parse(
      R"({"id": "a\"b", "gva": "0x7f0012345678", "access": "write", "user": true, "size": 8})", 1);
  EXPECT_EQ(request.id, R"("a\"b")");
  EXPECT_TRUE(request.request.linear);
  EXPECT_EQ(request.request.address, 0x7f0012345678u);
  EXPECT_EQ(request.request.access, arch::AccessKind::kWrite);
  EXPECT_TRUE(request.request.user);
  EXPECT_EQ(request.request.size, 8);

  const WalkRequest& next = parser.parse(R"({"gpa": 4096})", 2);
  EXPECT_EQ(next.id, "");
  EXPECT_FALSE(next.request.linear);
  EXPECT_EQ(next.request.address, 4096u);
  EXPECT_EQ(next.request.access, arch::AccessKind::kRead);
  EXPECT_FALSE(next.request.user);
  EXPECT_EQ(next.request.size, 1);
}

TEST(WalkRequest, WhatIsWrongWithALineIsToldWithItsPlace) {
  EXPECT_EQ(message_of(R"({"id": 1})"), "requests:3:1: neither gva nor gpa, expected one");
  EXPECT_EQ(message_of(R"({"gva": 0, "gpa": 0})"), "requests:3:12: both gva and gpa, expected one");
  EXPECT_EQ(message_of(R"({"gva": 0, "acess": "read"})"),
            "requests:3:12: unknown key 'acess' in a request");
  EXPECT_EQ(message_of(R"({"gva": 0, "access": "peek"})"),
            "requests:3:22: unknown access 'peek', expected one of read, write, fetch, "
            "read_modify_write, shadow_stack_read, shadow_stack_write");
  EXPECT_EQ(message_of(R"({"gva": 0, "size": 65})"),
            "requests:3:20: size is 65, expected a number from 0 to 0x40, decimal or \"0x…\"");
  EXPECT_EQ(message_of(R"({"gva": 0, "size": 0})"), "requests:3:1: size must be 1 to 64");
  EXPECT_EQ(message_of(R"({"gpa": 0, "user": true})"),
            "requests:3:1: user belongs to linear addresses only");
  EXPECT_EQ(message_of(R"({"gpa": "0x400000000000"})"),
            "requests:3:1: gpa must lie within the physical-address width");
  EXPECT_EQ(message_of(R"({"gva": 0, "id": null})"),
            "requests:3:18: id is null, expected a number or a string");
  EXPECT_EQ(message_of(R"({"gva": 0, "id": []})"),
            "requests:3:18: id is [], expected a number or a string");
  EXPECT_EQ(message_of(R"({"gva": 0, "id": [1]})"),
            "requests:3:12: id is an array, expected a single value");
  EXPECT_EQ(message_of(R"({"gva": {"a": 0}})"),
            "requests:3:10: gva is an object, expected a single value");
  EXPECT_EQ(message_of(R"({"gva": 99999999999999999999})"),
            "requests:3:9: gva is 99999999999999999999, expected a number from 0 to "
            "0xffffffffffffffff, decimal or \"0x…\"");
}

}  // namespace
}  // namespace eptsim::sim
