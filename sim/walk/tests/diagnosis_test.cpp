#include "sim/walk/diagnosis.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "ept/arch/registers.hpp"
#include "sim/walk/model_engine.hpp"
#include "sim/walk/oracle_engine.hpp"
#include "sim/walk/tests/refused_accesses.hpp"

// A diagnosis is put to the proof: what it says has to change is changed, in memory or in the
// context, as its words say it, and the access is made again.
namespace eptsim::sim {
namespace {

using mmu::Context;
using mmu::Reason;
using mmu::Request;
using test::all_cases;
using test::Case;
using test::context;
using test::image;
using test::Memory;
using test::request;
using test::WalkImage;
using test::World;

constexpr arch::AccessKind kRead = arch::AccessKind::kRead;
constexpr arch::AccessKind kWrite = arch::AccessKind::kWrite;

struct Examined {
  Reason reason;
  Diagnosis diagnosis;
};

Examined examine(const World& world, const Request& request) {
  const auto error = check(world.context);
  EXPECT_FALSE(error) << error->key << ": " << error->text;
  Memory memory(world.image);
  ModelEngine engine(mmu::WalkContext(world.context), memory, 1);
  WalkAnswer answer;
  engine.answer(request, answer);
  return {answer.outcome.reason, diagnose(world.context, request, answer,
                                          walk_path(world.context, request, answer.recording))};
}

/// A register that `name` begins, as a context holds it.
void set_register(Context& context, const std::string& name, unsigned bit, bool to) {
  const auto put = [&](auto& word) {
    using Word = std::remove_reference_t<decltype(word)>;
    const Word mask = static_cast<Word>(Word{1} << bit);
    word = static_cast<Word>(to ? word | mask : word & ~mask);
  };
  if (name == "CR0.WP") return put(context.cr0);
  if (name.starts_with("CR4.")) return put(context.cr4);
  if (name == "EFER.NXE") return put(context.efer);
  if (name.starts_with("PKRU.")) return put(context.pkru);
  if (name.starts_with("IA32_PKRS.")) return put(context.pkrs);
  ASSERT_EQ(name, "RFLAGS.AC");
  ASSERT_EQ(bit, 18u);
  context.rflags_ac = to;
}

/// The number that follows `mark`, which must be there.
std::uint64_t number_after(const std::string& text, const std::string& mark) {
  const std::size_t at = text.find(mark);
  EXPECT_NE(at, std::string::npos) << '\'' << mark << "' in: " << text;
  return at == std::string::npos ? 0 : std::stoull(text.substr(at + mark.size()), nullptr, 0);
}

/// Does what `change` says.
void apply(World& world, Request& request, std::string change) {
  const std::string instead = "or instead ";
  if (change.starts_with(instead)) change.erase(0, instead.size());
  if (change.find(" at host-physical ") != std::string::npos) {
    const bool narrow =
        !arch::cr4::kPae.any(world.context.cr4) && change.find("guest ") != std::string::npos;
    world.image.store(number_after(change, " at host-physical "), number_after(change, "makes it "),
                      narrow ? 4 : 8);
  } else if (change.starts_with("PDPTE register ")) {
    const std::uint64_t number = number_after(change, "PDPTE register ");
    ASSERT_EQ(number_after(change, "(VMCS field "), 0x280a + 2 * number);
    world.context.pdptes->at(number) = number_after(change, "which makes it ");
  } else if (change.starts_with("the address: ") && change.ends_with(" is canonical")) {
    request.address = number_after(change, "the address: ");
  } else if (change.starts_with("EPTP bits 5:3 from 3 to 4")) {
    // The level-5 table that the words ask for: its two first entries lead to the old root.
    world.image.store(0x3f000, (world.context.eptp & ~0xfffull) | WalkImage::kAll);
    world.image.store(0x3f008, (world.context.eptp & ~0xfffull) | WalkImage::kAll);
    world.context.eptp = 0x3f000 | (world.context.eptp & 0xfff & ~0x38ull) | 4 << 3;
  } else if (change.starts_with("the PML index")) {
    world.context.pml_index = static_cast<std::uint16_t>(number_after(change, ": to "));
  } else {
    const std::uint64_t to = number_after(change, " to ");
    EXPECT_EQ(number_after(change, " from "), 1 - to);
    set_register(world.context, change.substr(0, change.find(" (bit ")),
                 static_cast<unsigned>(number_after(change, " (bit ")), to != 0);
  }
}

/// Applies `changes` to a copy of the world, and looks why the access now fails.
Examined examine_changed(World world, Request request, const std::vector<std::string>& changes) {
  for (const std::string& change : changes) apply(world, request, change);
  return examine(world, request);
}

TEST(Diagnosis, WhatItSaysMustChangeLetsTheAccessThrough) {
  const std::vector<Case> cases = all_cases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& it = cases[i];
    const Examined first = examine(it.world, it.request);
    SCOPED_TRACE(testing::Message() << "case " << i << ": " << first.diagnosis.why);
    EXPECT_EQ(first.reason, it.reason);

    std::vector<std::vector<std::string>> ways(1);
    for (const std::string& change : first.diagnosis.changes) {
      if (first.diagnosis.one_is_enough || change.starts_with("or instead ")) {
        ways.push_back({change});
      } else {
        ways[0].push_back(change);
      }
    }
    if (ways[0].empty()) ways.erase(ways.begin());
    EXPECT_FALSE(ways.empty());
    for (const std::vector<std::string>& way : ways) {
      const Examined then = examine_changed(it.world, it.request, way);
      EXPECT_EQ(then.reason, it.then)
          << testing::PrintToString(way) << "\nthen: " << then.diagnosis.why;
    }
  }
}

// All of several changes are needed: with any one left out the access still fails, and for the
// reason that it had.
TEST(Diagnosis, WhatItSaysMustChangeIsNotMoreThanNeeded) {
  for (const Case& it : all_cases()) {
    const Examined first = examine(it.world, it.request);
    SCOPED_TRACE(first.diagnosis.why);
    if (first.diagnosis.one_is_enough) continue;
    std::vector<std::string> needed;
    for (const std::string& change : first.diagnosis.changes) {
      if (!change.starts_with("or instead ")) needed.push_back(change);
    }
    for (std::size_t left_out = 0; needed.size() > 1 && left_out < needed.size(); ++left_out) {
      std::vector<std::string> fewer = needed;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(left_out));
      EXPECT_EQ(examine_changed(it.world, it.request, fewer).reason, it.reason)
          << "not needed: " << needed[left_out];
    }
  }
}

TEST(Diagnosis, ThereIsOneForEachReason) {
  std::set<Reason> reasons;
  for (const Case& it : all_cases()) reasons.insert(it.reason);
  for (unsigned i = 1; i <= static_cast<unsigned>(Reason::kSppMisconfiguration); ++i) {
    EXPECT_TRUE(reasons.contains(static_cast<Reason>(i))) << "reason " << i;
  }
}

// The oracle itself does not say for which guest entry the EPT was walked.
TEST(OracleEngine, PutsEachReferenceWhereTheModelDoes) {
  for (const Case& it : all_cases()) {
    Memory memory(it.world.image);
    Memory same(it.world.image);
    WalkAnswer model;
    ModelEngine(mmu::WalkContext(it.world.context), memory, 1).answer(it.request, model);
    WalkAnswer oracle;
    OracleEngine engine(it.world.context, same);
    ASSERT_FALSE(engine.missing(it.request));
    engine.answer(it.request, oracle);
    ASSERT_EQ(oracle.recording.references.size(), model.recording.references.size());
    for (std::size_t i = 0; i < model.recording.references.size(); ++i) {
      const mmu::Reference& reference = model.recording.references[i];
      EXPECT_EQ(oracle.recording.references[i].place, reference.place)
          << "reference " << i << " of a walk to " << it.request.address;
      EXPECT_EQ(oracle.recording.references[i].address, reference.address);
    }
  }
}

TEST(Diagnosis, ItTellsWhyAViolationIsAnExitOrAnException) {
  World world{image().ept_page(0x20, 5), context()};
  world.context.controls.ept_violation_ve = true;
  world.context.ve_info_address = 0x30000;
  const auto why = [&world] { return examine(world, request(kWrite)).diagnosis.why; };
  EXPECT_NE(why().find("SUPPRESS_VE (bit 63) is 0 in the EPT PTE, so the guest is told by #VE"),
            std::string::npos);
  world.image.store(0x30000, 0xffff'ffff'0000'0000);
  EXPECT_NE(why().find("no #VE, because the dword at host-physical 0x30004"), std::string::npos);
  world.image.ept_page(0x20, 1ull << 63 | 5);
  EXPECT_NE(why().find("no #VE, because SUPPRESS_VE (bit 63) is 1 in the EPT PTE"),
            std::string::npos);
}

// A table that is made of a large page by clearing bit 7 would be read from the page's own bytes.
TEST(Diagnosis, ALargePageThatTheProcessorLacksNeedsATable) {
  World world{image().store(0x3000, 0x40b7), context()};
  world.context.cpu.page_2m = false;
  const Examined it = examine(world, request(kRead));
  EXPECT_EQ(it.reason, Reason::kEptReservedBit);
  ASSERT_EQ(it.diagnosis.changes.size(), 2u);
  EXPECT_EQ(it.diagnosis.changes[0],
            "EPT PDE at host-physical 0x3000: bits 4, 5 and 7 from 1 to 0, which makes it 0x4007");
  EXPECT_NE(it.diagnosis.changes[1].find("a table that maps the same range in smaller pages"),
            std::string::npos);
}

TEST(Diagnosis, AnEntryWithoutAnAddressNeedsOneToo) {
  const auto second_change = [](const WalkImage& memory, const Request& access) {
    const Examined it = examine({memory, context()}, access);
    return it.diagnosis.changes.size() == 2 ? it.diagnosis.changes[1] : it.diagnosis.why;
  };
  const std::string address = "and its address bits, which are 0, to those of a ";
  EXPECT_EQ(second_change(image().store(0x4100, 0), request(kRead)), address + "page");
  EXPECT_EQ(second_change(image().store(0x3000, 0), request(kRead)),
            address + "table, or of a large page with bit 7");
  EXPECT_EQ(second_change(image(), request(kRead, false, 1ull << 39)), address + "table");
}

}  // namespace
}  // namespace eptsim::sim
