// Runs one guest three times: without dirty logging, with PML, and with write protection. Prints
// what happened and what it cost.

#include <algorithm>
#include <array>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "ept/arch/fault.hpp"
#include "examples/simple_ept_vm/hypervisor.hpp"

using namespace eptsim;
using arch::ExitReason;
using examples::DirtyLogging;
using examples::Exit;
using examples::Hypervisor;
using examples::Phase;

namespace {

/// As the manual writes it.
std::string words(ExitReason reason) {
  switch (reason) {
    case ExitReason::kCpuid: return "CPUID";
    case ExitReason::kHlt: return "HLT";
    case ExitReason::kWrmsr: return "WRMSR";
    case ExitReason::kEptViolation: return "EPT violation";
    case ExitReason::kPmlFull: return "PML log full";
    default: return std::string(name(reason));
  }
}

std::string hex(std::uint64_t value) {
  std::ostringstream text;
  text << std::hex << std::showbase << value;
  return text.str();
}

/// "0x18a store to r--": what was tried, and the rights that the EPT gives.
std::string explain(std::uint64_t qualification) {
  namespace q = arch::qualification;
  std::string text = hex(qualification);
  text += !q::kFinal.any(qualification)  ? " walk, table in "
          : q::kFetch.any(qualification) ? " fetch from "
          : q::kWrite.any(qualification) ? " store to "
                                         : " load from ";
  text += q::kReadable.any(qualification) ? 'r' : '-';
  text += q::kWritable.any(qualification) ? 'w' : '-';
  text += q::kExecutable.any(qualification) ? 'x' : '-';
  return text;
}

/// Exits that follow one another and differ in addresses alone make one line.
bool is_alike(const Exit& a, const Exit& b) {
  return a.reason == b.reason && a.qualification == b.qualification && a.handling == b.handling;
}

void print_exits(std::span<const Exit> exits) {
  while (!exits.empty()) {
    const Exit& exit = exits.front();
    std::size_t count = 1;
    while (count < exits.size() && is_alike(exit, exits[count])) ++count;
    const bool violation = exit.reason == ExitReason::kEptViolation;
    std::cout << "  " << std::setw(8) << hex(exit.rip) << std::setw(15) << words(exit.reason)
              << std::setw(12) << (violation ? hex(exit.gpa) : "") << std::setw(26)
              << (violation ? explain(exit.qualification) : "") << exit.handling;
    if (count > 1) std::cout << " (" << count << " times)";
    std::cout << '\n';
    exits = exits.subspan(count);
  }
}

/// What a guest's phase cost.
struct Cost {
  std::uint64_t violations = 0;
  std::uint64_t logs_full = 0;
  std::uint64_t invepts = 0;
  std::uint64_t translations = 0;
  std::uint64_t walks = 0;
  std::uint64_t references = 0;
};

Cost operator-(const Cost& a, const Cost& b) {
  return {a.violations - b.violations,     a.logs_full - b.logs_full, a.invepts - b.invepts,
          a.translations - b.translations, a.walks - b.walks,         a.references - b.references};
}

Cost cost_so_far(const Hypervisor& vm) {
  const mmu::Activity& activity = vm.processor().activity();
  const auto exits = [&](ExitReason reason) {
    return static_cast<std::uint64_t>(
        std::ranges::count(vm.exits(), reason, [](const Exit& exit) { return exit.reason; }));
  };
  return {exits(ExitReason::kEptViolation),
          exits(ExitReason::kPmlFull),
          vm.invepts(),
          activity.translations,
          activity.walks,
          activity.references};
}

/// What the last phase, the one with logging, cost and found.
struct Logged {
  Cost cost;
  std::set<arch::Gpa> pages;
};

Logged run(DirtyLogging way, std::span<const Phase> guest, bool tells) {
  Hypervisor vm(way);
  Logged result;
  for (const Phase& phase : guest) {
    const bool last = &phase == &guest.back();
    const std::size_t exits = vm.exits().size();
    const Cost before = cost_so_far(vm);
    if (last) vm.start_logging();
    if (!vm.run(phase.operations)) throw std::runtime_error("the guest was stopped");
    if (last) result.pages = vm.stop_logging();
    result.cost = cost_so_far(vm) - before;
    if (!tells) continue;
    std::cout << phase.name << ": " << phase.operations.size() << " operations, "
              << result.cost.walks << " walks, " << result.cost.references << " references\n";
    print_exits(std::span(vm.exits()).subspan(exits));
    std::cout << '\n';
  }
  return result;
}

}  // namespace

int main() {
  const std::vector<Phase> guest = examples::make_guest();
  std::cout
      << "A guest under EPT: memory appears when it is first touched, a page is a device, and\n"
         "what the last phase writes is found by page-modification logging (PML).\n\n"
      << std::left << "  " << std::setw(8) << "RIP" << std::setw(15) << "VM exit" << std::setw(12)
      << "address" << std::setw(26) << "qualification"
      << "the hypervisor\n\n";
  const std::array runs{run(DirtyLogging::kOff, guest, false), run(DirtyLogging::kPml, guest, true),
                        run(DirtyLogging::kWriteProtection, guest, false)};

  std::cout << "the last phase, without dirty logging and with either way of it\n"
            << "                                 off          PML   write protection\n";
  const auto row = [&](const char* label, auto value) {
    std::cout << "  " << std::left << std::setw(22) << label << std::right;
    for (const int width : {12, 13, 19}) {
      const std::size_t column = width == 12 ? 0 : width == 13 ? 1 : 2;
      std::cout << std::setw(width) << value(runs[column]);
    }
    std::cout << '\n';
  };
  row("EPT violations", [](const Logged& run) { return run.cost.violations; });
  row("PML log full", [](const Logged& run) { return run.cost.logs_full; });
  row("INVEPT", [](const Logged& run) { return run.cost.invepts; });
  row("translations", [](const Logged& run) { return run.cost.translations; });
  row("walks", [](const Logged& run) { return run.cost.walks; });
  row("references", [](const Logged& run) { return run.cost.references; });
  row("pages found written", [](const Logged& run) { return run.pages.size(); });
  if (runs[1].pages != runs[2].pages) {
    std::cout << "\nThe two ways of logging disagree!\n";
    return 1;
  }
  const auto tables = std::ranges::count_if(
      runs[1].pages, [](arch::Gpa page) { return page < examples::kHeapMemory; });
  std::cout
      << "\nPML and write protection find the same pages: "
      << static_cast<std::ptrdiff_t>(runs[1].pages.size()) - tables
      << " that the guest stored to, and " << tables
      << " of its page\ntables: with accessed and dirty flags on in the EPT, a walk counts as "
         "a write to them.\n";
}
