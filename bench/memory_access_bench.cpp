// What an access through the memory hierarchy costs the simulator, by the level that serves it: the
// caches of the machine `default`, read at random over as many bytes as the argument says, in KiB.
// 32 KiB stay in L1, 1 MiB in L2, 16 MiB in L3.

#include <benchmark/benchmark.h>

#include <cstdint>

#include "mmu_model/memory/memory_hierarchy.hpp"

namespace {

using namespace eptsim;

mmu::MemorySettings golden_cove(mmu::DramModel dram) {
  return {.l1d = {.bytes = 48 << 10, .ways = 12, .hit_cycles = 5, .mshrs = 16},
          .l2 = {.bytes = 2 << 20, .ways = 16, .hit_cycles = 15, .mshrs = 48},
          .l3 = {.bytes = 32 << 20, .ways = 16, .hit_cycles = 70, .mshrs = 64},
          .dram = {.model = dram,
                   .cycles = 230,
                   .controller_cycles = 60,
                   .channels = 2,
                   .banks = 32,
                   .tcas = 65,
                   .trcd = 65,
                   .trp = 65,
                   .burst_cycles = 13}};
}

void random_reads(benchmark::State& state, mmu::DramModel dram) {
  mmu::MemoryHierarchy memory(golden_cove(dram), 1, 1);
  const std::uint64_t bytes = static_cast<std::uint64_t>(state.range(0)) << 10;
  std::uint64_t random = 1;
  mmu::Cycle cycle = 0;
  const auto read = [&] {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const arch::Hpa address((random >> 20) % bytes);
    cycle = memory.access(0, {.address = address}, cycle).answered;
  };
  for (std::uint64_t address = 0; address < bytes; address += 64) {
    cycle = memory.access(0, {.address = arch::Hpa(address)}, cycle).answered;
  }
  for (auto _ : state) read();
  benchmark::DoNotOptimize(cycle);
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(random_reads, plain, mmu::DramModel::kPlain)
    ->Name("RandomReads/KiB")
    ->Arg(32)
    ->Arg(1 << 10)
    ->Arg(16 << 10)
    ->Arg(1 << 20);
BENCHMARK_CAPTURE(random_reads, banked, mmu::DramModel::kBanked)
    ->Name("RandomReadsOfBankedDram/KiB")
    ->Arg(1 << 20);

/// The path of a hit alone: one line, without the arithmetic of random addresses.
void same_line(benchmark::State& state) {
  mmu::MemoryHierarchy memory(golden_cove(mmu::DramModel::kPlain), 1, 1);
  mmu::Cycle cycle = 0;
  for (auto _ : state) {
    cycle = memory.access(0, {.address = arch::Hpa(0x1000)}, cycle).answered;
    benchmark::DoNotOptimize(cycle);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(same_line)->Name("SameLine");

}  // namespace
