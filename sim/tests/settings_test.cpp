#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/number.hpp"
#include "sim/settings/built_walker.hpp"
#include "sim/settings/machine.hpp"
#include "sim/settings/machine_file.hpp"
#include "sim/settings/parameter.hpp"
#include "sim/settings/value.hpp"

namespace eptsim::sim {
namespace {

/// "place: problem" and, after a bar, the hint: what refusing `text` as a machine file says.
std::string refusal(const std::string& text, const std::vector<std::string>& sets = {}) {
  try {
    std::vector<Assignment> assignments;
    for (const std::string& set : sets) assignments.push_back(parse_assignment(set));
    resolve_machine_text(text, "m.toml", assignments);
  } catch (const InputError& error) {
    return error.what() + (error.hint().empty() ? "" : " | " + error.hint());
  }
  return "accepted";
}

std::string refusal_of_set(const std::string& set) { return refusal("", {set}); }

TEST(Numbers, AreDecimalOrHexadecimal) {
  EXPECT_EQ(parse_number("2048"), 2048u);
  EXPECT_EQ(parse_number("0x800"), 2048u);
  EXPECT_EQ(parse_number("1_000_000"), 1'000'000u);
  EXPECT_EQ(parse_number("18446744073709551615"), ~std::uint64_t{0});
  for (const char* wrong :
       {"", "-1", "+1", "1.5", "12x", "0x", "_1", "1_", "18446744073709551616"}) {
    EXPECT_EQ(parse_number(wrong), std::nullopt) << wrong;
  }
}

TEST(Numbers, SizesTakeABinaryUnit) {
  EXPECT_EQ(parse_bytes("64GiB"), std::uint64_t{64} << 30);
  EXPECT_EQ(parse_bytes("64 GiB"), std::uint64_t{64} << 30);
  EXPECT_EQ(parse_bytes("64G"), std::uint64_t{64} << 30);
  EXPECT_EQ(parse_bytes("1T"), std::uint64_t{1} << 40);
  EXPECT_EQ(parse_bytes("256M"), std::uint64_t{256} << 20);
  EXPECT_EQ(parse_bytes("64K"), 65'536u);
  EXPECT_EQ(parse_bytes("4096B"), 4096u);
  EXPECT_EQ(parse_bytes("0x1B"), 27u) << "a hexadecimal digit, no unit";
  for (const char* wrong : {"GiB", "64GB", "64 gigabytes", "16384PiB"}) {
    EXPECT_EQ(parse_bytes(wrong), std::nullopt) << wrong;
  }
}

TEST(Parameters, HaveAHelpLineAndARangeEach) {
  const Machine machine = resolve_machine("plain");
  for (const Parameter& parameter : parameters()) {
    EXPECT_FALSE(parameter.help.empty()) << parameter.key;
    EXPECT_EQ(parameter.unit.empty(), parameter.type == Parameter::Type::kWord) << parameter.key;
    EXPECT_EQ(find_parameter(parameter.key), &parameter) << "keys are unique";
    if (!parameter.applies_to(machine) || parameter.type == Parameter::Type::kWord) continue;
    EXPECT_GE(parameter.get(machine), parameter.minimum) << parameter.key;
    EXPECT_LE(parameter.get(machine), parameter.maximum) << parameter.key;
  }
}

TEST(Parameters, SettingOneChangesThatOneAlone) {
  for (const Parameter& parameter : parameters()) {
    Machine before = resolve_machine("plain");
    if (!parameter.applies_to(before)) continue;
    Machine after = before;
    const std::uint64_t value = parameter.type == Parameter::Type::kWord
                                    ? parameter.words.size() - 1
                                    : std::min(parameter.get(before) + 3, parameter.maximum);
    parameter.set(after, value);
    EXPECT_EQ(parameter.get(after), value) << parameter.key;
    for (const Parameter& other : parameters()) {
      if (&other == &parameter) continue;
      EXPECT_EQ(other.get(after), other.get(before)) << parameter.key << " changed " << other.key;
      EXPECT_EQ(other.applies_to(after), other.applies_to(before)) << parameter.key;
    }
  }
}

TEST(PlainMachine, GivesEverySettingItself) {
  const auto given = read_machine_file(presets().front().text, "plain");
  const Machine machine = resolve_machine("plain");
  std::size_t applying = 0;
  for (const Parameter& parameter : parameters()) applying += parameter.applies_to(machine);
  EXPECT_EQ(given.size(), applying);
}

TEST(PlainMachine, HasTheTlbsOfGoldenCove) {
  const Machine machine = resolve_machine("plain");
  const mmu::MachineSettings& hardware = machine.hardware;
  EXPECT_FALSE(hardware.l1i.split);
  EXPECT_EQ(hardware.l1i.unified.entries, 256u);
  EXPECT_TRUE(hardware.l1d.split);
  EXPECT_EQ(hardware.l1d.k4.entries, 96u);
  EXPECT_EQ(hardware.l1d.k4.ways, 6u);
  EXPECT_EQ(hardware.l1d.m2.entries, 32u);
  EXPECT_EQ(hardware.l1d.g1.entries, 8u);
  EXPECT_EQ(hardware.l2.unified.entries, 2048u);
  EXPECT_EQ(hardware.l2.unified.ways, 16u);
  EXPECT_EQ(hardware.l2.hit_cycles, 7u);
  EXPECT_EQ(hardware.memory.dram.cycles, 100u);
}

TEST(PlainMachine, HasAWalkerOfOneWalkAndNoCaches) {
  const mmu::WalkerConfiguration walker = resolve_machine("plain").hardware.walker;
  EXPECT_EQ(walker.walks, 1u);
  EXPECT_FALSE(walker.has_combined());
  EXPECT_FALSE(walker.has_guest_physical());
}

TEST(PlainMachine, HasNoCachesOfMemory) {
  const mmu::MemorySettings memory = resolve_machine("plain").hardware.memory;
  EXPECT_EQ(memory.l1d.bytes + memory.l2.bytes + memory.l3.bytes, 0u);
  EXPECT_EQ(memory.dram.model, mmu::DramModel::kPlain);
}

TEST(DefaultMachine, HasTheCachesOfGoldenCoveAnd32MiBOfL3) {
  const mmu::MemorySettings memory = resolve_machine("default").hardware.memory;
  EXPECT_EQ(memory.l1d.bytes, 48u << 10);
  EXPECT_EQ(memory.l1d.ways, 12u);
  EXPECT_EQ(memory.l1d.hit_cycles, 5u);
  EXPECT_EQ(memory.l2.bytes, 2u << 20);
  EXPECT_EQ(memory.l2.ways, 16u);
  EXPECT_EQ(memory.l2.hit_cycles, 15u);
  EXPECT_EQ(memory.l3.bytes, 32u << 20);
  EXPECT_EQ(memory.l3.hit_cycles, 70u);
  EXPECT_EQ(memory.walks_enter_at, mmu::MemoryLevel::kL1d);
}

TEST(DefaultMachine, HasTheWalkerOfTheRtlsDefaultConfigurationAndTheTlbsOfPlain) {
  Machine machine = resolve_machine("default");
  const mmu::WalkerConfiguration& walker = machine.hardware.walker;
  EXPECT_EQ(walker.walks, 4u);
  EXPECT_THAT(walker.combined, testing::ElementsAre(0, 0, 32, 4, 2, 0));
  EXPECT_EQ(walker.ept, walker.combined);
  EXPECT_EQ(walker.nested_tlb, 64u);
  const Machine plain = resolve_machine("plain");
  machine.hardware.walker = plain.hardware.walker;
  machine.hardware.memory = plain.hardware.memory;
  EXPECT_EQ(machine_as_toml(machine), machine_as_toml(plain));
}

TEST(MachineFile, StructureCachesAreSetEachByItself) {
  const mmu::WalkerConfiguration walker =
      resolve_machine(
          "default",
          {parse_assignment("walker.slots=2"), parse_assignment("psc.pml4e.entries=8"),
           parse_assignment("psc.pde.entries=0"), parse_assignment("ept_psc.pdpte.entries=16"),
           parse_assignment("nested_tlb.entries=128"), parse_assignment("nested_tlb.ways=128")})
          .hardware.walker;
  EXPECT_EQ(walker.walks, 2u);
  EXPECT_THAT(walker.combined, testing::ElementsAre(0, 0, 0, 4, 8, 0));
  EXPECT_THAT(walker.ept, testing::ElementsAre(0, 0, 32, 16, 2, 0));
  EXPECT_EQ(walker.nested_tlb, 128u);
  EXPECT_EQ(walker.nested_tlb_ways, 128u);
}

TEST(MachineFile, GivesSettingsAndLeavesTheRestAsInPlain) {
  const Machine machine = resolve_machine_text(
      "[tlb.l2]\nentries = 1024\nreplacement = \"random\"\n[dram]\nbytes = \"64GiB\"\n", "m.toml");
  EXPECT_EQ(machine.hardware.l2.unified.entries, 1024u);
  EXPECT_EQ(machine.hardware.l2.unified.ways, 16u);
  EXPECT_EQ(machine.hardware.l2.replacement, mmu::Replacement::kRandom);
  EXPECT_EQ(machine.hardware.dram_bytes, std::uint64_t{64} << 30);
  EXPECT_EQ(machine.exit_cycles, 1000u);
}

TEST(MachineFile, WrittenAsResolvedReadsBackAsTheSame) {
  const Machine machine = resolve_machine(
      "plain", {parse_assignment("tlb.l1i.entries.4k=64"), parse_assignment("tlb.l1i.ways.4k=8"),
                parse_assignment("tlb.l1d.entries=0"), parse_assignment("dram.bytes=3GiB"),
                parse_assignment("guest.page=1G"), parse_assignment("tlb.l2.replacement=fifo")});
  const std::string written = machine_as_toml(machine);
  EXPECT_EQ(machine_as_toml(resolve_machine_text(written, "m.toml")), written);
  EXPECT_NE(written.find("tlb.l1i.entries.4k = 64 "), std::string::npos) << written;
  EXPECT_NE(written.find("guest.page = \"1G\" "), std::string::npos) << written;
}

TEST(MachineFile, ASettingOfTheCommandLineBeatsTheFile) {
  const Machine machine =
      resolve_machine_text("[dram]\ncycles = 7\n", "m.toml",
                           {parse_assignment("dram.cycles=8"), parse_assignment("dram.cycles=9")});
  EXPECT_EQ(machine.hardware.memory.dram.cycles, 9u) << "the last of several wins";
}

TEST(MachineFile, ATlbGivenAsOneArrayIsNoLongerSplit) {
  const Machine machine = resolve_machine_text("[tlb.l1d]\nways = 4\nentries = 64\n", "m.toml");
  EXPECT_FALSE(machine.hardware.l1d.split);
  EXPECT_EQ(machine.hardware.l1d.unified.ways, 4u);
  const Machine off = resolve_machine("plain", {parse_assignment("tlb.l1d.entries=0")});
  EXPECT_FALSE(off.hardware.l1d.split);
}

TEST(MachineFile, ATlbGivenBySizesHasNoArrayForTheOthers) {
  const Machine machine =
      resolve_machine_text("tlb.l2.entries.4k = 1536\ntlb.l2.ways.4k = 12\n", "m.toml");
  EXPECT_TRUE(machine.hardware.l2.split);
  EXPECT_EQ(machine.hardware.l2.k4.entries, 1536u);
  EXPECT_EQ(machine.hardware.l2.m2.entries, 0u);
}

TEST(MachineFile, ATlbMayShareAnArrayBetweenThe4KAnd2MPagesAndHaveOneFor1G) {
  constexpr const char* kText =
      "[tlb.l2]\nentries.4k-2m = 1536\nways.4k-2m = 12\nentries.1g = 16\nways.1g = 4\n"
      "coalesce = 4\n[tlb.l1d]\nentries.4k-2m = 64\nways.4k-2m = 4\n";
  const Machine machine = resolve_machine_text(kText, "m.toml");
  const mmu::TlbSettings& l2 = machine.hardware.l2;
  EXPECT_TRUE(l2.split);
  EXPECT_TRUE(l2.shares_4k_2m);
  EXPECT_EQ(l2.k4_m2.entries, 1536u);
  EXPECT_EQ(l2.k4_m2.ways, 12u);
  EXPECT_EQ(l2.g1.entries, 16u);
  EXPECT_EQ(l2.coalesce, 4u);
  const mmu::TlbSettings& l1d = machine.hardware.l1d;  // split by size in plain
  EXPECT_EQ(l1d.k4.entries + l1d.m2.entries, 0u);
  EXPECT_EQ(l1d.g1.entries, 8u) << "as in plain";
  const std::string written = machine_as_toml(machine);
  EXPECT_EQ(machine_as_toml(resolve_machine_text(written, "m.toml")), written);
}

struct Refused {
  const char* text;
  const char* says;
};

TEST(MachineFile, WhatIsWrongIsNamedWithItsPlace) {
  const Refused kCases[] = {
      {"[tlb.l2]\nentires = 5\n",
       "m.toml:2:1: unknown setting 'tlb.l2.entires' | "
       "did you mean 'tlb.l2.entries'?"},
      {"[tbl.l2]\nentries = 2048\n",
       "m.toml:2:1: unknown setting 'tbl.l2.entries' | did you mean 'tlb.l2.entries'?"},
      {"[frobnicate]\n", "m.toml:1:2: unknown setting 'frobnicate'"},
      {"[tlb.l1d.4k]\nentries = 64\n",
       "m.toml:2:1: unknown setting 'tlb.l1d.4k.entries' | did you mean 'tlb.l1d.entries.4k'?"},
      {"dram.cycles = 0\n",
       "m.toml:1:15: dram.cycles can't be 0, expected a whole number from 1 to 100000"},
      {"dram.cycles = -5\n",
       "m.toml:1:15: dram.cycles can't be -5, expected a whole number from 1 to 100000"},
      {"\ndram.cycles = \"fast\"\n",
       "m.toml:2:15: dram.cycles can't be 'fast', expected a whole number from 1 to 100000"},
      {"dram.cycles = 1.5\n",
       "m.toml:1:15: dram.cycles can't be 1.5, expected a whole number from 1 to 100000"},
      {"dram.cycles = [1]\n",
       "m.toml:1:15: dram.cycles can't be an array, expected a whole number from 1 to 100000"},
      {"dram.cycles.fast = 1\n",
       "m.toml:1:6: dram.cycles can't be a table, expected a whole number from 1 to 100000"},
      {"dram = 5\n", "m.toml:1:1: dram can't be 5, expected the settings that begin with dram."},
      {"dram.bytes = \"64GB\"\n",
       "m.toml:1:14: dram.bytes can't be 64GB, expected a size from 1 MiB to 4 PiB, as in 64GiB or "
       "64G"},
      {"guest.page = \"2N\"\n",
       "m.toml:1:14: guest.page can't be 2N, expected 4K, 2M, 1G or thp | "
       "did you mean '2M'?"},
      {"guest.page = 4096\n", "m.toml:1:14: guest.page can't be 4096, expected 4K, 2M, 1G or thp"},
      {"walker.slots = 0\n",
       "m.toml:1:16: walker.slots can't be 0, expected a whole number from 1 to 16"},
      {"psc.pde.entries = 24\n",
       "m.toml:1:19: psc.pde.entries can't be 24, expected 0 or a power of two"},
      {"ept_psc.pml4e.entries = 3\n",
       "m.toml:1:25: ept_psc.pml4e.entries can't be 3, expected 0 or a power of two"},
      {"nested_tlb.entries = 100\n",
       "m.toml:1:22: nested_tlb.entries can't be 100, expected 0 or a power of two"},
      {"[nested_tlb]\nentries = 64\nways = 128\n",
       "m.toml:3:8: nested_tlb.ways can't be 128 with nested_tlb.entries = 64, expected at most as "
       "many"},
      {"[nested_tlb]\nentries = 64\nways = 12\n",
       "m.toml:3:8: nested_tlb.ways can't be 12, expected 0 or a power of two"},
      {"psc.kind = \"host\"\n", "m.toml:1:12: psc.kind can't be host, expected combined or guest"},
      {"psc.pml5e.entries = 2\n",
       "m.toml:1:11: unknown setting 'psc.pml5e.entries' | did you mean 'psc.pml4e.entries'?"},
      {"[cache.l2]\nbytes = 5\n",
       "m.toml:2:9: cache.l2.bytes = 5 and cache.l2.ways = 16 don't make whole sets, expected a "
       "multiple of 1024: a line of 64 bytes for each way"},
      {"cache.l1d.bytes = \"36KiB\"\n",
       "m.toml:1:19: cache.l1d.bytes = 36864 and cache.l1d.ways = 12 make 48 sets, expected a "
       "power of two: the address's bits choose the set"},
      {"cache.l1d.bytes = \"48KiB\"\ncache.l1d.replacement = \"tree-plru\"\n",
       "m.toml:2:25: cache.l1d.replacement can't be tree-plru with 12 ways, expected a power of "
       "two: the tree is a binary one"},
      {"[cache]\nl1d.bytes = \"48KiB\"\nl3.bytes = \"1MiB\"\nl3.hit_cycles = 4\n",
       "m.toml:4:17: cache.l3.hit_cycles = 4 is less than cache.l1d.hit_cycles = 5, expected at "
       "least as many: both count from an access's beginning"},
      {"cache.l1d.mshrs = 0\n",
       "m.toml:1:19: cache.l1d.mshrs can't be 0, expected a whole number from 1 to 4096"},
      {"walker.enters_at = \"dram\"\n",
       "m.toml:1:20: walker.enters_at can't be dram, expected l1d, l2 or l3"},
      {"dram.banks = 12\n",
       "m.toml:1:14: dram.banks can't be 12, expected a power of two: the address's bits choose "
       "channel, bank and row"},
      {"dram.model = \"open\"\n",
       "m.toml:1:14: dram.model can't be open, expected plain or banked"},
      {"cache.l4.bytes = 64\n",
       "m.toml:1:10: unknown setting 'cache.l4.bytes' | did you mean 'cache.l2.bytes'?"},
      {"tlb.l2.ways = 10\n",
       "m.toml:1:15: tlb.l2.entries = 2048 and tlb.l2.ways = 10 don't make "
       "whole sets, expected a multiple of the ways"},
      {"tlb.l2.entries = 48\n",
       "m.toml:1:18: tlb.l2.entries = 48 and tlb.l2.ways = 16 make 3 sets, expected a power of "
       "two: the address's bits choose the set"},
      {"tlb.l1d.replacement = \"tree-plru\"\n",
       "m.toml:1:23: tlb.l1d.replacement can't be tree-plru with 6 ways, expected a power of two: "
       "the tree is a binary one"},
      {"tlb.l1d.ways = 4\n",
       "m.toml:1:16: tlb.l1d.ways isn't a setting of this machine | "
       "this TLB is split by page size: set ways.4k, .2m or .1g"},
      {"tlb.l2.entries.2m = 16\n",
       "m.toml:1:21: tlb.l2.ways.2m isn't given, and tlb.l2.entries.2m is 16"},
      {"tlb.l2.entries.4k-2m = 1536\n",
       "m.toml:1:24: tlb.l2.ways.4k-2m isn't given, and tlb.l2.entries.4k-2m is 1536"},
      {"tlb.l1d.entries.4k-2m = 64\ntlb.l1d.ways.4k-2m = 4\ntlb.l1d.ways.2m = 4\n",
       "m.toml:3:19: tlb.l1d.ways.2m isn't a setting of this machine | give the entries of this "
       "array too: that is how it comes to be"},
      {"tlb.l2.coalesce = 3\n", "m.toml:1:19: tlb.l2.coalesce can't be 3, expected 1, 2, 4 or 8"},
      {"cpu.maxphyaddr = 36\n",
       "m.toml:1:18: dram.bytes = 1099511627776 is more than addresses of cpu.maxphyaddr = 36 bits "
       "reach, expected at most 68719476736"},
  };
  for (const Refused& wrong : kCases) EXPECT_EQ(refusal(wrong.text), wrong.says) << wrong.text;
}

TEST(MachineFile, ADoubledKeyAndBrokenTomlHaveTheirPlace) {
  const Refused kCases[] = {
      {"[dram]\ncycles = 5\ncycles = 6\n",
       "m.toml:3:10: cannot redefine existing integer 'cycles'"},
      {"[dram]\ncycles = 5\n[dram]\nbytes = 6\n", "m.toml:3:"},
      {"[dram]\ncycles =\n", "m.toml:2:"},
      {"dram\n", "m.toml:1:"},
      {"\xff\xfe", "m.toml:1:"},
  };
  for (const Refused& wrong : kCases) {
    EXPECT_THAT(refusal(wrong.text), testing::StartsWith(wrong.says)) << wrong.text;
  }
}

TEST(SetOption, WhatIsWrongIsNamedWithTheOption) {
  EXPECT_EQ(refusal_of_set("tlb.l2.entires=5"),
            "--set tlb.l2.entires=5: unknown setting 'tlb.l2.entires' | "
            "did you mean 'tlb.l2.entries'?");
  EXPECT_EQ(refusal_of_set("dram.cycles=ten"),
            "--set dram.cycles=ten: dram.cycles can't be ten, expected a whole number from 1 to "
            "100000");
  EXPECT_EQ(refusal_of_set("dram.cycles="),
            "--set dram.cycles=: dram.cycles can't be empty, expected a whole number from 1 to "
            "100000");
  EXPECT_EQ(refusal_of_set("dram.cycles"),
            "--set dram.cycles: no value, expected key=value as in tlb.l2.entries=2048");
  EXPECT_EQ(refusal_of_set("guest.page=huge"),
            "--set guest.page=huge: guest.page can't be huge, expected 4K, 2M, 1G or thp");
  EXPECT_EQ(refusal_of_set("hypervisor.page=thp"), "accepted");
  EXPECT_EQ(refusal_of_set("guest.fragmentation=101"),
            "--set guest.fragmentation=101: guest.fragmentation can't be 101, expected a whole "
            "number from 0 to 100");
  EXPECT_EQ(refusal_of_set("core.dependence=some"),
            "--set core.dependence=some: core.dependence can't be some, expected trace, none or "
            "all");
  EXPECT_EQ(refusal("", {"tlb.l1d.entries=64", "tlb.l1d.entries.4k=64"}),
            "--set tlb.l1d.entries=64: tlb.l1d.entries: a TLB is split by page size or it isn't, "
            "and another setting says otherwise");
  EXPECT_EQ(refusal_of_set("guest.page=2m"), "accepted") << "page sizes in either case";
}

std::string refusal_of_walker(const std::string& machine, const std::vector<std::string>& sets) {
  std::vector<Assignment> assignments;
  for (const std::string& set : sets) assignments.push_back(parse_assignment(set));
  try {
    require_built_walker(resolve_machine(machine, assignments), "--walker rtl");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(BuiltWalker, IsThatOfTheMachinesPlainAndDefaultWhateverElseIsSet) {
  EXPECT_EQ(refusal_of_walker("plain", {}), "accepted");
  EXPECT_EQ(refusal_of_walker("default", {}), "accepted");
  EXPECT_EQ(refusal_of_walker("default", {"nested_tlb.ways=64", "tlb.l2.entries=64"}), "accepted");
}

TEST(BuiltWalker, OfAnotherSizeIsRefusedWithTheSettingsThatDiffer) {
  EXPECT_EQ(refusal_of_walker("default", {"psc.pde.entries=16"}),
            "--walker rtl: the RTL is built as default, single, small, and this machine differs "
            "from default, the nearest: psc.pde.entries = 16, expected 32");
  EXPECT_EQ(refusal_of_walker("plain", {"walker.slots=2", "nested_tlb.entries=8"}),
            "--walker rtl: the RTL is built as default, single, small, and this machine differs "
            "from single, the nearest: walker.slots = 2, expected 1; nested_tlb.entries = 8, "
            "expected 0");
  EXPECT_EQ(refusal_of_walker("default", {"psc.kind=guest", "nested_tlb.ways=4"}),
            "--walker rtl: the RTL is built as default, single, small, and this machine differs "
            "from default, the nearest: psc.kind = \"guest\", expected \"combined\"; "
            "nested_tlb.ways = 4, expected 0");
}

TEST(MachineName, AFileThatIsntThereIsRefused) {
  const auto refused = [](const std::string& name) -> std::string {
    try {
      resolve_machine(name);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refused("nothing.toml"), "nothing.toml: No such file or directory");
  EXPECT_EQ(refused("/"), "/: Is a directory");
}

TEST(Presets, SayOfEachValueWhereItComesFrom) {
  for (const Preset& preset : presets()) {
    EXPECT_FALSE(preset.title().empty()) << preset.name;
    const Machine machine = resolve_machine(std::string(preset.name));
    const Notes notes = notes_of(std::string(preset.name));
    for (const Parameter& parameter : parameters()) {
      if (!parameter.has_value(machine)) continue;
      const auto note = notes.find(parameter.key);
      ASSERT_NE(note, notes.end()) << preset.name << " " << parameter.key;
      EXPECT_THAT(
          note->second,
          testing::MatchesRegex("(published|measured|derived|tuned|chosen|unsourced)((:|,) .+)?"))
          << preset.name << " " << parameter.key;
    }
  }
}

TEST(Presets, SayWhatWasGivenByHand) {
  const Notes notes = notes_of("zen5", {parse_assignment("dram.cycles=5")});
  EXPECT_EQ(notes.at("dram.cycles"), "given by --set");
  EXPECT_EQ(notes.at("cache.l1d.hit_cycles"), "measured");
  EXPECT_EQ(notes.at("tlb.l2.coalesce"), "chosen") << "as in plain";
}

TEST(Presets, HaveTheNumbersOfTheirCores) {
  struct Core {
    const char* name;
    unsigned l1d, l2, walks, l1_cycles, l2_cycles;
  };
  const Core kCores[] = {
      {"haswell", 64, 1024, 1, 4, 12},
      {"skylake", 64, 1536, 2, 4, 12},
      {"icelake", 64, 2048, 2, 5, 14},
      {"golden-cove", 96, 2048, 4, 5, 15},
      {"sapphire-rapids", 96, 2048, 4, 5, 16},
      {"zen2", 64, 2048, 2, 4, 12},
      {"zen3", 64, 2048, 6, 4, 12},
      {"zen4", 72, 3072, 6, 4, 14},
      {"zen5", 96, 4096, 6, 4, 14},
  };
  for (const Core& core : kCores) {
    const mmu::MachineSettings hardware = resolve_machine(core.name).hardware;
    const auto small_pages = [](const mmu::TlbSettings& tlb) {
      return !tlb.split         ? tlb.unified.entries
             : tlb.shares_4k_2m ? tlb.k4_m2.entries
                                : tlb.k4.entries;
    };
    EXPECT_EQ(small_pages(hardware.l1d), core.l1d) << core.name;
    EXPECT_EQ(small_pages(hardware.l2), core.l2) << core.name;
    EXPECT_EQ(hardware.walker.walks, core.walks) << core.name;
    EXPECT_EQ(hardware.memory.l1d.hit_cycles, core.l1_cycles) << core.name;
    EXPECT_EQ(hardware.memory.l2.hit_cycles, core.l2_cycles) << core.name;
    EXPECT_EQ(hardware.walker.kind == mmu::StructureKind::kGuest,
              std::string_view(core.name).starts_with("zen"))
        << core.name;
  }
}

TEST(Notes, AreTheCommentsOfTheLinesThatGiveValues) {
  const auto given = read_machine_file(
      "# no value\n[tlb.l2]  # nor here\nentries = 64 # first  \nreplacement = \"lru\"#second # "
      "one\n"
      "ways = 8\n",
      "m.toml");
  ASSERT_EQ(given.size(), 3u);
  for (const Given& one : given) {
    EXPECT_EQ(one.note, one.parameter->key == "tlb.l2.entries"       ? "first"
                        : one.parameter->key == "tlb.l2.replacement" ? "second # one"
                                                                     : "");
  }
}

}  // namespace
}  // namespace eptsim::sim
