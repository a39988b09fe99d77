#include "sim/settings/tlb_parameters.hpp"

#include <string>
#include <utility>

#include "sim/settings/parameter_words.hpp"

namespace eptsim::sim {
namespace {

using mmu::TlbGeometry;
using mmu::TlbSettings;
using Type = Parameter::Type;

class TlbParameters {
 public:
  TlbParameters(std::string_view name, std::string_view what,
                TlbSettings mmu::MachineSettings::* tlb)
      : prefix_("tlb." + std::string(name) + "."), what_(what), tlb_(tlb) {}

  void append_to(std::vector<Parameter>& table) const {
    append_array(table, Shape::kUnified, "", "every page size", &TlbSettings::unified);
    append_array(table, Shape::kBySize, ".4k", "4 KiB pages", &TlbSettings::k4);
    append_array(table, Shape::kBySize, ".2m", "2 MiB pages", &TlbSettings::m2);
    append_array(table, Shape::kShared, ".4k-2m", "4 KiB and 2 MiB pages", &TlbSettings::k4_m2);
    append_array(table, Shape::kSplit, ".1g", "1 GiB pages", &TlbSettings::g1);

    Parameter coalesce =
        number("coalesce", "4 KiB pages that one entry may hold, 1, 2, 4 or 8 (1: no coalescing)",
               &TlbSettings::coalesce);
    coalesce.unit = "1";
    coalesce.minimum = 1;
    coalesce.maximum = 8;
    table.push_back(std::move(coalesce));

    table.push_back(cycles("hit_cycles", "cycles that a hit here adds", &TlbSettings::hit_cycles));
    table.push_back(cycles("miss_cycles",
                           "cycles until a miss here, with no further level to ask, asks for its "
                           "walk (0: as hit_cycles)",
                           &TlbSettings::miss_cycles));

    Parameter replacement = start("replacement", what_ + ": which entry of a full set gives way");
    replacement.type = Type::kWord;
    replacement.words.assign(kReplacementWords.begin(), kReplacementWords.end());
    replacement.get = [tlb = tlb_](const Machine& m) {
      return index_of(kReplacements, (m.hardware.*tlb).replacement);
    };
    replacement.set = [tlb = tlb_](Machine& m, std::uint64_t value) {
      (m.hardware.*tlb).replacement = kReplacements.at(value);
    };
    table.push_back(std::move(replacement));
  }

 private:
  Parameter start(std::string_view name, std::string help) const {
    Parameter parameter;
    parameter.key = prefix_ + std::string(name);
    parameter.help = std::move(help);
    return parameter;
  }

  Parameter number(std::string_view name, const std::string& help,
                   unsigned TlbSettings::* field) const {
    Parameter parameter = start(name, what_ + ": " + help);
    parameter.get = [tlb = tlb_, field](const Machine& machine) {
      return std::uint64_t{(machine.hardware.*tlb).*field};
    };
    parameter.set = [tlb = tlb_, field](Machine& machine, std::uint64_t value) {
      (machine.hardware.*tlb).*field = static_cast<unsigned>(value);
    };
    return parameter;
  }
  Parameter cycles(std::string_view name, const std::string& help,
                   unsigned TlbSettings::* field) const {
    Parameter parameter = number(name, help, field);
    parameter.unit = "cycle";
    parameter.maximum = 10'000;
    return parameter;
  }

  /// The arrays that a setting is about; kSplit is either of the two that aren't unified.
  enum class Shape : std::uint8_t { kUnified, kBySize, kShared, kSplit };

  static bool is(const TlbSettings& tlb, Shape shape) {
    switch (shape) {
      case Shape::kUnified: return !tlb.split;
      case Shape::kBySize: return tlb.split && !tlb.shares_4k_2m;
      case Shape::kShared: return tlb.split && tlb.shares_4k_2m;
      case Shape::kSplit: break;
    }
    return tlb.split;
  }
  /// Makes it so; arrays that come new have no entries.
  static void make(TlbSettings& tlb, Shape shape) {
    if (is(tlb, shape)) return;
    if (shape == Shape::kUnified) {
      tlb.unified.ways = tlb.shares_4k_2m ? tlb.k4_m2.ways : tlb.k4.ways;
    } else {
      tlb.k4 = tlb.m2 = tlb.k4_m2 = {};
      if (!tlb.split) tlb.g1 = {};
    }
    tlb.split = shape != Shape::kUnified;
    tlb.shares_4k_2m = shape == Shape::kShared;
  }

  void append_array(std::vector<Parameter>& table, Shape shape, const std::string& suffix,
                    const std::string& pages, TlbGeometry TlbSettings::* array) const {
    const auto applies = [tlb = tlb_, shape](const Machine& machine) {
      return is(machine.hardware.*tlb, shape);
    };

    Parameter entries = start("entries" + suffix, what_ + ": entries, " + pages + " (0: off)");
    entries.unit = "1";
    entries.maximum = 1u << 20;
    entries.shapes = true;
    entries.applies = applies;
    entries.get = [tlb = tlb_, array](const Machine& machine) {
      return std::uint64_t{(machine.hardware.*tlb.*array).entries};
    };
    entries.set = [tlb = tlb_, array, shape](Machine& machine, std::uint64_t value) {
      TlbSettings& settings = machine.hardware.*tlb;
      make(settings, shape);
      (settings.*array).entries = static_cast<unsigned>(value);
    };
    table.push_back(std::move(entries));

    Parameter ways = start("ways" + suffix, what_ + ": ways of a set, " + pages);
    ways.unit = "1";
    ways.minimum = 1;
    ways.maximum = 1024;
    ways.applies = applies;
    ways.get = [tlb = tlb_, array](const Machine& machine) {
      return std::uint64_t{(machine.hardware.*tlb.*array).ways};
    };
    ways.set = [tlb = tlb_, array](Machine& machine, std::uint64_t value) {
      (machine.hardware.*tlb.*array).ways = static_cast<unsigned>(value);
    };
    table.push_back(std::move(ways));
  }

  std::string prefix_;
  std::string what_;
  TlbSettings mmu::MachineSettings::* tlb_;
};

}  // namespace

void add_tlb(std::vector<Parameter>& table, std::string_view name, std::string_view what,
             TlbSettings mmu::MachineSettings::* tlb) {
  TlbParameters(name, what, tlb).append_to(table);
}

}  // namespace eptsim::sim
