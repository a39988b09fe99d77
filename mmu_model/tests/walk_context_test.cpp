#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "mmu_model/walk/walk.hpp"

// What contexts and requests are refused, and under which key.
namespace eptsim::mmu {
namespace {

using arch::AccessKind;
using Kind = ContextError::Kind;

Context nested() {
  Context context;
  context.ept_enabled = true;
  context.eptp = 0x101e;
  context.cr0 = 0x80010001;
  context.cr3 = 0x1000;
  context.cr4 = 0x20;
  context.efer = 0xd00;
  return context;
}

void expect_accepted(const Context& context) {
  const auto error = check(context);
  EXPECT_FALSE(error) << error->key << ": " << error->text;
}
void expect_error(const Context& context, Kind kind, const std::string& key,
                  const std::string& part = "") {
  const auto error = check(context);
  ASSERT_TRUE(error) << key << ' ' << part;
  EXPECT_EQ(error->kind, kind) << error->text;
  EXPECT_EQ(error->key, key) << error->text;
  EXPECT_NE(error->text.find(part), std::string::npos) << error->text;
}

TEST(WalkContextCheck, PlainContextsAreAccepted) {
  expect_accepted(nested());
  expect_accepted({});
  Context native = nested();
  native.ept_enabled = false;
  native.eptp = ~0ull;  // no matter with EPT off
  expect_accepted(native);
  Context five = nested();
  five.eptp = 0x1026;
  five.cr4 = 0x1020;
  expect_accepted(five);
}

TEST(WalkContextCheck, TheEptpIsCheckedBitByBit) {
  for (std::uint64_t type = 0; type < 8; ++type) {
    Context context = nested();
    context.eptp = 0x1018 | type;
    type == 0 || type == 6 ? expect_accepted(context)
                           : expect_error(context, Kind::kRefused, "eptp", "bits 2:0");
  }
  for (std::uint64_t length = 0; length < 8; ++length) {
    Context context = nested();
    context.eptp = 0x1006 | length << 3;
    length == 3 || length == 4 ? expect_accepted(context)
                               : expect_error(context, Kind::kRefused, "eptp", "bits 5:3");
  }
  for (const unsigned width : {32u, 39u, 46u, 52u}) {
    for (unsigned bit = 6; bit < 64; ++bit) {
      Context context = nested();
      context.cpu.maxphyaddr = width;
      context.eptp |= 1ull << bit;
      if (bit == 6 || (bit >= 12 && bit < width)) {
        expect_accepted(context);
      } else {
        expect_error(context, Kind::kRefused, "eptp");
      }
    }
  }
}

TEST(WalkContextCheck, Bit7OfTheEptpIsTakenWithItsCapabilityOnly) {
  Context context = nested();
  context.eptp |= 1u << 7;
  expect_error(context, Kind::kRefused, "eptp", "bit 7");
  context.cpu.supervisor_shadow_stack = true;
  expect_accepted(context);
}

TEST(WalkContextCheck, ControlsThatNeedTheEptAreRefusedWithoutIt) {
  const std::pair<const char*, bool Controls::*> controls[] = {
      {"mode_based_execute", &Controls::mode_based_execute},
      {"sub_page_permission", &Controls::sub_page_permission},
      {"pml", &Controls::pml},
      {"paging_write", &Controls::paging_write},
      {"guest_paging_verification", &Controls::guest_paging_verification},
      {"hlat", &Controls::hlat},
  };
  for (const auto& [key, member] : controls) {
    Context context = nested();
    context.ept_enabled = false;
    context.controls.*member = true;
    expect_error(context, Kind::kRefused, key, "EPT");
  }
}

TEST(WalkContextCheck, PointersAreAlignedAndWithinTheWidth) {
  struct Pointer {
    const char* key;
    bool Controls::* control;
    std::uint64_t Context::* address;
  };
  const Pointer pointers[] = {
      {"pml_address", &Controls::pml, &Context::pml_address},
      {"ve_info_address", &Controls::ept_violation_ve, &Context::ve_info_address},
      {"sppt_pointer", &Controls::sub_page_permission, &Context::sppt_pointer},
  };
  for (const Pointer& pointer : pointers) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      Context context = nested();
      context.controls.*pointer.control = true;
      context.*pointer.address = 1ull << bit;
      const bool valid = bit >= 12 && bit < 46;
      valid ? expect_accepted(context) : expect_error(context, Kind::kRefused, pointer.key);
      // Without its control the pointer is not looked at.
      context.controls.*pointer.control = false;
      expect_accepted(context);
    }
  }
  for (unsigned bit = 0; bit < 64; ++bit) {
    Context context = nested();
    context.controls.hlat = true;
    context.hlat_pointer = 1ull << bit;
    const bool valid = bit == 3 || bit == 4 || (bit >= 12 && bit < 46);
    valid ? expect_accepted(context) : expect_error(context, Kind::kRefused, "hlat_pointer");
  }
}

TEST(WalkContextCheck, GuestStateFollowsVmEntry) {
  Context context = nested();
  context.cr0 &= ~1ull;
  expect_error(context, Kind::kRefused, "cr0", "PE");
  context = nested();
  context.efer = 0x900;  // LME without LMA
  expect_error(context, Kind::kRefused, "efer", "LMA");
  context.efer = 0xc00;  // LMA without LME
  expect_error(context, Kind::kRefused, "efer", "LMA");
  context = nested();
  context.cr0 = 1;  // LMA without PG
  expect_error(context, Kind::kRefused, "efer", "LMA");
  context = nested();
  context.cr4 = 0;
  expect_error(context, Kind::kRefused, "cr4", "PAE");
  context = nested();
  context.cr4 |= 1u << 23;
  expect_accepted(context);
  context.cr0 &= ~(1ull << 16);
  expect_error(context, Kind::kRefused, "cr4", "WP");
  for (unsigned bit = 12; bit < 64; ++bit) {
    context = nested();
    context.cr3 = 1ull << bit;
    if (bit < 46) {
      expect_accepted(context);
    } else if (bit == 61 || bit == 62) {
      expect_error(context, Kind::kUnsupported, "cr4", "LAM");
    } else {
      expect_error(context, Kind::kRefused, "cr3");
    }
  }
  for (unsigned index = 0; index < 8; ++index) {
    for (const std::uint64_t type : {2, 3, 8, 0x16, 0x80}) {
      context = nested();
      context.pat = type << (8 * index);
      expect_error(context, Kind::kRefused, "pat");
    }
  }
  for (const unsigned width : {31u, 53u, 0u}) {
    context = nested();
    context.cpu.maxphyaddr = width;
    expect_error(context, Kind::kRefused, "maxphyaddr");
  }
}

TEST(WalkContextCheck, PdptesBelongToPaePagingWithEpt) {
  Context context = nested();
  context.pdptes = {{0, 0, 0, 0}};
  expect_error(context, Kind::kRefused, "pdptes");
  context.efer = 0x800;  // PAE paging
  expect_accepted(context);
  for (unsigned bit = 1; bit < 64; ++bit) {
    context.pdptes = {{0, 0, 0, 1 | 1ull << bit}};
    const bool reserved = bit <= 2 || (bit >= 5 && bit <= 8) || bit >= 46;
    reserved ? expect_error(context, Kind::kRefused, "pdptes") : expect_accepted(context);
    context.pdptes = {{0, 0, 0, 1ull << bit}};  // not present: not checked
    expect_accepted(context);
  }
  context.pdptes.reset();
  expect_error(context, Kind::kRefused, "pdptes", "required");
  context.ept_enabled = false;  // then they are in memory
  expect_accepted(context);
}

TEST(WalkContextCheck, MaskedLinearAddressesAreTheOneThingMissing) {
  Context context = nested();
  context.cr4 |= 1u << 28;
  expect_error(context, Kind::kUnsupported, "cr4", "LAM");
}

TEST(WalkContextCheck, RequestsAreChecked) {
  const Context wide = nested();
  Context stacks = nested();
  stacks.cr4 |= 1u << 23;
  Context flat = nested();
  flat.cr0 = 1;
  flat.efer = 0;
  struct Case {
    const Context& context;
    Request request;
    const char* key;  ///< null: accepted
  };
  const std::uint64_t top = 1ull << 46;
  const Case cases[] = {
      {wide, {.address = ~0ull}, nullptr},
      {flat, {.address = 0xffff'ffff}, nullptr},
      {flat, {.address = 0x1'0000'0000}, "gva"},
      {wide, {.size = 0}, "size"},
      {wide, {.size = 64}, nullptr},
      {wide, {.size = 65}, "size"},
      {wide, {.access = AccessKind::kShadowStackRead}, "access"},
      {wide, {.access = AccessKind::kShadowStackWrite}, "access"},
      {stacks, {.access = AccessKind::kShadowStackRead}, nullptr},
      {stacks, {.access = AccessKind::kShadowStackWrite}, nullptr},
      {wide, {.address = top - 1, .linear = false}, nullptr},
      {wide, {.address = top, .linear = false}, "gpa"},
      {wide, {.address = top - 1, .linear = false, .size = 2}, "gpa"},
      {wide, {.address = ~0ull, .linear = false, .size = 2}, "gpa"},
      {wide, {.linear = false, .user = true}, "user"},
      {wide, {.linear = false, .implicit = true}, "implicit"},
  };
  for (const Case& c : cases) {
    const auto error = check(c.context, c.request);
    EXPECT_EQ(error.has_value(), c.key != nullptr) << (&c - cases);
    if (!error || c.key == nullptr) continue;
    EXPECT_EQ(error->key, c.key);
    EXPECT_EQ(error->kind, Kind::kRefused);
  }
}

}  // namespace
}  // namespace eptsim::mmu
