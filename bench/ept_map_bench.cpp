// How fast map_range writes tables of 4 KiB pages, against a plain loop that stores as many entries
// of 8 bytes. MapRange reports the ratio of the two as `of_plain_stores`; it is to be at least 0.5.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <ctime>
#include <span>
#include <vector>

#include "ept/extended_page_table.hpp"
#include "ept/frame_pool.hpp"

namespace {

using namespace eptsim;

constexpr std::uint64_t kMiB = 1024 * 1024;

/// Memory in one piece from address 0 on, as a hypervisor's own would be.
class DenseMemory final : public arch::PhysicalMemory {
 public:
  explicit DenseMemory(std::uint64_t bytes) : words_(bytes / 8) {}

  std::uint64_t read64(arch::Hpa address) const override { return words_[address.value() / 8]; }
  void write64(arch::Hpa address, std::uint64_t value) override {
    words_[address.value() / 8] = value;
  }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    std::uint64_t& word = words_[address.value() / 8];
    const std::uint64_t found = word;
    if (found == expected) word = desired;
    return found;
  }
  std::span<std::uint64_t> table_view(arch::Hpa address) override {
    return std::span(words_).subspan(address.value() / 8, 512);
  }

 private:
  std::vector<std::uint64_t> words_;
};

/// Seconds of processor time that one call of `work` takes: what else the machine does is left out.
template <class Work>
double seconds(const Work& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double begin = now();
  work();
  return now() - begin;
}

void store_entries(std::vector<std::uint64_t>& entries) {
  std::uint64_t entry = 0x437;
  for (std::uint64_t& slot : entries) {
    slot = entry;
    entry += 4096;
  }
  benchmark::DoNotOptimize(entries.data());
  benchmark::ClobberMemory();
}

void plain_stores(benchmark::State& state) {
  std::vector<std::uint64_t> entries(static_cast<std::uint64_t>(state.range(0)) * kMiB / 4096);
  for (auto _ : state) store_entries(entries);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(entries.size()));
}

/// Maps the range in an empty table, and measures beside it, in turn, the plain stores.
void map_range(benchmark::State& state) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(state.range(0)) * kMiB;
  std::vector<std::uint64_t> entries(bytes / 4096);
  const std::uint64_t memory_bytes = bytes / 512 + 4 * kMiB;
  DenseMemory memory(memory_bytes);
  double mapping = 0;
  double storing = 0;
  for (auto _ : state) {
    ept::FramePool frames(arch::Hpa(0), arch::Hpa(memory_bytes));
    storing += seconds([&] { store_entries(entries); });
    auto table = ept::ExtendedPageTable::create(memory, frames, {}).value();
    const double elapsed = seconds([&] {
      auto pending = table.map_range(arch::Gpa(0), arch::Hpa(0), bytes, ept::kAllAccess,
                                     {.size = arch::PageSize::k4K});
      if (!pending) state.SkipWithError("map_range was refused");
      benchmark::ClobberMemory();
    });
    mapping += elapsed;
    state.SetIterationTime(elapsed);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(entries.size()));
  state.counters["of_plain_stores"] = storing / mapping;
}

BENCHMARK(plain_stores)->Name("PlainStores/MiB")->Arg(64)->Arg(1024)->Arg(16384);
BENCHMARK(map_range)->Name("MapRange/MiB")->Arg(64)->Arg(1024)->Arg(16384)->UseManualTime();

}  // namespace
