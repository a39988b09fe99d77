#include "sim/sweep/grid.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <tuple>
#include <utility>

#include "sim/input_error.hpp"
#include "sim/settings/built_walker.hpp"
#include "sim/sweep/identity.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim::sweep {
namespace {

/// The error again, at a place of the sweep's file.
[[noreturn]] void refuse_at(const std::string& place, const InputError& error) {
  throw InputError(place, error.what(), error.hint());
}

void check_trace(const std::string& path, const FixedOptions& options, const std::string& place) {
  std::error_code ignored;  // opening it says what is wrong
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::is_fifo(status) || std::filesystem::is_other(status)) {
    throw InputError(place, path + " can't be read again and again, expected a regular file");
  }
  try {
    const auto trace = open_trace(path, options.format);
    if (options.fetch == true && !trace->has_fetches()) {
      throw InputError(path, "has no instruction fetches, which fetch = \"on\" asks for");
    }
  } catch (const InputError& error) {
    refuse_at(place, error);
  }
}

class Expansion {
 public:
  explicit Expansion(const Sweep& sweep) : sweep_(sweep) {
    for (const Value& value : sweep_.axis(Axis::Kind::kTrace)->values) {
      for (const std::string& path : value.traces) check_trace(path, sweep.options, value.place);
    }
  }

  Grid grid() {
    Grid grid;
    std::vector<RunRequest> requests;
    std::vector<std::size_t> at(sweep_.axes.size());
    do {
      requests.push_back(request(at));
      grid.rows.push_back({.at = at, .point = 0});
    } while (advance(at));
    // The traces are read once all else is known to be right.
    std::map<std::string, std::size_t> numbers;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      std::vector<std::string> hashes;
      for (const std::string& path : requests[i].trace_paths) hashes.push_back(hash_of(path));
      std::string id = identity_of(requests[i], hashes);
      const auto [number, is_new] = numbers.try_emplace(id, grid.points.size());
      grid.rows[i].point = number->second;
      if (is_new) {
        grid.points.push_back({std::move(id), std::move(requests[i]), std::move(hashes)});
      }
    }
    return grid;
  }

 private:
  /// To the next place of the grid; false after the last.
  bool advance(std::vector<std::size_t>& at) const {
    for (std::size_t axis = at.size(); axis-- > 0;) {
      if (++at[axis] < sweep_.axes[axis].values.size()) return true;
      at[axis] = 0;
    }
    return false;
  }

  RunRequest request(const std::vector<std::size_t>& at) {
    RunRequest request;
    request.machine_name = "default";
    request.format = sweep_.options.format;
    request.fetch = sweep_.options.fetch;
    request.progress = ProgressMode::kNever;
    std::vector<Assignment> settings = sweep_.settings;
    std::optional<Scheme> scheme;
    std::string machine_place;
    for (std::size_t axis = 0; axis < at.size(); ++axis) {
      const Value& value = sweep_.axes[axis].values[at[axis]];
      if (!value.machine.empty()) {
        request.machine_name = value.machine;
        machine_place = value.place;
      }
      if (value.scheme) scheme = value.scheme;
      if (!value.traces.empty()) request.trace_paths = value.traces;
      settings.insert(settings.end(), value.settings.begin(), value.settings.end());
    }
    for (const Assignment& setting : settings) {
      request.changes.push_back(setting.key + "=" + setting.value);
    }
    RunSettings& run = request.settings;
    run.machine = machine(request.machine_name, machine_place, settings);
    run.machine.hardware.seed = sweep_.options.seed;
    run.walker = sweep_.options.walker;
    run.detail = sweep_.options.detail;
    run.warmup = sweep_.options.warmup;
    run.limit = sweep_.options.limit;
    run.trace_name = request.trace_paths.front();
    if (scheme) run = scheme->applied_to(run);
    return request;
  }

  /// Each is resolved once, whatever the schemes and traces.
  const Machine& machine(const std::string& name, const std::string& place,
                         const std::vector<Assignment>& settings) {
    std::string key = name;
    for (const Assignment& setting : settings) key += "\n" + setting.key + "=" + setting.value;
    const auto found = machines_.find(key);
    if (found != machines_.end()) return found->second;
    return machines_.emplace(key, resolved(name, place, settings)).first->second;
  }

  Machine resolved(const std::string& name, const std::string& place,
                   const std::vector<Assignment>& settings) const {
    Machine machine;
    try {
      machine = resolve_machine(name, settings);
    } catch (const InputError& error) {
      const bool of_setting = std::ranges::any_of(
          settings, [&](const Assignment& setting) { return setting.place == error.place(); });
      if (!of_setting && !place.empty()) refuse_at(place, error);
      const Axis* const machines = sweep_.axis(Axis::Kind::kMachine);
      if (machines == nullptr || machines->values.size() == 1) throw;
      std::string problem = error.what();
      problem.erase(0, error.place().size() + 2);
      throw InputError(error.place(), problem + " (on " + name + ")", error.hint());
    }
    if (sweep_.options.walker != WalkerKind::kModel) {
      require_built_walker(machine, place.empty() ? "walker" : place);
    }
    return machine;
  }

  const std::string& hash_of(const std::string& path) {
    const auto found = hashes_.find(path);
    if (found != hashes_.end()) return found->second;
    return hashes_.emplace(path, hash_of_trace(path)).first->second;
  }

  const Sweep& sweep_;
  std::map<std::string, Machine> machines_;
  std::map<std::string, std::string> hashes_;
};

}  // namespace

const Row& Grid::row_of(std::size_t point) const {
  return *std::ranges::find(rows, point, &Row::point);
}

Grid grid_of(const Sweep& sweep) { return Expansion(sweep).grid(); }

std::string described(const Sweep& sweep, const Row& row) {
  std::string text;
  for (std::size_t axis = 0; axis < sweep.axes.size(); ++axis) {
    const Axis& of = sweep.axes[axis];
    if (of.values.size() == 1) continue;
    text += (text.empty() ? "" : ", ") + of.name + " " + of.values[row.at[axis]].name;
  }
  return text.empty() ? "the only point" : text;
}

}  // namespace eptsim::sim::sweep
