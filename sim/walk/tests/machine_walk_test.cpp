#include "sim/walk/machine_walk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "sim/walk/model_engine.hpp"
#include "sim/walk/tests/refused_accesses.hpp"

namespace eptsim::sim {
namespace {

using mmu::MemoryLevel;
using test::Case;
using test::Memory;
using testing::Each;
using testing::ElementsAre;

/// A walk with every cache off, and what a machine makes of it.
struct Walked {
  WalkAnswer answer;
  MachineWalk on_machine;
};

Walked walk(const mmu::MachineSettings& machine, const test::World& world,
            const mmu::Request& request) {
  const mmu::WalkContext context(world.context);
  Walked out;
  Memory memory(world.image);
  ModelEngine(context, memory, machine.memory.dram.cycles).answer(request, out.answer);
  Memory anew(world.image);
  out.on_machine = walk_on_machine(machine, context, request, out.answer.recording, anew);
  return out;
}

mmu::MachineSettings with_structure_caches() {
  mmu::MachineSettings machine;
  for (const std::size_t level : {2, 3, 4}) {
    machine.walker.combined.at(level) = 4;
    machine.walker.ept.at(level) = 4;
  }
  return machine;
}

/// By reference: whether it was read.
std::vector<bool> was_read(const MachineWalk& walk) {
  std::vector<bool> out;
  for (const auto& read : walk.reads) out.push_back(read.has_value());
  return out;
}

TEST(MachineWalk, WithoutAnyCacheMakesEachReferenceAndTakesTheEnginesTime) {
  std::vector<Case> cases = test::all_cases();
  cases.push_back({.reason = {},
                   .world = {test::image(), test::context()},
                   .request = {.address = 0x5ff8, .access = arch::AccessKind::kWrite, .size = 8}});
  for (const Case& it : cases) {
    const auto [answer, on_machine] = walk({}, it.world, it.request);
    EXPECT_THAT(was_read(on_machine), Each(true));
    EXPECT_EQ(on_machine.references, answer.recording.references.size());
    EXPECT_EQ(on_machine.cycles, answer.cycles);
  }
}

TEST(MachineWalk, StructureCachesFilledOnTheWaySpareTheUpperLevelsOfTheEpt) {
  const Walked walked = walk(with_structure_caches(), {test::image(), test::context()},
                             test::request(arch::AccessKind::kRead));
  const bool yes = true;
  const bool no = false;
  EXPECT_THAT(was_read(walked.on_machine), ElementsAre(yes, yes, yes, yes, yes,  //
                                                       no, no, no, yes, yes,     //
                                                       no, no, no, yes, yes,     //
                                                       no, no, no, yes, yes,     //
                                                       no, no, no, yes));
  EXPECT_EQ(walked.on_machine.references, 12u);
}

TEST(MachineWalk, TheSecondPageOfAnAccessFindsWhatTheFirstHasLeft) {
  test::World world{test::image(), test::context()};
  world.image.guest_page(6, 0x21007);
  const Walked walked =
      walk(with_structure_caches(), world, {.address = 0x5ffc, .linear = true, .size = 8});
  EXPECT_EQ(walked.answer.recording.references.size(), 48u);
  // Of the upper page: the guest's PTE, whose table a combined cache has, and the EPT's.
  EXPECT_EQ(walked.on_machine.references, 12u + 2u);
}

TEST(MachineWalk, WhatAStructureCacheRefusesIsReadAgain) {
  test::World world{test::image(), test::context()};
  world.image.ept_page(0x20, 3);
  const Walked walked =
      walk(with_structure_caches(), world, test::request(arch::AccessKind::kFetch));
  EXPECT_EQ(walked.on_machine.references, 12u + 24u);
  ASSERT_TRUE(walked.on_machine.reads.front());
  EXPECT_EQ(walked.on_machine.reads.front()->served_by.size(), 2u);
  ASSERT_TRUE(walked.on_machine.reads.at(5));
  EXPECT_EQ(walked.on_machine.reads.at(5)->served_by.size(), 1u);
}

TEST(MachineWalk, DataCachesServeWhatLiesInALineThatTheWalkHasBrought) {
  mmu::MachineSettings machine;
  machine.memory.l1d = {.bytes = 32768, .ways = 8, .hit_cycles = 4};
  machine.memory.dram.cycles = 200;
  const Walked walked =
      walk(machine, {test::image(), test::context()}, test::request(arch::AccessKind::kRead));
  const auto& reads = walked.on_machine.reads;
  for (const std::size_t first : {0, 1, 2, 3, 4, 9, 14, 19}) {
    EXPECT_THAT(reads.at(first)->served_by, ElementsAre(MemoryLevel::kDram)) << first;
    EXPECT_EQ(reads.at(first)->cycles, 205u) << first;
  }
  // The guest's tables are neighbours, and so are the EPT's entries for them: 0x4080 to 0x4098.
  for (const std::size_t again : {5, 6, 7, 8, 10, 13, 18, 20}) {
    EXPECT_THAT(reads.at(again)->served_by, ElementsAre(MemoryLevel::kL1d)) << again;
    EXPECT_EQ(reads.at(again)->cycles, 5u) << again;
  }
}

}  // namespace
}  // namespace eptsim::sim
