// How fast the Verilated walker runs: walks and simulated cycles a second of one processor's time,
// alone, and with every check on: the clocked model beside it, both held against one another in
// each cycle as `eptsim verify` does, and each response against what the tables say. Memory answers
// four cycles after it takes a request.
//
// Cold walks make 24 references: nothing is cached, and each of the five guest-physical addresses
// lies in another 512 GiB. Warm ones make one, the guest's leaf, found by a combined hit and
// followed by a nested one. As many walks are in flight as the walker has slots, unless the name
// ends in "alone".

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "mmu_model/walk/walk_context.hpp"
#include "mmu_model/walker/configurations.hpp"
#include "mmu_model/walker/model_walker.hpp"
#include "testbench/paired_walker/paired_walker.hpp"
#include "testbench/rtl_walker/rtl_walker.hpp"

namespace {

using namespace eptsim;

constexpr mmu::Cycle kLatency = 4;
constexpr unsigned kGuestLevels = 4;
constexpr unsigned kPages = 32;  ///< of data

/// Guests of four levels on EPTs of four levels, 4 KiB pages throughout, all flags set: frames from
/// host-physical address 0 on.
class Guests {
 public:
  explicit Guests(unsigned number) {
    for (unsigned guest = 0; guest < number; ++guest) add();
  }

  const mmu::WalkContext& context(unsigned guest) const { return contexts_[guest]; }
  static std::uint64_t linear(unsigned page) { return kMiddle | page * kPage | 0x678; }
  /// Where the page of a guest is.
  std::uint64_t expected(unsigned guest, unsigned page) const {
    return data_[guest] + page * kPage + 0x678;
  }
  std::uint64_t read(std::uint64_t address) const { return words_.at(address / 8); }

 private:
  static constexpr std::uint64_t kPage = 4096;
  static constexpr std::uint64_t kMiddle = 9ull << 39 | 3ull << 30 | 5ull << 21;
  static constexpr std::uint64_t kEptFlags = 0x307;    // read, write, execute, accessed, dirty
  static constexpr std::uint64_t kGuestFlags = 0x067;  // present, writable, user, accessed, dirty
  static constexpr std::uint64_t kWriteBack = 6 << 3;

  std::uint64_t frame() {
    words_.resize(words_.size() + kPage / 8);
    return words_.size() * 8 - kPage;
  }
  void write(std::uint64_t table, std::uint64_t index, std::uint64_t entry) {
    words_[table / 8 + index] = entry;
  }
  static std::uint64_t index(std::uint64_t address, unsigned level) {
    return address >> (3 + 9 * level) & 511;
  }
  /// 512 GiB each: those of the guest's tables, by their level, and 0 for its data.
  static std::uint64_t region(unsigned number) {
    return std::uint64_t{number + 1} << 39 | 7ull << 30 | 11ull << 21;
  }

  /// The EPT tables below the root for the first 512 pages of a region; returns the last one.
  std::uint64_t map_region(std::uint64_t root, unsigned number) {
    std::uint64_t table = root;
    for (unsigned level = 4; level > 1; --level) {
      const std::uint64_t below = frame();
      write(table, index(region(number), level), below | kEptFlags);
      table = below;
    }
    return table;
  }

  void add() {
    const std::uint64_t root = frame();
    std::uint64_t table = 0;
    for (unsigned level = kGuestLevels; level >= 1; --level) {
      const std::uint64_t ept = map_region(root, level);
      table = frame();
      write(ept, 0, table | kEptFlags | kWriteBack);
      if (level > 1) write(table, index(kMiddle, level), region(level - 1) | kGuestFlags);
    }
    const std::uint64_t ept = map_region(root, 0);
    data_.push_back(std::uint64_t{contexts_.size() + 1} << 32);
    for (unsigned page = 0; page < kPages; ++page) {
      write(table, page, (region(0) + page * kPage) | kGuestFlags);
      write(ept, page, (data_.back() + page * kPage) | kEptFlags | kWriteBack);
    }
    mmu::Context context;
    context.ept_enabled = true;
    context.eptp = root | 1 << 6 | 3 << 3 | 6;  // flags in use, four levels, write-back
    context.cr0 = 0x8001'0001;                  // PG, WP, PE
    context.cr3 = region(kGuestLevels);
    context.cr4 = 1 << 5;  // PAE
    context.efer = 0xd00;  // LME, LMA, NXE
    contexts_.emplace_back(context);
  }

  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t> data_;
  std::deque<mmu::WalkContext> contexts_;
};

enum class Caches { kCold, kWarm };

/// Clocks a walker through walks, in those cycles in which something happens.
class Driver {
 public:
  /// Walks are of the first so many of the pages.
  Driver(mmu::WalkerUnit& walker, const Guests& guests, unsigned at_once, Caches caches,
         unsigned pages)
      : walker_(walker), guests_(guests), at_once_(at_once), caches_(caches), pages_(pages) {}

  /// Makes so many walks; cold ones in groups of those in flight at once, each of another guest,
  /// with all caches emptied between groups.
  void run(unsigned walks) {
    const unsigned references = caches_ == Caches::kCold ? 24 : 1;
    for (unsigned done = 0; done < walks;) {
      const unsigned group = caches_ == Caches::kCold ? at_once_ : walks;
      if (caches_ == Caches::kCold) empty_caches();
      run_group(group, references);
      done += group;
    }
  }
  /// Until everything that warm walks use is cached.
  void warm_up() { run_group(4 * kPages, 0); }
  mmu::Cycle now() const { return now_; }

 private:
  struct Due {
    mmu::Cycle cycle;
    mmu::MemoryAnswer answer;
  };

  void empty_caches() {
    mmu::WalkerInputs inputs;
    inputs.cycle = now_++;
    inputs.invalidation = mmu::InvalidationScope{.guest_physical_mappings = true};
    walker_.tick(inputs);
  }

  /// `references` is what each must take, if not 0.
  void run_group(unsigned walks, unsigned references) {
    unsigned begun = 0;
    for (unsigned done = 0; done < walks; ++now_) {
      const mmu::WalkerOutputs& outputs = walker_.outputs();
      const bool asks = begun < walks && begun < done + at_once_ && outputs.request_ready;
      if (!asks && !outputs.memory && !outputs.response) {
        now_ = std::min(outputs.next_cycle, due_.empty() ? mmu::kNever : due_.front().cycle);
      }
      mmu::WalkerInputs inputs;
      inputs.cycle = now_;
      if (asks) inputs.request = request(begun++);
      inputs.memory_ready = inputs.response_ready = true;
      if (outputs.memory) {
        due_.push_back(
            {now_ + kLatency,
             {.id = outputs.memory->id, .value = guests_.read(outputs.memory->address)}});
      }
      if (!due_.empty() && due_.front().cycle == now_) {
        inputs.answer = due_.front().answer;
        due_.pop_front();
      }
      if (outputs.response) {
        check(*outputs.response, references);
        ++done;
      }
      walker_.tick(inputs);
    }
  }

  /// The tag says what is asked for: cold walks are each of another guest.
  mmu::WalkRequest request(unsigned number) {
    next_page_ = next_page_ * 5 + 3;
    const std::uint32_t page = next_page_ % pages_;
    const std::uint32_t guest = caches_ == Caches::kCold ? number : 0;
    return {.tag = guest << 16 | page,
            .context = &guests_.context(guest),
            .request = {.address = Guests::linear(page), .user = true}};
  }
  void check(const mmu::WalkResponse& response, unsigned references) const {
    if (response.outcome.kind != mmu::OutcomeKind::kTranslated ||
        response.outcome.hpa != guests_.expected(response.tag >> 16, response.tag & 0xffff) ||
        (references != 0 && response.references != references)) {
      throw std::runtime_error("a walk of " + std::to_string(response.references) +
                               " references led elsewhere");
    }
  }

  mmu::WalkerUnit& walker_;
  const Guests& guests_;
  unsigned at_once_;
  Caches caches_;
  unsigned pages_;
  mmu::Cycle now_ = 0;
  std::uint32_t next_page_ = 0;
  std::deque<Due> due_;
};

/// Seconds of processor time that one call of `work` takes: what else the machine does is left out.
double seconds(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double begin = now();
  work();
  return now() - begin;
}

/// The RTL with every check on; and in turn with it, so that both meet the same machine, the RTL
/// alone and the model alone.
void walks(benchmark::State& state, const mmu::WalkerConfiguration& configuration, Caches caches,
           unsigned at_once) {
  constexpr unsigned kWalks = 2000;
  const Guests guests(at_once);
  tb::RtlWalker rtl(configuration.name);
  mmu::ModelWalker model(configuration);
  tb::PairedWalker paired(std::make_unique<mmu::ModelWalker>(configuration),
                          std::make_unique<tb::RtlWalker>(configuration.name));
  // What warm walks use fits: their pages, and that of the table which maps them.
  const unsigned pages =
      caches == Caches::kWarm ? std::min(kPages, configuration.nested_tlb / 2) : kPages;
  std::array drivers = {Driver(paired, guests, at_once, caches, pages),
                        Driver(rtl, guests, at_once, caches, pages),
                        Driver(model, guests, at_once, caches, pages)};
  if (caches == Caches::kWarm) {
    for (Driver& driver : drivers) driver.warm_up();
  }
  const mmu::Cycle begin = drivers[0].now();
  std::array<double, 3> spent{};
  for (auto _ : state) {
    for (std::size_t i = 0; i < drivers.size(); ++i) {
      const double elapsed = seconds([&] { drivers[i].run(kWalks); });
      spent[i] += elapsed;
      if (i == 0) state.SetIterationTime(elapsed);
    }
    paired.require_equal();
  }
  const double made = static_cast<double>(state.iterations()) * kWalks;
  state.counters["walks"] = made / spent[0];
  state.counters["cycles"] = static_cast<double>(drivers[0].now() - begin) / spent[0];
  state.counters["rtl_alone"] = made / spent[1];
  state.counters["model_alone"] = made / spent[2];
  state.counters["over_rtl"] = spent[0] / spent[1];
}

void register_all() {
  for (const mmu::WalkerConfiguration& configuration : mmu::named_configurations()) {
    const auto add = [&](const std::string& name, Caches caches, unsigned at_once) {
      benchmark::RegisterBenchmark((std::string(configuration.name) + "/" + name).c_str(), walks,
                                   configuration, caches, at_once)
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    };
    add("cold", Caches::kCold, configuration.walks);
    if (configuration.walks > 1) add("cold, alone", Caches::kCold, 1);
    if (!configuration.has_combined()) continue;
    add("warm", Caches::kWarm, configuration.walks);
    if (configuration.walks > 1) add("warm, alone", Caches::kWarm, 1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
