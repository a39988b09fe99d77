#include "sim/output/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/output/figures.hpp"
#include "sim/output/summary.hpp"

namespace eptsim::sim {
namespace {

constexpr std::string_view kBaseline = "native:4K";
constexpr std::string_view kIdeal = "ideal:";

double real(std::uint64_t value) { return static_cast<double>(value); }

std::optional<double> over(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return real(part) / real(whole);
}

std::uint64_t count(const NamedRun& run, const char* pointer) {
  return run.document.at("stats").at(Json::json_pointer(pointer)).get<std::uint64_t>();
}

const NamedRun* find(const std::vector<NamedRun>& runs, std::string_view scheme) {
  const auto found = std::ranges::find(runs, scheme, &NamedRun::name);
  return found == runs.end() ? nullptr : &*found;
}

const NamedRun& baseline(const std::vector<NamedRun>& runs) {
  const NamedRun* const found = find(runs, kBaseline);
  return found == nullptr ? runs.front() : *found;
}

/// Its guest's pages on TLBs that cost nothing.
const NamedRun* ideal_of(const std::vector<NamedRun>& runs, const NamedRun& run) {
  const std::string pages = run.name.substr(run.name.find(':') + 1);
  return find(runs, std::string(kIdeal) + pages.substr(0, pages.find('/')));
}

std::string decimals(std::optional<double> value, int places) {
  return value ? grouped(*value, places) : "-";
}

std::string row(const std::vector<std::string>& cells) {
  std::string line = fmt::format("{:<20}", cells.front());
  for (std::size_t i = 1; i < cells.size(); ++i) line += fmt::format("{:>12}", cells[i]);
  return line;
}

}  // namespace

std::vector<SchemeFigures> scheme_figures(const std::vector<NamedRun>& runs) {
  const bool partial = std::ranges::any_of(
      runs, [](const NamedRun& run) { return run.document.at("partial").get<bool>(); });
  std::vector<SchemeFigures> all;
  for (const NamedRun& run : runs) {
    const Figures of(run.document);
    SchemeFigures figures;
    figures.cycles = of.cycles;
    figures.walks = of.walks;
    if (of.walks != 0) {
      figures.references_per_walk = of.references_per_walk;
      figures.cycles_per_walk = of.cycles_per_walk;
    }
    figures.walks_per_kilo_instruction = over(1000 * of.walks, of.instructions);
    figures.translation_share = over(of.translation_cycles, of.cycles).value_or(0);
    for (const Json& exits : run.document.at("stats").at("vmx").at("exits")) {
      figures.exits += exits.get<std::uint64_t>();
    }
    figures.exit_cycles = of.exit_cycles;
    figures.exit_share = over(of.exit_cycles, of.cycles).value_or(0);
    if (!partial) {
      figures.speed = over(count(baseline(runs), "/cycles"), of.cycles);
      if (const NamedRun* const ideal = ideal_of(runs, run)) {
        figures.speed_of_ideal = over(count(*ideal, "/cycles"), of.cycles);
      }
    }
    all.push_back(figures);
  }
  return all;
}

Json to_json(const SchemeFigures& figures) {
  Json json = {{"cycles", figures.cycles}, {"walks", figures.walks}};
  const auto add = [&](const char* key, std::optional<double> value) {
    if (value) json[key] = *value;
  };
  add("references_per_walk", figures.references_per_walk);
  add("cycles_per_walk", figures.cycles_per_walk);
  add("walks_per_kilo_instruction", figures.walks_per_kilo_instruction);
  json["translation_share"] = figures.translation_share;
  json["exits"] = figures.exits;
  json["exit_cycles"] = figures.exit_cycles;
  json["exit_share"] = figures.exit_share;
  add("speed", figures.speed);
  add("speed_of_ideal", figures.speed_of_ideal);
  return json;
}

std::string comparison(const std::vector<NamedRun>& runs, Style style) {
  std::string text;
  for (const NamedRun& run : runs) {
    if (!run.document.at("partial").get<bool>()) continue;
    text = style.heading("PARTIAL: a run ended early, and this is what was measured until then") +
           "\n\n";
  }
  text +=
      style.heading(fmt::format("eptsim {}: schemes compared",
                                runs.front().document.at("eptsim_version").get<std::string>())) +
      "\n" + facts(runs.front().document, style) + "\n";
  text += style.heading(row({"", "references", "cycles", "walks per", "lost to", "", "time in", "",
                             "speed by", "speed by"})) +
          "\n";
  text += style.heading(row({"scheme", "per walk", "per walk", "1000 instr.", "translation",
                             "exits", "exits", "cycles", baseline(runs).name, "ideal"})) +
          "\n";
  const std::vector<SchemeFigures> all = scheme_figures(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const SchemeFigures& figures = all[i];
    text +=
        row({runs[i].name, decimals(figures.references_per_walk, 2),
             decimals(figures.cycles_per_walk, 1), decimals(figures.walks_per_kilo_instruction, 2),
             percent(figures.translation_share, 1, 1), grouped(figures.exits),
             percent(figures.exit_share, 1, 1), grouped(figures.cycles), decimals(figures.speed, 3),
             decimals(figures.speed_of_ideal, 3)}) +
        "\n";
  }
  std::string stale;
  for (const NamedRun& run : runs) {
    if (const std::uint64_t uses = count(run, "/stale/uses"); uses != 0) {
      stale += fmt::format("stale translations used, {}: {}\n", run.name, grouped(uses));
    }
  }
  return text + (stale.empty() ? "" : "\n" + stale);
}

}  // namespace eptsim::sim
