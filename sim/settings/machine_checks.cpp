#include <array>
#include <bit>
#include <initializer_list>
#include <utility>

#include "ept/arch/page_size.hpp"
#include "mmu_model/memory/memory_level.hpp"
#include "sim/settings/machine.hpp"

namespace eptsim::sim {
namespace {

using mmu::TlbGeometry;
using mmu::TlbSettings;

/// The place of the first of `keys` that was given, by hand rather than in a file.
std::string place_of(const std::vector<Places>& places, std::initializer_list<std::string> keys) {
  for (const Places& layer : places) {
    for (const std::string& key : keys) {
      if (const auto found = layer.find(key); found != layer.end()) return found->second;
    }
  }
  return {};
}

void check_array(const TlbGeometry& array, mmu::Replacement replacement, const std::string& tlb,
                 const std::string& suffix, const std::vector<Places>& places) {
  if (array.entries == 0) return;
  const std::string entries = tlb + ".entries" + suffix;
  const std::string ways = tlb + ".ways" + suffix;
  const std::string counts = entries + " = " + std::to_string(array.entries) + " and " + ways +
                             " = " + std::to_string(array.ways);
  const std::string place = place_of(places, {ways, entries});
  if (array.ways == 0) {
    throw InputError(
        place, ways + " isn't given, and " + entries + " is " + std::to_string(array.entries));
  }
  if (array.entries % array.ways != 0) {
    throw InputError(place, counts + " don't make whole sets, expected a multiple of the ways");
  }
  const unsigned sets = array.entries / array.ways;
  if (!std::has_single_bit(sets)) {
    throw InputError(place,
                     counts + " make " + std::to_string(sets) +
                         " sets, expected a power of two: the address's bits choose the set");
  }
  if (replacement == mmu::Replacement::kTreePlru && !std::has_single_bit(array.ways)) {
    const std::string key = tlb + ".replacement";
    throw InputError(place_of(places, {key, ways, entries}),
                     key + " can't be tree-plru with " + std::to_string(array.ways) +
                         " ways, expected a power of two: the tree is a binary one");
  }
}

void check_tlb(const TlbSettings& tlb, const std::string& name, const std::vector<Places>& places) {
  if (!std::has_single_bit(tlb.coalesce)) {
    throw InputError(
        place_of(places, {name + ".coalesce"}),
        name + ".coalesce can't be " + std::to_string(tlb.coalesce) + ", expected 1, 2, 4 or 8");
  }
  if (!tlb.split) return check_array(tlb.unified, tlb.replacement, name, "", places);
  if (tlb.shares_4k_2m) {
    check_array(tlb.k4_m2, tlb.replacement, name, ".4k-2m", places);
  } else {
    check_array(tlb.k4, tlb.replacement, name, ".4k", places);
    check_array(tlb.m2, tlb.replacement, name, ".2m", places);
  }
  check_array(tlb.g1, tlb.replacement, name, ".1g", places);
}

/// Replacement is by a binary tree over the ways, in the model as in the RTL.
void check_structure_cache(unsigned entries, unsigned ways, const std::string& array,
                           const std::vector<Places>& places) {
  const auto power_of_two = [&](unsigned number, const std::string& key) {
    if (number == 0 || std::has_single_bit(number)) return;
    throw InputError(place_of(places, {key}), key + " can't be " + std::to_string(number) +
                                                  ", expected 0 or a power of two");
  };
  power_of_two(entries, array + ".entries");
  power_of_two(ways, array + ".ways");
  if (entries == 0 || ways <= entries) return;
  throw InputError(place_of(places, {array + ".ways", array + ".entries"}),
                   array + ".ways can't be " + std::to_string(ways) + " with " + array +
                       ".entries = " + std::to_string(entries) + ", expected at most as many");
}

void check_walker(const Machine& machine, const std::vector<Places>& places) {
  const mmu::WalkerConfiguration& walker = machine.hardware.walker;
  constexpr std::array<std::pair<std::size_t, const char*>, 3> kArrays = {
      {{4, "pml4e"}, {3, "pdpte"}, {2, "pde"}}};
  for (const auto& [level, name] : kArrays) {
    const std::string suffix = "." + std::string(name);
    check_structure_cache(walker.combined[level], walker.combined_ways[level], "psc" + suffix,
                          places);
    check_structure_cache(walker.ept[level], walker.ept_ways[level], "ept_psc" + suffix, places);
  }
  check_structure_cache(walker.nested_tlb, walker.nested_tlb_ways, "nested_tlb", places);
}

void check_cache(const mmu::MemoryCacheSettings& cache, const std::string& name,
                 const std::vector<Places>& places) {
  if (cache.bytes == 0) return;
  const std::string bytes = name + ".bytes";
  const std::string ways = name + ".ways";
  const std::string counts = bytes + " = " + std::to_string(cache.bytes) + " and " + ways + " = " +
                             std::to_string(cache.ways);
  const std::string place = place_of(places, {ways, bytes});
  const std::uint64_t way_bytes = std::uint64_t{mmu::kLineBytes} * cache.ways;
  if (cache.bytes % way_bytes != 0) {
    throw InputError(place, counts + " don't make whole sets, expected a multiple of " +
                                std::to_string(way_bytes) + ": a line of 64 bytes for each way");
  }
  if (const std::uint64_t sets = cache.bytes / way_bytes; !std::has_single_bit(sets)) {
    throw InputError(place,
                     counts + " make " + std::to_string(sets) +
                         " sets, expected a power of two: the address's bits choose the set");
  }
  if (cache.replacement == mmu::Replacement::kTreePlru && !std::has_single_bit(cache.ways)) {
    const std::string key = name + ".replacement";
    throw InputError(place_of(places, {key, ways, bytes}),
                     key + " can't be tree-plru with " + std::to_string(cache.ways) +
                         " ways, expected a power of two: the tree is a binary one");
  }
}

void check_memory(const mmu::MemorySettings& memory, const std::vector<Places>& places) {
  const std::array<std::pair<std::string, const mmu::MemoryCacheSettings*>, 3> caches = {
      {{"cache.l1d", &memory.l1d}, {"cache.l2", &memory.l2}, {"cache.l3", &memory.l3}}};
  const std::pair<std::string, const mmu::MemoryCacheSettings*>* before = nullptr;
  for (const auto& level : caches) {
    const auto& [name, cache] = level;
    check_cache(*cache, name, places);
    if (cache->bytes == 0) continue;
    if (before != nullptr && cache->hit_cycles < before->second->hit_cycles) {
      const std::string here = name + ".hit_cycles";
      const std::string there = before->first + ".hit_cycles";
      throw InputError(place_of(places, {here, there}),
                       here + " = " + std::to_string(cache->hit_cycles) + " is less than " + there +
                           " = " + std::to_string(before->second->hit_cycles) +
                           ", expected at least as many: both count from an access's beginning");
    }
    before = &level;
  }
  const auto power_of_two = [&](const std::string& key, std::uint64_t value) {
    if (std::has_single_bit(value)) return;
    throw InputError(place_of(places, {key}), key + " can't be " + std::to_string(value) +
                                                  ", expected a power of two: the address's bits "
                                                  "choose channel, bank and row");
  };
  power_of_two("dram.channels", memory.dram.channels);
  power_of_two("dram.banks", memory.dram.banks);
  power_of_two("dram.row_bytes", memory.dram.row_bytes);
}

}  // namespace

void check_machine(const Machine& machine, const std::vector<Places>& places) {
  const mmu::MachineSettings& hardware = machine.hardware;
  check_tlb(hardware.l1i, "tlb.l1i", places);
  check_tlb(hardware.l1d, "tlb.l1d", places);
  check_tlb(hardware.l2, "tlb.l2", places);
  check_walker(machine, places);
  check_memory(hardware.memory, places);
  if (hardware.dram_bytes > std::uint64_t{1} << hardware.maxphyaddr) {
    throw InputError(place_of(places, {"dram.bytes", "cpu.maxphyaddr"}),
                     "dram.bytes = " + std::to_string(hardware.dram_bytes) +
                         " is more than addresses of cpu.maxphyaddr = " +
                         std::to_string(hardware.maxphyaddr) + " bits reach, expected at most " +
                         std::to_string(std::uint64_t{1} << hardware.maxphyaddr));
  }
}

}  // namespace eptsim::sim
