// How fast runs are, and how far from what bounds them: run_bench [ROUNDS [LOAD...]]
//
// Three loads, traces in the own format with data references alone, on the machine `default`,
// nested, on one core: `mix` and `gups` as they are generated, `sqlite` as it is bundled. Of each,
// in turn and by processor time, so that all meet the same host:
//
//   decode       the plain loop that only decodes the trace
//   look-up      the loop that decodes and looks the TLBs up; a miss fills them, at no cost of a
//   walk translation  eptsim run --detail translation full         eptsim run --detail full
//
// Prints millions of accesses a second (least, median, most of the rounds) and, of each kind of
// run, what part of the two loops' speed it has: the median over rounds. `scripts/bench` keeps
// these.

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <systemc>
#include <vector>

#include "mmu_model/tlb/tlb_hierarchy.hpp"
#include "sim/run/running_program.hpp"
#include "sim/run/simulation.hpp"
#include "sim/settings/machine.hpp"
#include "sim/trace/convert.hpp"
#include "sim/trace/reader.hpp"

namespace {

using namespace eptsim;

struct Load {
  std::string name;
  std::string trace;
};
const std::array kLoads = {
    Load{"mix", "generate:mix,accesses=2000000"},
    Load{"sqlite", EPTSIM_TRACES "/sqlite.ept"},
    Load{"gups", "generate:gups,footprint=128MiB,accesses=400000"},
};

enum Way { kDecode, kLookUp, kTranslation, kFull, kWays };
constexpr std::array<const char*, kWays> kNames = {"decode", "look-up", "translation", "full"};

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Measured {
  double seconds = 0;
  std::uint64_t accesses = 0;
};

/// In a process of its own: there is one SystemC kernel in each.
template <class Work>
Measured measure(const Work& work) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    const double begin = processor_seconds();
    Measured measured;
    measured.accesses = work();
    measured.seconds = processor_seconds() - begin;
    const bool said = write(ends[1], &measured, sizeof measured) == sizeof measured;
    _exit(said ? 0 : 1);
  }
  close(ends[1]);
  Measured measured;
  const bool heard = read(ends[0], &measured, sizeof measured) == sizeof measured;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!heard) throw std::runtime_error("a measurement failed");
  return measured;
}

template <class Each>
std::uint64_t for_each_access(const std::string& path, const Each& each) {
  const auto reader = sim::open_trace(path);
  std::vector<sim::Record> records(4096);
  std::uint64_t accesses = 0;
  while (const std::size_t count = reader->read(records)) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!sim::is_access(records[i].kind)) continue;
      ++accesses;
      each(records[i]);
    }
  }
  return accesses;
}

std::uint64_t decode(const std::string& path) {
  std::uint64_t sum = 0;
  const std::uint64_t accesses =
      for_each_access(path, [&](const sim::Record& record) { sum += record.address; });
  if (sum == 0) throw std::runtime_error("a trace of nothing");  // so it isn't left out
  return accesses;
}

std::uint64_t look_up(const std::string& path, const sim::Machine& machine) {
  const mmu::MachineSettings& hardware = machine.hardware;
  mmu::TlbHierarchy tlbs(hardware.l1i, hardware.l1d, hardware.l2, hardware.seed);
  mmu::Context raw;
  raw.cr0 = 0x8001'0001;  // PG, WP, PE
  raw.cr4 = 1 << 5;       // PAE
  raw.efer = 0xd00;       // LME, LMA, NXE
  const mmu::WalkContext context(raw);
  tlbs.use(context);
  return for_each_access(path, [&](const sim::Record& record) {
    const mmu::Request request{
        .address = record.address, .access = sim::access_kind(record.kind), .user = true};
    if (tlbs.lookup(request)) return;
    mmu::Outcome outcome{.gpa = record.address, .hpa = record.address};
    outcome.dirty = true;
    tlbs.fill(context, request, outcome);
  });
}

std::uint64_t run(const std::string& path, const sim::Machine& machine, sim::Detail detail) {
  const auto reader = sim::open_trace(path);
  const std::atomic<bool> stop = false;
  sim::RunSettings settings;
  settings.machine = machine;
  settings.detail = detail;
  settings.fetch = false;
  return sim::simulate(settings, *reader, stop).accesses;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void measure_load(const Load& load, unsigned rounds, const std::string& folder) {
  const std::string path = folder + "/" + load.name + ".ept";
  // Apart, too, so that runs find the memory of a process that has just begun.
  measure([&] {
    sim::ConvertOptions data_alone;
    data_alone.fetches = false;
    sim::convert_trace(load.trace, path, data_alone);
    return std::uint64_t{0};
  });
  const sim::Machine machine = sim::resolve_machine("default");
  std::array<std::vector<double>, kWays> speeds;  // millions of accesses a second
  for (unsigned round = 0; round < rounds; ++round) {
    const std::array<Measured, kWays> measured = {
        measure([&] { return decode(path); }),
        measure([&] { return look_up(path, machine); }),
        measure([&] { return run(path, machine, sim::Detail::kTranslation); }),
        measure([&] { return run(path, machine, sim::Detail::kFull); }),
    };
    for (std::size_t way = 0; way < kWays; ++way) {
      const auto accesses = static_cast<double>(measured[way].accesses);
      speeds[way].push_back(1e-6 * accesses / measured[way].seconds);
    }
  }
  for (std::size_t way = 0; way < kWays; ++way) {
    fmt::print("{:8} {:12} {:9.2f} {:9.2f} {:9.2f}", load.name, kNames[way],
               std::ranges::min(speeds[way]), median(speeds[way]), std::ranges::max(speeds[way]));
    for (const Way limit : {kDecode, kLookUp}) {
      std::vector<double> ratios;
      for (unsigned i = 0; i < rounds; ++i) ratios.push_back(speeds[way][i] / speeds[limit][i]);
      if (way > kLookUp) fmt::print(" {:12.4f}", median(ratios));
    }
    fmt::print("\n");
  }
  std::fflush(stdout);
}

}  // namespace

int sc_main(int argc, char* argv[]) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 3;
  if (rounds < 1) {
    fmt::print(stderr, "usage: run_bench [ROUNDS [LOAD...]]\n");
    return 2;
  }
  const std::vector<std::string> chosen(argv + std::min(argc, 2), argv + argc);
  std::string folder = (std::filesystem::temp_directory_path() / "run_bench.XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 1;
  fmt::print("{:8} {:12} {:>9} {:>9} {:>9} {:>12} {:>12}\n", "load", "", "least", "median", "most",
             "of decode", "of look-up");
  std::fflush(stdout);
  for (const Load& load : kLoads) {
    const bool wanted = chosen.empty() || std::ranges::find(chosen, load.name) != chosen.end();
    if (wanted) measure_load(load, static_cast<unsigned>(rounds), folder);
  }
  std::filesystem::remove_all(folder);
  return 0;
}

// libsystemc has a main of its own; this one is here to silence the banner that it would print.
int main(int argc, char* argv[]) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
  return sc_core::sc_elab_and_sim(argc, argv);
}
