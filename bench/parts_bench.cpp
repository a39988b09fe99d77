// What parts of a run cost by themselves: a look-up in the TLBs that hits and one that misses and
// fills, and the decoding of a record. (Caches: memory_access_bench; walks: walker_bench; maps:
// ept_map_bench.)

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "mmu_model/tlb/tlb_hierarchy.hpp"
#include "sim/settings/machine.hpp"
#include "sim/trace/reader.hpp"

namespace {

using namespace eptsim;

mmu::WalkContext paging() {
  mmu::Context raw;
  raw.cr0 = 0x8001'0001;  // PG, WP, PE
  raw.cr4 = 1 << 5;       // PAE
  raw.efer = 0xd00;       // LME, LMA, NXE
  return mmu::WalkContext(raw);
}

/// Random pages, as many as the argument says: 64 stay in the first level, 1024 in the second.
void tlb_lookup(benchmark::State& state) {
  const mmu::MachineSettings hardware = sim::resolve_machine("default").hardware;
  mmu::TlbHierarchy tlbs(hardware.l1i, hardware.l1d, hardware.l2, hardware.seed);
  const mmu::WalkContext context = paging();
  tlbs.use(context);
  const auto pages = static_cast<std::uint64_t>(state.range(0));
  std::uint64_t random = 1;
  std::uint64_t misses = 0;
  for (auto _ : state) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const mmu::Request request{.address = (random >> 33) % pages << 12, .user = true};
    if (tlbs.lookup(request)) [[likely]]
      continue;
    ++misses;
    mmu::Outcome outcome{.gpa = request.address, .hpa = request.address};
    outcome.dirty = true;
    tlbs.fill(context, request, outcome);
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["misses"] =
      benchmark::Counter(static_cast<double>(misses), benchmark::Counter::kAvgIterations);
}
BENCHMARK(tlb_lookup)->Name("TlbLookUp/pages")->Arg(64)->Arg(1024)->Arg(65536);

void decode(benchmark::State& state, const std::string& trace) {
  std::vector<sim::Record> records(4096);
  std::int64_t decoded = 0;
  for (auto _ : state) {
    const auto reader = sim::open_trace(trace);
    while (const std::size_t count = reader->read(records)) {
      decoded += static_cast<std::int64_t>(count);
      benchmark::DoNotOptimize(records.data());
    }
  }
  state.SetItemsProcessed(decoded);
}
BENCHMARK_CAPTURE(decode, sqlite, EPTSIM_TRACES "/sqlite.ept")
    ->Name("Decode/sqlite")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode, xz, EPTSIM_TRACES "/xz.ept")
    ->Name("Decode/xz")
    ->Unit(benchmark::kMillisecond);

}  // namespace
