#include "sim/output/summary.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <set>
#include <string>

#include "sim/output/figures.hpp"

namespace eptsim::sim {
namespace {

double real(std::uint64_t value) { return static_cast<double>(value); }

constexpr std::size_t kWidth = 80;  // of a terminal, where words allow

/// `text` in lines of kWidth letters at most, those after the first indented.
std::string wrapped(std::string text, std::size_t indent) {
  std::string lines;
  while (text.size() > kWidth) {
    const std::size_t space = text.rfind(' ', kWidth);
    if (space == std::string::npos || space <= indent) break;
    lines += text.substr(0, space) + "\n";
    text = std::string(indent, ' ') + text.substr(space + 1);
  }
  return lines + text;
}

/// Lines of one shape: a label, a value set right, a remark.
class Table {
 public:
  explicit Table(Style style) : style_(style) {}

  void heading(std::string_view label, std::string_view value = "", std::string_view share = "") {
    add(style_.heading(fmt::format("{:<30}{:>14}{:>10}", label, value, share)));
  }
  void line(std::string_view label, std::string_view value, std::string_view remark = "") {
    add(fmt::format("  {:<28}{:>14}{}{}", label, value, remark.empty() ? "" : "   ", remark));
  }
  /// A count, its part of `whole`, and that as a bar.
  void part(std::string_view label, std::uint64_t value, std::uint64_t whole) {
    add(fmt::format("  {:<28}{:>14}{:>10}  {}", label, grouped(value),
                    percent(real(value), real(whole), 2), bar(real(value), real(whole), 24)));
  }
  void fact(std::string_view label, std::string_view value) {
    add(fmt::format("  {:<9}{}", label, value));
  }
  /// The same for words, which may take several lines.
  void words(std::string_view label, std::string_view value) {
    add(wrapped(fmt::format("  {:<9}{}", label, value), 11));
  }
  void sentence(const std::string& text) { add(style_.heading(text)); }
  void gap() { text_ += '\n'; }
  std::string take() { return std::move(text_); }

 private:
  /// Without spaces at the end, whatever the columns left.
  void add(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    text_ += text + "\n";
  }

  Style style_;
  std::string text_;
};

std::string pages(const Json& document) {
  const Json& machine = document.at("machine");
  const auto guest = machine.at("guest").at("page").get<std::string>();
  if (document.at("mode") == "native") return fmt::format("native, {} pages", guest);
  const auto host = machine.at("hypervisor").at("page").get<std::string>();
  if (document.at("mode") == "shadow") {
    return fmt::format("shadow paging, {} guest pages on {} host pages", guest, host);
  }
  return fmt::format("nested, {} guest pages on {} EPT pages", guest, host);
}

void add_facts(Table& table, const Json& document) {
  const Json& trace = document.at("trace");
  table.fact("trace", fmt::format("{}, format {}", trace.at("path").get<std::string>(),
                                  trace.at("format").get<std::string>()));
  for (const Json& more : document.value("more_traces", Json::array())) {
    table.fact("and", fmt::format("{}, format {}", more.at("path").get<std::string>(),
                                  more.at("format").get<std::string>()));
  }
  auto machine = document.at("machine_name").get<std::string>();
  for (const Json& change : document.value("machine_changes", Json::array())) {
    machine += ", " + change.get<std::string>();
  }
  table.words("machine", machine);
  const Json& model = document.at("model");
  table.words("core", model.at("core").get<std::string>());
  table.words("caches", model.at("caches").get<std::string>());
  table.fact("seed", std::to_string(document.at("run").at("seed").get<std::uint64_t>()));
}

/// What people ask first, in words.
void add_answer(Table& table, const Json& document, const Figures& figures) {
  if (figures.core_cycles == 0) {
    table.sentence("Nothing was measured.");
    return;
  }
  const auto of_time = [&](std::uint64_t cycles) {
    return percent(real(cycles), real(figures.core_cycles), 1);
  };
  std::string text = of_time(figures.translation_cycles) + " of the time went to translation";
  if (figures.exit_cycles > 0) {
    text += ", and another " + of_time(figures.exit_cycles) + " to VM exits";
  }
  text += ". ";
  if (figures.walks == 0) {
    text += "There were no walks.";
  } else {
    const Json& walker = document.at("stats").at("walker");
    if (figures.instructions > 0) {
      text += fmt::format("There were {} walks per 1,000 instructions, and a",
                          grouped(walker.at("walks_per_kilo_instruction").get<double>(), 1));
    } else {
      text += "A";
    }
    text +=
        fmt::format(" walk took {} references and {} cycles.",
                    grouped(figures.references_per_walk, 1), grouped(figures.cycles_per_walk, 0));
    // Accesses come late then one after another, each translated long before it is the oldest.
    if (walker.at("queue").at("cycles_per_walk").get<double>() > 2 * figures.cycles_per_walk) {
      text +=
          " Walks waited longer for a walker than they took, and most of what that costs counts as "
          "waiting for data: `eptsim compare` has the speed of an ideal TLB to hold it against.";
    }
  }
  table.sentence(wrapped(text, 0));
}

void add_walks(Table& table, const Json& walker, const Figures& figures, bool nested) {
  table.heading("Page walks");
  // An access whose walk faults walks again once the fault is served.
  table.line("walks", grouped(figures.walks),
             figures.walks > figures.tlb_misses
                 ? fmt::format("{} of them again, after a fault",
                               grouped(figures.walks - figures.tlb_misses))
                 : "");
  if (figures.walks == 0) return;
  table.line("walks per 1,000 instructions",
             grouped(walker.at("walks_per_kilo_instruction").get<double>(), 2));
  table.line("references per walk", grouped(figures.references_per_walk, 2),
             nested ? fmt::format("{:.2f} guest, {:.2f} EPT", figures.guest_references_per_walk,
                                  figures.ept_references_per_walk)
                    : "");
  const Json& latency = walker.at("latency");
  const auto cycles = [&](const char* key) {
    return grouped(latency.at(key).get<std::uint64_t>());
  };
  table.line("cycles per walk", grouped(figures.cycles_per_walk, 1),
             fmt::format("half within {}, 90 % {},", cycles("p50"), cycles("p90")));
  table.line("", "", fmt::format("99 % {}, longest {}", cycles("p99"), cycles("max")));
  const Json& queue = walker.at("queue");
  if (const auto most = queue.at("most").get<std::uint64_t>(); most > 1) {
    table.line("walks at a time", grouped(queue.at("mean").get<double>(), 2),
               fmt::format("{} at most; {} shared one", grouped(most),
                           grouped(walker.at("merged").get<std::uint64_t>())));
    table.line("cycles to the answer", grouped(queue.at("cycles_per_walk").get<double>(), 1),
               "with the wait for a walker");
  }
}

/// Where walks found what they would have read; nothing for a walker without caches.
void add_walker_caches(Table& table, const Figures& figures) {
  bool any = false;
  for (const Figures::LookUps& cache : figures.walker_caches) {
    if (cache.accesses == 0) continue;
    if (!any) {
      table.gap();
      table.heading("Hits of walks in", "hits", "hit rate");
      any = true;
    }
    table.part(cache.label, cache.hits, cache.accesses);
  }
}

/// Where the references were served; nothing on a machine without caches.
void add_served_by(Table& table, const Figures& figures) {
  std::uint64_t all = 0;
  for (const Figures::Served& served : figures.served_by) all += served.references;
  if (all == 0) return;
  table.gap();
  table.heading("References of walks served by", "references", "share");
  for (const Figures::Served& served : figures.served_by) {
    table.part(served.label, served.references, all);
  }
}

/// What the times of a sampled run are worth.
void add_sampling(Table& table, const Json& document) {
  const Json& sampling = document.at("stats").at("sampling");
  if (sampling.at("windows") == 0) return;
  const auto error = [&](const char* key) {
    const Json& value = sampling.at(key);
    return value.is_number() ? fmt::format("{:.2f}", 100 * value.get<double>()) : "?";
  };
  table.line(
      "estimated from windows", grouped(sampling.at("windows").get<std::uint64_t>()),
      fmt::format("of {} accesses; cycles ± {} %, those of translation ± {} %",
                  grouped(document.at("machine").at("sampling").at("window").get<std::uint64_t>()),
                  error("cycles_error"), error("translation_cycles_error")));
}

void add_dirty_log(Table& table, const Json& stats, std::uint64_t core_cycles) {
  const Json& log = stats.at("hypervisor").at("dirty_log");
  const auto count = [&](const char* key) { return log.at(key).get<std::uint64_t>(); };
  table.line("dirty logging, rounds", grouped(count("rounds")),
             fmt::format("of {} pages", grouped(log.at("pages_per_round").get<double>(), 1)));
  table.line("first writes that exited", grouped(count("protected_writes")));
  table.line("pages logged by hardware", grouped(count("logged")),
             fmt::format("{} exits for a full log",
                         grouped(stats.at("vmx").at("exits").at("pml_full").get<std::uint64_t>())));
  table.line("large pages split, merged", grouped(count("splits")), grouped(count("merges")));
  table.part("cycles of dirty logging", count("cycles"), core_cycles);
}

/// Small pages that were merged, if any were.
void add_merging(Table& table, const Json& stats, const char* whose, std::uint64_t core_cycles) {
  const Json& merging = stats.at(whose).at("merging");
  const auto count = [&](const char* key) { return merging.at(key).get<std::uint64_t>(); };
  if (count("merges") == 0 && count("refused") == 0) return;
  table.line(fmt::format("pages merged by the {}", whose), grouped(count("merges")),
             fmt::format("of {} small ones; {} times no frame", grouped(count("pages")),
                         grouped(count("refused"))));
  table.part(fmt::format("merging cycles, {}", whose), count("cycles"), core_cycles);
}

/// What a walk of memory finds where a TLB still has the old translation.
std::string stale_change(const std::string& change, const std::string& memory) {
  if (change == "moved") return fmt::format("{}: the page has moved", memory);
  if (change == "unlogged") {
    return fmt::format("{}: a write isn't logged, for the page's dirty flag was cleared", memory);
  }
  return fmt::format("{}: {}", memory,
                     change == "gone" ? "nothing is mapped there any more"
                                      : "the right to this access was taken away");
}

void add_stale(Table& table, const Json& stale) {
  table.gap();
  table.heading("Stale translations", "accesses");
  table.line("after a change by the guest", grouped(stale.at("guest").get<std::uint64_t>()));
  table.line("after a change of the EPT", grouped(stale.at("ept").get<std::uint64_t>()));
  // One line a page: the accesses to it that follow say nothing new.
  std::set<std::uint64_t> told;
  for (const Json& use : stale.at("first")) {
    const auto text = [&use](const char* key) { return use.at(key).get<std::string>(); };
    const std::string address = text("address");
    if (!told.insert(std::stoull(address, nullptr, 16) >> 12).second) continue;
    table.fact(told.size() == 1 ? "first" : "",
               fmt::format("access {}, {} of {}: the caches said {}, but memory says {}",
                           grouped(use.at("number").get<std::uint64_t>()), text("access"), address,
                           text("tlb"), stale_change(text("change"), text("memory"))));
    table.fact("", fmt::format("owed: {}", text("owed")));
  }
}

}  // namespace

std::string summary(const Json& document, Style style) {
  const Figures figures(document);
  const Json& stats = document.at("stats");
  const bool nested = document.at("mode") == "nested";
  Table table(style);

  if (document.at("partial").get<bool>()) {
    table.heading("PARTIAL: the run ended early, and this is what was measured until then");
    table.gap();
  }
  add_answer(table, document, figures);
  table.gap();
  table.heading(fmt::format("eptsim {}: {}", document.at("eptsim_version").get<std::string>(),
                            pages(document)));
  add_facts(table, document);
  table.gap();

  table.heading("Time", "cycles", "share");
  const bool window = document.at("detail") == "full";
  table.part(window ? "instructions retiring" : "the program itself", figures.retiring_cycles,
             figures.core_cycles);
  if (window) table.part("waiting for data", figures.data_cycles, figures.core_cycles);
  table.part("lost to translation", figures.translation_cycles, figures.core_cycles);
  if (document.at("mode") != "native")
    table.part("VM exits", figures.exit_cycles, figures.core_cycles);
  if (window) table.part("other", figures.other_cycles, figures.core_cycles);
  const std::size_t cores = stats.at("cores").size();
  table.line("in all", grouped(figures.core_cycles),
             fmt::format("for {} instructions", grouped(figures.instructions)));
  if (cores > 1) {
    table.line("of the longest core", grouped(stats.at("cycles").get<std::uint64_t>()),
               fmt::format("of {}", cores));
  }
  add_sampling(table, document);
  table.gap();

  table.heading("Translations found in", "accesses", "share");
  table.part("first-level TLB", figures.first_level_hits, figures.lookups);
  table.part("second-level TLB", figures.second_level_hits, figures.lookups);
  table.part("page tables, by a walk", figures.tlb_misses, figures.lookups);
  table.line("in all", grouped(figures.lookups));
  table.gap();

  add_walks(table, stats.at("walker"), figures, nested);
  add_walker_caches(table, figures);
  add_served_by(table, figures);
  table.gap();

  table.heading("System software");
  const auto count = [&](const char* pointer) {
    return stats.at(Json::json_pointer(pointer)).get<std::uint64_t>();
  };
  table.line("guest page faults", grouped(count("/guest/page_faults")));
  if (nested) {
    table.line("exits, EPT violation", grouped(count("/vmx/exits/ept_violation")));
    table.line("exits, EPT misconfiguration", grouped(count("/vmx/exits/ept_misconfig")));
  }
  add_merging(table, stats, "guest", figures.core_cycles);
  add_merging(table, stats, "hypervisor", figures.core_cycles);
  if (document.at(Json::json_pointer("/machine/hypervisor/dirty_log")) != "off") {
    add_dirty_log(table, stats, figures.core_cycles);
  }
  const bool shadow = document.at("mode") == "shadow";
  if (shadow) {
    table.line("exits, page fault", grouped(count("/vmx/exits/page_fault")));
    table.line("exits, guest table written", grouped(count("/vmx/exits/guest_table_write")));
    table.line("exits, CR access", grouped(count("/vmx/exits/cr_access")));
    table.line("exits, INVLPG", grouped(count("/vmx/exits/invlpg")));
  }
  table.line("memory: program's pages", size_text(count("/memory/page_bytes")));
  table.line("memory: guest tables", size_text(count("/memory/guest_table_bytes")));
  if (nested) table.line("memory: EPT", size_text(count("/memory/ept_table_bytes")));
  if (shadow) {
    table.line("memory: shadow tables", size_text(count("/memory/shadow_table_bytes")));
  }
  if (document.at(Json::json_pointer("/machine/simulation/stale_check")) == "on") {
    add_stale(table, stats.at("stale"));
  }
  return table.take();
}

std::string facts(const Json& document, Style style) {
  Table table(style);
  add_facts(table, document);
  return table.take();
}

}  // namespace eptsim::sim
