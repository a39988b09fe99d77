// What parts of a run cost by themselves: a look-up in the TLBs that hits and one that misses and
// fills, a walk that asks no cache, by its steps, and the decoding of a record. (Caches:
// memory_access_bench; walks in time: walker_bench; maps: ept_map_bench.)

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "mmu_model/dram.hpp"
#include "mmu_model/tlb/tlb_hierarchy.hpp"
#include "mmu_model/walk/translate.hpp"
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

/// A guest of 4 KiB pages on an EPT of 4 KiB pages, four levels each, with all flags set. What the
/// guest has lies at the same host- and guest-physical addresses.
class NestedTables {
 public:
  explicit NestedTables(unsigned pages) {
    for (unsigned page = 0; page < pages; ++page) {
      map(cr3_, kLinear + page * kPage, guest_frame(), kGuestFlags, true);
    }
  }
  static std::uint64_t linear(std::uint64_t page) { return kLinear + page * kPage; }
  mmu::Dram& memory() { return memory_; }
  mmu::WalkContext context() const {
    mmu::Context raw = paging().raw;
    raw.ept_enabled = true;
    raw.eptp = eptp_ | 1 << 6 | 3 << 3 | 6;  // flags in use, four levels, write-back
    raw.cr3 = cr3_;
    return mmu::WalkContext(raw);
  }

 private:
  static constexpr std::uint64_t kPage = 4096;
  static constexpr std::uint64_t kLinear = 9ull << 39 | 3ull << 30 | 5ull << 21;
  static constexpr std::uint64_t kEptFlags = 0x337;    // as kGuestFlags, write-back
  static constexpr std::uint64_t kGuestFlags = 0x067;  // present, writable, user, accessed, dirty
  static constexpr std::uint64_t kFrame = 0x000f'ffff'ffff'f000;

  std::uint64_t frame() { return free_ += kPage; }
  std::uint64_t guest_frame() {
    const std::uint64_t added = frame();
    map(eptp_, added, added, kEptFlags, false);
    return added;
  }
  void map(std::uint64_t table, std::uint64_t from, std::uint64_t to, std::uint64_t flags,
           bool of_guest) {
    for (unsigned level = 4;; --level) {
      const arch::Hpa at{table + 8 * (from >> (3 + 9 * level) & 511)};
      if (level == 1) return memory_.write64(at, to | flags);
      std::uint64_t entry = memory_.read64(at);
      if (entry == 0) {
        entry =
            (of_guest ? guest_frame() : frame()) | (flags & ~std::uint64_t{of_guest ? 0u : 0x30u});
        memory_.write64(at, entry);
      }
      table = entry & kFrame;
    }
  }

  mmu::Dram memory_{std::uint64_t{1} << 30};
  std::uint64_t free_ = 0;
  std::uint64_t eptp_ = frame();
  std::uint64_t cr3_ = guest_frame();
};

/// Random pages; a walk reads 24 entries and sets no flag.
void walk_steps(benchmark::State& state) {
  constexpr std::uint64_t kPages = 512;
  NestedTables tables(kPages);
  const mmu::WalkContext context = tables.context();
  std::uint64_t random = 1;
  std::int64_t steps = 0;
  for (auto _ : state) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const mmu::Request request{.address = NestedTables::linear((random >> 33) % kPages),
                               .user = true};
    const mmu::TranslateResult result = mmu::translate(context, request, tables.memory());
    if (result.outcome.kind != mmu::OutcomeKind::kTranslated) {
      return state.SkipWithError("a page isn't mapped");
    }
    steps += result.references;
  }
  state.SetItemsProcessed(steps);
}
BENCHMARK(walk_steps)->Name("WalkSteps/nested");

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
