#include "sim/run/tests/result_text.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <utility>

namespace eptsim::sim {
namespace {

void print(std::ostream& out, const char* name, const mmu::TlbCounters& tlb) {
  out << name << ' ' << tlb.accesses << ' ' << tlb.hits << ' ' << tlb.misses << '\n';
}

}  // namespace

std::string text_of(const CoreResult& core) {
  std::ostringstream out;
  const CycleClasses& by = core.cycles_by;
  out << core.accesses << ' ' << core.instructions << ' ' << core.cycles << ' ' << by.retiring
      << ' ' << by.data << ' ' << by.translation << ' ' << by.exits << ' ' << by.other << ' '
      << core.l1_misses << ' ' << core.l2_misses << ' ' << core.walks << ' ' << core.walk_cycles
      << ' ' << core.exits;
  return out.str();
}

std::string text_of(const RunResult& result) {
  std::ostringstream out;
  out << "accesses " << result.accesses << "\ninstructions " << result.instructions << "\ncycles "
      << result.cycles << "\ntranslation " << result.cycles_by.translation << "\nevents "
      << result.events << '\n';
  const CycleClasses& by = result.cycles_by;
  out << "classes " << by.retiring << ' ' << by.data << ' ' << by.translation << ' ' << by.exits
      << ' ' << by.other << "\nreplayed " << result.replayed << ' ' << result.replayed_lookups
      << "\nqueue " << result.walk_queue.merged << ' ' << result.walk_queue.cycles << ' '
      << result.walk_queue.answered << ' ' << result.walk_queue.most << '\n';
  print(out, "l1i", result.l1i);
  print(out, "l1d", result.l1d);
  print(out, "l2", result.l2);
  const mmu::WalkerCounters& walker = result.walker;
  out << "walks " << walker.walks << "\nreferences " << walker.references << ' '
      << walker.guest_references << ' ' << walker.ept_references << "\nflags "
      << walker.flag_updates << "\nwalk cycles " << walker.cycles << ' ' << walker.guest_cycles
      << ' ' << walker.ept_cycles << '\n';
  for (const auto& [cycles, walks] : walker.latency)
    out << "lat " << cycles << ' ' << walks << '\n';
  for (const auto& [references, walks] : walker.references_histogram) {
    out << "refs " << references << ' ' << walks << '\n';
  }
  for (const unsigned level : {2u, 3u, 4u}) {
    print(out, "combined", walker.combined.at(level));
    print(out, "ept", walker.ept.at(level));
  }
  print(out, "nested", walker.nested_tlb);
  for (const auto& row : walker.matrix) {
    for (const auto& place : row) {
      out << place.references << '/' << place.cycles;
      for (const std::uint64_t served : place.served_by) out << '/' << served;
      out << ' ';
    }
    out << '\n';
  }
  for (const auto& level : result.caches.cache) {
    for (const mmu::MemoryCacheCounters& counted : level.by_origin) {
      out << "cache " << counted.accesses << ' ' << counted.hits << ' ' << counted.misses << ' '
          << counted.merged << ' ' << counted.writebacks << '\n';
    }
    out << "invalidations " << level.invalidations << '\n';
  }
  const mmu::DramCounters& dram = result.caches.dram;
  out << "dram " << dram.reads << ' ' << dram.writes << ' ' << dram.row_hits << ' '
      << dram.row_misses << ' ' << dram.row_conflicts << '\n';
  out << "faults " << result.guest_page_faults << ' ' << result.ept_violations << ' '
      << result.ept_misconfigurations << ' ' << result.shadow_exits.page_faults << ' '
      << result.shadow_exits.guest_table_writes << ' ' << result.shadow_exits.cr_accesses << ' '
      << result.shadow_exits.invlpgs << ' ' << result.cycles_by.exits << "\nbytes "
      << result.page_bytes << ' ' << result.guest_table_bytes << ' ' << result.ept_table_bytes
      << "\nmemory " << result.memory_hash << '\n';
  for (const auto* spots : {&result.hot_pages, &result.hot_instructions}) {
    for (const HotSpot& spot : *spots) {
      out << std::hex << spot.address << std::dec << ' ' << spot.walks << ' ' << spot.walk_cycles
          << '\n';
    }
  }
  for (const Interval& interval : result.timeline) {
    out << "interval " << interval.accesses << ' ' << interval.instructions << ' '
        << interval.cycles << ' ' << interval.translation_cycles << ' ' << interval.exit_cycles
        << ' ' << interval.lookups << ' ' << interval.first_level_misses << ' '
        << interval.tlb_misses << ' ' << interval.walks << ' ' << interval.walk_cycles << '\n';
  }
  const CoreExits& exits = result.exits;
  const Shootdowns& shootdowns = result.shootdowns;
  out << "exits " << exits.external_interrupt << ' ' << exits.apic_write << ' '
      << exits.preemption_timer << ' ' << exits.vcpu_switch << ' ' << exits.merge << "\nshootdowns "
      << shootdowns.of_hypervisor << ' ' << shootdowns.of_guest << ' ' << shootdowns.interrupts
      << ' ' << shootdowns.cycles << "\nstale " << result.stale.guest << ' ' << result.stale.ept
      << '\n';
  for (const MergeCounts& merging : {result.guest_merging, result.hypervisor_merging}) {
    out << "merging " << merging.merges << ' ' << merging.pages << ' ' << merging.refused << ' '
        << merging.cycles << '\n';
  }
  const DirtyLogCounts& log = result.dirty_log;
  out << "dirty " << log.turns << ' ' << log.rounds << ' ' << log.pages << ' '
      << log.protected_writes << ' ' << log.full_logs << ' ' << log.logged << ' ' << log.entries
      << ' ' << log.splits << ' ' << log.merges << ' ' << log.cycles << ' '
      << result.walker.log_restarts << '\n';
  for (const DirtyRound& round : result.dirty_rounds) {
    out << "round " << round.vm << ' ' << round.pages << ' ' << round.cycles << '\n';
  }
  for (const CoreResult& core : result.cores) out << "core " << text_of(core) << '\n';
  if (const SamplingResult& sampling = result.sampling; sampling.windows != 0) {
    out << "windows " << sampling.windows << ' ' << sampling.measured_accesses << ' '
        << sampling.detailed_walks << ' ' << sampling.cycles_error << ' '
        << sampling.translation_cycles_error << ' ' << sampling.translation_share_error << ' '
        << sampling.touched_accesses << '\n';
  }
  out << result.partial << ' ' << (result.error ? result.error->what() : "done") << '\n';
  return out.str();
}

std::string run_apart(const RunSettings& settings, const std::vector<Record>& records) {
  return run_apart(settings, Programs{{records}});
}

std::string run_apart(const RunSettings& settings, const Programs& programs) {
  std::array<int, 2> pipe_ends{};
  if (::pipe(pipe_ends.data()) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    std::string text;
    try {
      text = text_of(run(settings, programs));
    } catch (const std::exception& error) {
      text = std::string("exception: ") + error.what();
    }
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t count = ::write(pipe_ends[1], text.data() + done, text.size() - done);
      if (count <= 0) _exit(1);
      done += static_cast<std::size_t>(count);
    }
    _exit(0);
  }
  ::close(pipe_ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t count; (count = ::read(pipe_ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  ::close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) text += "child failed";
  return text;
}

}  // namespace eptsim::sim
