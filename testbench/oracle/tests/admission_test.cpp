#include <gtest/gtest.h>

#include <functional>

#include "testbench/oracle/tests/world.hpp"

namespace eptsim::oracle::test {
namespace {

using Change = std::function<void(State&)>;

bool is_refused(const Change& change, unsigned ept_levels = 4) {
  World world(4, ept_levels);
  EXPECT_EQ(refused(world.state), std::nullopt);
  change(world.state);
  return refused(world.state).has_value();
}

TEST(Admission, TheEptpMustBeValid) {
  for (std::uint64_t type = 0; type < 8; ++type) {
    EXPECT_EQ(is_refused([&](State& s) { s.eptp = 0x1018 | type; }), type != 0 && type != 6);
  }
  for (std::uint64_t length = 0; length < 8; ++length) {
    EXPECT_EQ(is_refused([&](State& s) { s.eptp = 0x1006 | length << 3; }),
              length != 3 && length != 4);
  }
  for (unsigned number = 6; number < 64; ++number) {
    const bool allowed = number == 6 || (number >= 12 && number < 46);
    EXPECT_EQ(is_refused([&](State& s) { s.eptp = 0x1e | std::uint64_t{1} << number; }), !allowed)
        << number;
  }
  EXPECT_FALSE(is_refused([](State& s) {
    s.eptp = 0x109e;
    s.cpu.supervisor_shadow_stack = true;
  }));
}

TEST(Admission, TheFeaturesOfTheEptNeedTheEpt) {
  const Change changes[] = {
      [](State& s) { s.controls.pml = true; },
      [](State& s) { s.controls.mode_based_execute = true; },
      [](State& s) { s.controls.sub_page_permission = true; },
      [](State& s) { s.controls.hlat = true; },
      [](State& s) { s.controls.paging_write = true; },
      [](State& s) { s.controls.guest_paging_verification = true; },
  };
  for (const Change& change : changes) {
    EXPECT_TRUE(is_refused(change, 0));
    EXPECT_FALSE(is_refused(change, 4));
  }
  EXPECT_FALSE(is_refused([](State& s) { s.controls.ept_violation_ve = true; }, 0));
}

TEST(Admission, PointersAreAlignedAndInRangeWhereTheyAreUsed) {
  struct Pointer {
    std::uint64_t State::* address;
    bool Controls::* control;
    std::uint64_t allowed_low_bits;
  };
  const Pointer pointers[] = {
      {&State::pml_address, &Controls::pml, 0},
      {&State::ve_info_address, &Controls::ept_violation_ve, 0},
      {&State::sppt_pointer, &Controls::sub_page_permission, 0},
      {&State::hlat_pointer, &Controls::hlat, 0x18},
  };
  for (const Pointer& pointer : pointers) {
    for (unsigned number = 0; number < 64; ++number) {
      const std::uint64_t value = std::uint64_t{1} << number;
      const bool allowed = (value & pointer.allowed_low_bits) != 0 || (number >= 12 && number < 46);
      EXPECT_EQ(is_refused([&](State& s) {
                  s.controls.*pointer.control = true;
                  s.*pointer.address = value;
                }),
                !allowed)
          << number;
      EXPECT_FALSE(is_refused([&](State& s) { s.*pointer.address = value; }));
    }
  }
}

TEST(Admission, RegistersMustAgree) {
  EXPECT_TRUE(is_refused([](State& s) { s.cr0 = 0x80000000; }));
  EXPECT_TRUE(is_refused([](State& s) { s.cr0 = 1; }));
  EXPECT_TRUE(is_refused([](State& s) { s.efer = 0x100; }));
  EXPECT_TRUE(is_refused([](State& s) { s.cr4 = 0; }));
  EXPECT_TRUE(is_refused([](State& s) { s.cr4 |= std::uint64_t{1} << 28; }));
  EXPECT_FALSE(is_refused([](State& s) { s.cr4 |= kCr4Cet; }));
  EXPECT_TRUE(is_refused([](State& s) {
    s.cr4 |= kCr4Cet;
    s.cr0 &= ~std::uint64_t{0x10000};
  }));
  for (unsigned number = 0; number < 64; ++number) {
    EXPECT_EQ(is_refused([&](State& s) { s.cr3 = std::uint64_t{1} << number; }), number >= 46);
  }
  for (std::uint64_t type = 0; type < 256; ++type) {
    const bool allowed = type == 0 || type == 1 || (type >= 4 && type <= 7);
    EXPECT_EQ(is_refused([&](State& s) { s.pat = type << 56; }), !allowed) << type;
  }
}

TEST(Admission, PdptesOfAPaeGuestHaveNoReservedBitsIfPresent) {
  const auto pae = [](World& world) {
    world.state.efer = 0;
    world.state.cr0 = kCr0;
    world.state.cr3 = 0x1020;
  };
  for (unsigned number = 1; number < 64; ++number) {
    const bool allowed = (number == 3 || number == 4) || (number >= 9 && number < 46);
    const std::uint64_t value = std::uint64_t{1} << number;
    World nested(0, 4);
    pae(nested);
    nested.state.pdptes[2] = value;
    EXPECT_EQ(refused(nested.state), std::nullopt);
    nested.state.pdptes[2] |= 1;
    EXPECT_EQ(refused(nested.state).has_value(), !allowed) << number;

    World native(0, 0);
    pae(native);
    native.put(0x1030, value | 1);
    EXPECT_EQ(refused(native.state), std::nullopt);
    EXPECT_EQ(refused(native.state, native.memory()).has_value(), !allowed) << number;
  }
}

TEST(Admission, RequestsWithoutMeaningAreNamed) {
  World world(4, 4);
  const auto supported = [&](const Access& access) { return !unsupported(world.state, access); };
  EXPECT_TRUE(supported({.address = ~std::uint64_t{0}, .size = 64}));
  EXPECT_FALSE(supported({.size = 0}));
  EXPECT_FALSE(supported({.size = 65}));
  EXPECT_FALSE(supported({.kind = Kind::kShadowStackRead}));
  EXPECT_FALSE(supported({.linear = false, .user = true}));
  EXPECT_FALSE(supported({.linear = false, .implicit = true}));
  EXPECT_TRUE(supported({.address = 0x3fffffffffff, .linear = false}));
  EXPECT_FALSE(supported({.address = 0x3fffffffffff, .linear = false, .size = 2}));
  world.state.cr4 |= kCr4Cet;
  EXPECT_TRUE(supported({.kind = Kind::kShadowStackRead}));
  world.state.efer = 0;
  EXPECT_FALSE(supported({.address = 0x100000000}));
  EXPECT_TRUE(supported({.address = 0xffffffff}));
}

}  // namespace
}  // namespace eptsim::oracle::test
