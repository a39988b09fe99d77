#include "sim/report/run.hpp"

#include <fmt/format.h>

#include <utility>

#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim::report {
namespace {

/// A core that waits for each walk: its time is the core's.
std::vector<Part> parts_of_waiting(const Run& run) {
  const Figures& figures = run.figures();
  const std::uint64_t guest = run.count("/stats/walker/guest_cycles");
  const std::uint64_t ept = run.count("/stats/walker/ept_cycles");
  std::vector<Part> parts = {
      {"program", "the program itself", figures.retiring_cycles},
      {"tlb", "look-ups in TLBs and structure caches", figures.translation_cycles - guest - ept},
  };
  if (run.nested()) {
    parts.push_back({"guest", "walks: guest entries", guest});
    parts.push_back({"ept", "walks: EPT entries", ept});
  } else {
    parts.push_back({"guest", "walks: page-table entries", guest});
  }
  if (run.virtualised()) parts.push_back({"exits", "VM exits", figures.exit_cycles});
  return parts;
}

std::vector<Part> parts_of(const Run& run) {
  if (run.text("/detail") == "translation") return parts_of_waiting(run);
  const Figures& figures = run.figures();
  std::vector<Part> parts = {
      {"program", "instructions retiring", figures.retiring_cycles},
      {"data", "waiting for data", figures.data_cycles},
      {"tlb", "waiting for translation", figures.translation_cycles},
  };
  if (run.virtualised()) parts.push_back({"exits", "VM exits", figures.exit_cycles});
  parts.push_back({"other", "nothing to retire yet", figures.other_cycles});
  return parts;
}

}  // namespace

// Through its bytes, so that the report shows what stats.json holds, and all of it is UTF-8.
Run::Run(const Json& document, std::string name, std::size_t number)
    : document_(Json::parse(json_text(document))),
      name_(name.empty() ? text("/mode") : std::move(name)),
      number_(number),
      figures_(document_),
      parts_(parts_of(*this)) {}

std::string Run::kind() const { return fmt::format("run-{}", number_ % kRunColours); }

std::string Run::paging() const {
  const std::string guest = text("/machine/guest/page");
  if (!virtualised()) return fmt::format("natively, with {} pages", guest);
  const std::string host = text("/machine/hypervisor/page");
  if (nested()) return fmt::format("nested, with {} guest pages on {} EPT pages", guest, host);
  return fmt::format("with {} paging, with {} guest pages on {} host pages", text("/mode"), guest,
                     host);
}

std::string Run::machine() const {
  std::string name = text("/machine_name");
  for (const Json& change : document_.value("machine_changes", Json::array())) {
    name += ", " + change.get<std::string>();
  }
  return name;
}

std::string Run::trace_name() const {
  const std::string path = text("/trace/path");
  if (path == "-") return "standard input";
  return path.substr(path.find_last_of('/') + 1);
}

std::string Run::text(const char* pointer) const {
  return document_.at(Json::json_pointer(pointer)).get<std::string>();
}

double Run::real(const char* pointer) const {
  return document_.at(Json::json_pointer(pointer)).get<double>();
}

const Json& Run::list(const char* pointer) const {
  return document_.at(Json::json_pointer(pointer));
}

std::uint64_t Run::count(const char* pointer) const {
  return document_.at(Json::json_pointer(pointer)).get<std::uint64_t>();
}

}  // namespace eptsim::sim::report
