#include <algorithm>
#include <array>
#include <utility>

#include "sim/near_miss.hpp"
#include "sim/number.hpp"
#include "sim/settings/parameter.hpp"
#include "sim/settings/parameter_words.hpp"
#include "sim/settings/tlb_parameters.hpp"

namespace eptsim::sim {
namespace {

using arch::PageSize;
using mmu::DramModel;
using mmu::MemoryCacheSettings;
using mmu::MemoryLevel;
using mmu::MemorySettings;
using Type = Parameter::Type;

constexpr std::array<PagePolicy, 4> kPagePolicies = {PageSize::k4K, PageSize::k2M, PageSize::k1G,
                                                     PagePolicy::transparent_huge_pages()};
constexpr std::array kWalkEntries = {MemoryLevel::kL1d, MemoryLevel::kL2, MemoryLevel::kL3};
constexpr std::array kDramModels = {DramModel::kPlain, DramModel::kBanked};

template <typename Field>
void access(Parameter& parameter, Field Machine::* field) {
  parameter.get = [field](const Machine& machine) { return std::uint64_t{machine.*field}; };
  parameter.set = [field](Machine& machine, std::uint64_t value) {
    machine.*field = static_cast<Field>(value);
  };
}

template <typename Field>
void access(Parameter& parameter, Field mmu::MachineSettings::* field) {
  parameter.get = [field](const Machine& m) { return std::uint64_t{m.hardware.*field}; };
  parameter.set = [field](Machine& machine, std::uint64_t value) {
    machine.hardware.*field = static_cast<Field>(value);
  };
}

template <typename Field>
void access(Parameter& parameter, Field DirtyLogSettings::* field) {
  parameter.get = [field](const Machine& m) { return std::uint64_t{m.dirty_log.*field}; };
  parameter.set = [field](Machine& machine, std::uint64_t value) {
    machine.dirty_log.*field = static_cast<Field>(value);
  };
}

template <typename Field>
void access(Parameter& parameter, Field CoreSettings::* field) {
  parameter.get = [field](const Machine& m) { return std::uint64_t{m.core.*field}; };
  parameter.set = [field](Machine& machine, std::uint64_t value) {
    machine.core.*field = static_cast<Field>(value);
  };
}

template <typename Field>
Parameter number(std::string key, Type type, std::string_view unit, std::uint64_t minimum,
                 std::uint64_t maximum, Field field, std::string help, std::string note = {}) {
  Parameter parameter;
  parameter.key = std::move(key);
  parameter.type = type;
  parameter.unit = unit;
  parameter.minimum = minimum;
  parameter.maximum = maximum;
  parameter.help = std::move(help);
  parameter.note = std::move(note);
  access(parameter, field);
  return parameter;
}

Parameter page_policy(std::string key, PagePolicy Machine::* field, std::string help) {
  Parameter parameter;
  parameter.key = std::move(key);
  parameter.type = Type::kWord;
  for (const PagePolicy policy : kPagePolicies) {
    parameter.words.push_back(policy.transparent ? "thp" : arch::name(policy.largest));
  }
  parameter.help = std::move(help);
  parameter.get = [field](const Machine& m) { return index_of(kPagePolicies, m.*field); };
  parameter.set = [field](Machine& m, std::uint64_t value) { m.*field = kPagePolicies.at(value); };
  return parameter;
}

/// A setting that is on or off. Field: a member of Machine or of its hardware.
template <typename Field>
Parameter on_or_off(std::string key, Field field, std::string help) {
  Parameter parameter;
  parameter.key = std::move(key);
  parameter.type = Type::kWord;
  parameter.words = {"off", "on"};
  parameter.help = std::move(help);
  access(parameter, field);
  return parameter;
}

/// How large the walker and its caches are. `field` finds the number in a configuration.
template <typename Field>
Parameter of_walker(std::string key, std::uint64_t minimum, std::uint64_t maximum, Field field,
                    std::string help) {
  Parameter parameter;
  parameter.key = std::move(key);
  parameter.unit = "1";
  parameter.minimum = minimum;
  parameter.maximum = maximum;
  parameter.help = std::move(help);
  parameter.get = [field](const Machine& m) { return std::uint64_t{field(m.hardware.walker)}; };
  parameter.set = [field](Machine& m, std::uint64_t value) {
    field(m.hardware.walker) = static_cast<unsigned>(value);
  };
  return parameter;
}

/// A number of the memory hierarchy. `field` finds it in its settings.
template <typename Field>
Parameter of_memory(std::string key, Type type, std::string_view unit, std::uint64_t minimum,
                    std::uint64_t maximum, Field field, std::string help) {
  Parameter parameter;
  parameter.key = std::move(key);
  parameter.type = type;
  parameter.unit = unit;
  parameter.minimum = minimum;
  parameter.maximum = maximum;
  parameter.help = std::move(help);
  parameter.get = [field](const Machine& m) { return std::uint64_t{field(m.hardware.memory)}; };
  parameter.set = [field](Machine& machine, std::uint64_t value) {
    auto& number = field(machine.hardware.memory);
    number = static_cast<std::remove_reference_t<decltype(number)>>(value);
  };
  return parameter;
}

/// One of `words`, which stand for `values`.
template <typename Words, typename Values, typename Field>
Parameter word_of_memory(std::string key, const Words& words, const Values& values, Field field,
                         std::string help) {
  Parameter parameter;
  parameter.key = std::move(key);
  parameter.type = Type::kWord;
  parameter.words.assign(std::begin(words), std::end(words));
  parameter.help = std::move(help);
  parameter.get = [values, field](const Machine& m) {
    return index_of(values, field(m.hardware.memory));
  };
  parameter.set = [values, field](Machine& m, std::uint64_t value) {
    field(m.hardware.memory) = values.at(value);
  };
  return parameter;
}

void add_walker(std::vector<Parameter>& table) {
  constexpr std::uint64_t kEntries = 4096;
  table.push_back(of_walker(
      "walker.slots", 1, 16, [](auto& walker) -> auto& { return walker.walks; },
      "walks that can be under way at a time"));

  table.push_back(word_of_memory(
      "walker.enters_at",
      std::array{name(MemoryLevel::kL1d), name(MemoryLevel::kL2), name(MemoryLevel::kL3)},
      kWalkEntries, [](auto& memory) -> auto& { return memory.walks_enter_at; },
      "the first cache that walks ask; if it is off, the next"));

  Parameter kind;
  kind.key = "psc.kind";
  kind.type = Type::kWord;
  kind.words = {"combined", "guest"};
  kind.help =
      "what psc.* lead to: the next guest table in host memory (combined, as Intel's), or in guest "
      "memory, to be translated again (guest, as AMD's)";
  kind.get = [](const Machine& m) { return static_cast<std::uint64_t>(m.hardware.walker.kind); };
  kind.set = [](Machine& m, std::uint64_t value) {
    m.hardware.walker.kind = static_cast<mmu::StructureKind>(value);
  };
  table.push_back(std::move(kind));

  struct Array {
    std::string_view name;
    std::size_t level;
    std::string_view entry;
  };
  constexpr std::array kArrays = {Array{"pml4e", 4, "PML4E"}, Array{"pdpte", 3, "PDPTE"},
                                  Array{"pde", 2, "PDE"}};
  const auto add = [&](const std::string& group, const std::string& what, const auto& caches,
                       const auto& ways) {
    for (const auto& [name, level, entry] : kArrays) {
      const std::string key = group + "." + std::string(name);
      table.push_back(of_walker(
          key + ".entries", 0, kEntries,
          [caches, level](auto& walker) -> auto& { return (walker.*caches)[level]; },
          what + ": entries that skip all down to the " + std::string(entry) +
              ", a power of two (0: off)"));
      table.push_back(of_walker(
          key + ".ways", 0, kEntries,
          [ways, level](auto& walker) -> auto& { return (walker.*ways)[level]; },
          what + ": ways of a set of those, a power of two (0: fully associative)"));
    }
  };
  add("psc", "paging-structure cache", &mmu::WalkerConfiguration::combined,
      &mmu::WalkerConfiguration::combined_ways);
  add("ept_psc", "EPT paging-structure cache", &mmu::WalkerConfiguration::ept,
      &mmu::WalkerConfiguration::ept_ways);
  table.push_back(of_walker(
      "nested_tlb.entries", 0, kEntries, [](auto& walker) -> auto& { return walker.nested_tlb; },
      "nested TLB: entries, a power of two (0: off)"));
  table.push_back(of_walker(
      "nested_tlb.ways", 0, kEntries, [](auto& walker) -> auto& { return walker.nested_tlb_ways; },
      "nested TLB: ways of a set, a power of two (0: fully associative)"));
}

void add_cache(std::vector<Parameter>& table, const std::string& name, const std::string& what,
               MemoryCacheSettings MemorySettings::* cache) {
  const std::string prefix = "cache." + name + ".";
  const auto add = [&](const std::string& key, Type type, std::string_view unit,
                       std::uint64_t minimum, std::uint64_t maximum, auto member,
                       const std::string& help) {
    table.push_back(of_memory(
        prefix + key, type, unit, minimum, maximum,
        [cache, member](auto& memory) -> auto& { return memory.*cache.*member; },
        what + ": " + help));
  };
  add("bytes", Type::kBytes, "byte", 0, std::uint64_t{1} << 32, &MemoryCacheSettings::bytes,
      "size (0: off)");
  add("ways", Type::kNumber, "1", 1, 1024, &MemoryCacheSettings::ways, "ways of a set");
  add("hit_cycles", Type::kNumber, "cycle", 1, 10'000, &MemoryCacheSettings::hit_cycles,
      "cycles of an access that is served here, all told: from its beginning to its data");
  add("mshrs", Type::kNumber, "1", 1, 4096, &MemoryCacheSettings::mshrs,
      "lines that can be on their way to it at a time; a miss beyond waits for the first of them");
  table.push_back(word_of_memory(
      prefix + "replacement", kReplacementWords, kReplacements,
      [cache](auto& memory) -> auto& { return (memory.*cache).replacement; },
      what + ": which line of a full set gives way"));
}

/// What data and page walks share.
void add_caches(std::vector<Parameter>& table) {
  add_cache(table, "l1d", "L1 data cache of a core", &MemorySettings::l1d);
  add_cache(table, "l2", "L2 cache of a core", &MemorySettings::l2);
  add_cache(table, "l3", "L3 cache, shared", &MemorySettings::l3);
}

void add_dram(std::vector<Parameter>& table) {
  using mmu::DramSettings;
  constexpr std::array<std::string_view, 2> kModels = {"plain", "banked"};
  table.push_back(word_of_memory(
      "dram.model", kModels, kDramModels, [](auto& memory) -> auto& { return memory.dram.model; },
      "plain: each access takes dram.cycles, any number at a time; banked: banks with open rows "
      "and buses that accesses wait for"));
  const auto add = [&](const std::string& key, Type type, std::string_view unit,
                       std::uint64_t minimum, std::uint64_t maximum, auto member,
                       const std::string& help) {
    table.push_back(of_memory(
        "dram." + key, type, unit, minimum, maximum,
        [member](auto& memory) -> auto& { return memory.dram.*member; }, help));
  };
  const auto cycles = [&](const std::string& key, std::uint64_t minimum, auto member,
                          const std::string& help) {
    add(key, Type::kNumber, "cycle", minimum, 10'000, member, "banked DRAM: " + help);
  };
  add("cycles", Type::kNumber, "cycle", 1, 100'000, &DramSettings::cycles,
      "plain DRAM: memory latency, on top of the hit_cycles of the last cache that is on");
  cycles("controller_cycles", 0, &DramSettings::controller_cycles,
         "on the way to the controller and back, on top of the hit_cycles of the last cache that "
         "is on");
  add("channels", Type::kNumber, "1", 1, 64, &DramSettings::channels,
      "banked DRAM: channels, a power of two; lines go round them");
  add("banks", Type::kNumber, "1", 1, 1024, &DramSettings::banks,
      "banked DRAM: banks of a channel, a power of two");
  add("row_bytes", Type::kBytes, "byte", 64, 1u << 20, &DramSettings::row_bytes,
      "banked DRAM: bytes of a row of one bank, a power of two");
  cycles("tcas", 0, &DramSettings::tcas, "from a column's command to its data");
  cycles("trcd", 0, &DramSettings::trcd, "from opening a row to a column's command");
  cycles("trp", 0, &DramSettings::trp, "from closing a row to opening another");
  cycles("burst_cycles", 1, &DramSettings::burst_cycles, "of a channel's bus for a line");
}

template <typename Word>
Parameter dirty_log_word(std::string key, std::vector<std::string_view> words,
                         Word DirtyLogSettings::* field, std::string help) {
  Parameter parameter;
  parameter.key = std::move(key);
  parameter.type = Type::kWord;
  parameter.words = std::move(words);
  parameter.help = std::move(help);
  parameter.get = [field](const Machine& m) {
    return static_cast<std::uint64_t>(m.dirty_log.*field);
  };
  parameter.set = [field](Machine& m, std::uint64_t value) {
    m.dirty_log.*field = static_cast<Word>(value);
  };
  return parameter;
}

void add_dirty_log(std::vector<Parameter>& table) {
  table.push_back(dirty_log_word(
      "hypervisor.dirty_log", {"off", "write_protect", "pml"}, &DirtyLogSettings::tracking,
      "how the hypervisor learns which pages are written: not at all, by the EPT violation of the "
      "first write, or by page-modification logging"));
  table.push_back(dirty_log_word(
      "hypervisor.dirty_split", {"eager", "lazy"}, &DirtyLogSettings::split,
      "large pages are divided for dirty logging all when it begins, or each when it is written"));
  table.push_back(number("hypervisor.dirty_interval", Type::kNumber, "1", 1, 1ull << 48,
                         &DirtyLogSettings::interval,
                         "a round of dirty logging, in accesses of the core that the machine's "
                         "first vCPU is on"));
  table.push_back(number("hypervisor.dirty_rounds", Type::kNumber, "1", 0, 1ull << 48,
                         &DirtyLogSettings::rounds,
                         "rounds until dirty logging ends (0: it doesn't)"));
  table.push_back(number("hypervisor.entry_cycles", Type::kNumber, "cycle", 0, 1'000'000,
                         &DirtyLogSettings::entry_cycles,
                         "software's work on one entry of an EPT or of a page-modification log, "
                         "for dirty logging"));
}

/// Of system software that merges small pages, the guest's or the hypervisor.
void add_merging(std::vector<Parameter>& table, const std::string& whose,
                 MergeSettings Machine::* merging) {
  const auto add = [&](const std::string& key, std::string_view unit, std::uint64_t maximum,
                       auto member, std::string help) {
    Parameter parameter;
    parameter.key = whose + ".merge_" + key;
    parameter.unit = unit;
    parameter.maximum = maximum;
    parameter.help = std::move(help);
    parameter.get = [merging, member](const Machine& m) {
      return std::uint64_t{m.*merging.*member};
    };
    parameter.set = [merging, member](Machine& m, std::uint64_t value) {
      auto& field = m.*merging.*member;
      field = static_cast<std::remove_reference_t<decltype(field)>>(value);
    };
    table.push_back(std::move(parameter));
  };
  add("interval", "1", 1ull << 48, &MergeSettings::interval,
      "passes that merge small pages into 2M ones, in accesses of the core that the machine's "
      "first vCPU is on (0: none)");
  add("pieces", "1", 1u << 30, &MergeSettings::pieces,
      "pieces of 2 MiB that a pass looks at (0: all)");
  add("absent", "1", kMergedPieces - 1, &MergeSettings::most_absent,
      "of a piece's 512 pages, how many may be absent, and come with the large page");
  add("page_cycles", "cycle", 1'000'000, &MergeSettings::page_cycles,
      "to copy or to clear one of its 512 pages");
}

void add_core(std::vector<Parameter>& table) {
  constexpr std::string_view kOf = " (--detail full)";
  const auto add = [&](std::string key, std::uint64_t maximum, unsigned CoreSettings::* field,
                       const std::string& help) {
    table.push_back(
        number(std::move(key), Type::kNumber, "1", 1, maximum, field, help + std::string(kOf)));
  };
  table.push_back(number("core.count", Type::kNumber, "1", 0, 128, &Machine::cores,
                         "cores, at most as many as there are vCPUs (0: as many)"));
  add("core.width", 64, &CoreSettings::width, "instructions that enter and that retire in a cycle");
  add("core.window", 65'536, &CoreSettings::window, "instructions between entry and retirement");
  add("core.loads", 65'536, &CoreSettings::loads,
      "loads that have entered, but aren't done with all accesses before them");
  Parameter dependence;
  dependence.key = "core.dependence";
  dependence.type = Type::kWord;
  dependence.words = {"trace", "none", "all"};
  dependence.help =
      "loads whose data an access's address waits for: as the trace tells, none, or for each load "
      "the one before" +
      std::string(kOf);
  dependence.get = [](const Machine& m) { return static_cast<std::uint64_t>(m.core.dependence); };
  dependence.set = [](Machine& m, std::uint64_t value) {
    m.core.dependence = static_cast<Dependence>(value);
  };
  table.push_back(std::move(dependence));
}

void add_sampling(std::vector<Parameter>& table) {
  const auto add = [&](std::string key, std::uint64_t minimum,
                       std::uint64_t SamplingSettings::* field, const std::string& help) {
    Parameter parameter;
    parameter.key = "sampling." + std::move(key);
    parameter.type = Type::kNumber;
    parameter.unit = "1";
    parameter.help = help;
    parameter.minimum = minimum;
    parameter.maximum = 1ull << 48;
    parameter.get = [field](const Machine& m) { return m.sampling.*field; };
    parameter.set = [field](Machine& m, std::uint64_t value) { m.sampling.*field = value; };
    table.push_back(std::move(parameter));
  };
  add("windows", 0, &SamplingSettings::windows,
      "parts of the run that are simulated in time and measured, the rest keeps caches and TLBs "
      "warm (0: by period)");
  add("period", 0, &SamplingSettings::period,
      "accesses with one such window (0: by windows, and if that is 0 too all is simulated in "
      "time)");
  add("window", 1, &SamplingSettings::window, "accesses of a period that are measured");
  add("warmup", 0, &SamplingSettings::warmup,
      "accesses simulated in time before them, and not measured");
  add("warming", 0, &SamplingSettings::warming,
      "accesses before those that keep caches and TLBs warm; others keep large caches' lines "
      "and what is in memory, and counts are estimates too (0: all that aren't simulated in time)");
}

std::vector<Parameter> make_parameters() {
  using mmu::MachineSettings;
  std::vector<Parameter> table;
  add_core(table);
  table.push_back(on_or_off("tlb.ideal", &Machine::ideal_tlb,
                            "translate every access at no cost, as no TLB does: the upper bound; "
                            "faults are still served"));
  add_tlb(table, "l1i", "L1 instruction TLB", &MachineSettings::l1i);
  add_tlb(table, "l1d", "L1 data TLB", &MachineSettings::l1d);
  add_tlb(table, "l2", "second-level TLB", &MachineSettings::l2);
  add_walker(table);
  add_caches(table);
  add_dram(table);
  table.push_back(number("dram.bytes", Type::kBytes, "byte", 1u << 20, std::uint64_t{1} << 52,
                         &MachineSettings::dram_bytes, "size of host-physical memory"));
  table.push_back(number("cpu.maxphyaddr", Type::kNumber, "bit", 32, 52,
                         &MachineSettings::maxphyaddr, "width of a physical address"));
  table.push_back(on_or_off("vmx.vpid", &Machine::vpid,
                            "tag translations with their vCPU; without, every exit and entry "
                            "removes those of guests"));
  table.push_back(number("vmx.exit_cycles", Type::kNumber, "cycle", 0, 10'000'000,
                         &Machine::exit_cycles, "a VM exit and the entry after it"));
  table.push_back(number("hypervisor.handler_cycles", Type::kNumber, "cycle", 0, 1'000'000'000,
                         &Machine::handler_cycles, "the hypervisor's work on one exit"));
  add_dirty_log(table);
  table.push_back(on_or_off("hypervisor.invalidate", &Machine::invalidate,
                            "whether the hypervisor does the INVEPTs that it owes"));
  Parameter traces;
  traces.key = "hypervisor.traces";
  traces.type = Type::kWord;
  traces.words = {"vcpus", "vms"};
  traces.help =
      "what several traces are: vCPUs of one machine, with address spaces of their own, or a "
      "machine "
      "each";
  traces.get = [](const Machine& m) { return std::uint64_t{m.traces_are_machines}; };
  traces.set = [](Machine& m, std::uint64_t value) { m.traces_are_machines = value != 0; };
  table.push_back(std::move(traces));
  table.push_back(number("hypervisor.time_slice", Type::kNumber, "cycle", 0, 1ull << 48,
                         &Machine::time_slice,
                         "turn of a vCPU that shares its core (0: until its end, and vCPUs of one "
                         "trace as the trace has them)"));
  table.push_back(number("hypervisor.shootdown_cycles", Type::kNumber, "cycle", 0, 1'000'000'000,
                         &Machine::shootdown_cycles,
                         "a vCPU that the hypervisor interrupts to have translations forgotten, "
                         "exit and entry included"));
  table.push_back(page_policy("hypervisor.page", &Machine::ept_page,
                              "page size with which the hypervisor backs the guest; thp: 2M where "
                              "nothing is in the way"));
  table.push_back(number("hypervisor.fragmentation", Type::kNumber, "percent", 0, 100,
                         &Machine::hypervisor_fragmentation,
                         "share of the host's large frames, 2M and 1G, that are not to be had: "
                         "smaller pages are given"));
  add_merging(table, "hypervisor", &Machine::hypervisor_merge);
  table.push_back(page_policy("guest.page", &Machine::guest_page,
                              "page size that the guest's operating system gives the program; thp: "
                              "2M where the program's memory has room for it"));
  table.push_back(number("guest.fragmentation", Type::kNumber, "percent", 0, 100,
                         &Machine::guest_fragmentation,
                         "share of the guest's large frames, 2M and 1G, that are not to be had: "
                         "smaller pages are given"));
  add_merging(table, "guest", &Machine::guest_merge);
  table.push_back(number("guest.pcids", Type::kNumber, "1", 0, 4095, &Machine::guest_pcids,
                         "PCIDs that the guest's operating system gives its address spaces on each "
                         "processor, so that a switch keeps translations (0: none)"));
  table.push_back(number("guest.shootdown_cycles", Type::kNumber, "cycle", 0, 1'000'000'000,
                         &Machine::guest_shootdown_cycles,
                         "a processor that the guest interrupts to have a page forgotten, beside "
                         "exit and entry"));
  table.push_back(on_or_off("simulation.lockstep", &MachineSettings::lockstep,
                            "leave nothing to be computed ahead of the kernel; no result depends "
                            "on it"));
  table.push_back(on_or_off("simulation.stale_check", &Machine::stale_check,
                            "hold every use of cached translations against memory, to find "
                            "forgotten invalidations"));
  add_sampling(table);
  return table;
}

}  // namespace

const std::vector<Parameter>& parameters() {
  static const std::vector<Parameter> table = make_parameters();
  return table;
}

const Parameter* find_parameter(std::string_view key) {
  const auto found = std::ranges::find(parameters(), key, &Parameter::key);
  return found == parameters().end() ? nullptr : &*found;
}

std::vector<std::string_view> parameter_keys() {
  std::vector<std::string_view> keys;
  for (const Parameter& parameter : parameters()) keys.push_back(parameter.key);
  return keys;
}

std::string Parameter::text(const Machine& machine) const {
  const std::uint64_t value = get(machine);
  return type == Type::kWord ? '"' + std::string(words.at(value)) + '"' : std::to_string(value);
}

std::string Parameter::expected() const {
  switch (type) {
    case Type::kWord: return listed(words);
    case Type::kBytes:
      return "a size from " + bytes_text(minimum) + " to " + bytes_text(maximum) +
             ", as in 64GiB or 64G";
    case Type::kNumber: break;
  }
  if (minimum == maximum) return std::to_string(minimum);
  return "a whole number from " + std::to_string(minimum) + " to " + std::to_string(maximum);
}

}  // namespace eptsim::sim
