#include "sim/cli/run_options.hpp"

#include "sim/input_text.hpp"
#include "sim/run/shards.hpp"
#include "sim/settings/built_walker.hpp"
#include "sim/settings/machine.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

const Words<Mode> kModes = {
    {"native", Mode::kNative}, {"nested", Mode::kNested}, {"shadow", Mode::kShadow}};
const Words<WalkerKind> kWalkers = {
    {"model", WalkerKind::kModel}, {"rtl", WalkerKind::kRtl}, {"both", WalkerKind::kBoth}};
const Words<Detail> kDetails = {{"full", Detail::kFull}, {"translation", Detail::kTranslation}};
const Words<bool> kOnOff = {{"on", true}, {"off", false}};
const Words<ProgressMode> kProgress = {{"auto", ProgressMode::kAuto},
                                       {"always", ProgressMode::kAlways},
                                       {"never", ProgressMode::kNever}};
using ReferenceFormat = ReferenceOptions::Format;
using ReferencePlace = ReferenceOptions::Place;
const Words<ReferenceFormat> kReferenceFormats = {{"ramulator2", ReferenceFormat::kRamulator2},
                                                  {"dramsim3", ReferenceFormat::kDramsim3}};
const Words<ReferencePlace> kReferencePlaces = {{"walker", ReferencePlace::kWalker},
                                                {"dram", ReferencePlace::kDram}};
const Words<bool> kReferencesOf = {{"walks", false}, {"all", true}};
constexpr std::uint64_t kMostJobs = 1024;
const std::vector<std::string> kPages = {"4K", "2M", "1G", "thp"};

}  // namespace

void RunOptions::declare(Options& options, bool with_mode) {
  options.arguments("TRACE", traces_,
                    with_mode ? "Trace to run; - is standard input, generate:… computed. Several "
                                "run side by side: hypervisor.traces"
                              : "Trace to run, or several, each by itself; generate:… is computed");
  machine_.declare(options);
  if (with_mode) options.text("--mode", "MODE", mode_, "native, nested (the default) or shadow");
  options.text("--guest-page", "SIZE", guest_page_, "Guest pages: 4K, 2M, 1G or thp");
  options.text("--ept-page", "SIZE", ept_page_, "EPT pages: 4K, 2M, 1G or thp");
  options.number("--warmup", warmup_, "Count nothing in the first N accesses");
  options.number("--limit", limit_, "Stop after N accesses counted");
  options.number("--seed", seed_, "Seed of what is random, 1 by default");
  options.text("--walker", "KIND", walker_,
               "model (the default), rtl, or both, compared in each cycle");
  options.text("--detail", "LEVEL", detail_,
               "full (the default): a window of instructions and data caches; translation: what "
               "walks need, and a core that waits for each");
  options.text("--fetch", "on|off", fetch_,
               "Translate instruction fetches too; on where the trace has them");
  options.text("--format", "NAME", format_, "The trace's format, where its content leaves a doubt");
  if (with_mode) {
    options.text("--checkpoint", "FILE", checkpoint_,
                 "Write the run's whole state there, at the end of the warm-up");
    options.number("--checkpoint-every", checkpoint_every_,
                   "Write it after every N accesses instead, the warm-up's included, for which the "
                   "core brings to its end what is under way");
    options.text("--resume", "FILE", resume_,
                 "Go on from a checkpoint, with the options of the run that wrote it");
    options.text("--guest-tables", "FILE", guest_tables_,
                 "Pages and tables of the guest from the beginning on, a page a line");
    options.text("--host-tables", "FILE", host_tables_, "The same of the EPT");
    options.text("--write-guest-tables", "FILE", write_guest_tables_,
                 "Write the guest's pages and tables there at the end");
    options.text("--write-host-tables", "FILE", write_host_tables_, "The same of the EPT");
    options.text("--references", "FILE", references_,
                 "Write the references of page walks there, for a simulator of DRAM");
    options.text("--references-format", "NAME", references_format_,
                 "ramulator2 (the default; LD 0x1f40) or dramsim3 (0x1f40 READ cycle)");
    options.text("--references-at", "PLACE", references_at_,
                 "Those that leave the walker (the default), or dram: what no cache has");
    options.text("--references-of", "WHAT", references_of_,
                 "walks (the default), or all: at dram, the program's own too");
    options.values("--references-format", names_of(kReferenceFormats));
    options.values("--references-at", names_of(kReferencePlaces));
    options.values("--references-of", names_of(kReferencesOf));
  }
  options.text("--output", "DIR", output, "Write stats.json and machine.toml there");
  options.text("--json", "FILE|-", json, "Write stats.json there; - is standard output");
  if (with_mode) {
    options.number("--shards", shards_,
                   "Cut the run into N parts that run side by side, and join what they measure: "
                   "docs/shards.md");
    options.number("--jobs", jobs_, "Parts at a time; as many as the host has processors");
  }
  options.text("--progress", "WHEN", progress_, "auto (on a terminal), always or never");
  options.values("--mode", names_of(kModes));
  options.values("--guest-page", kPages);
  options.values("--ept-page", kPages);
  options.values("--walker", names_of(kWalkers));
  options.values("--format", {trace_formats().begin(), trace_formats().end()});
  options.values("--detail", names_of(kDetails));
  options.values("--fetch", names_of(kOnOff));
  options.values("--progress", names_of(kProgress));
}

namespace {

/// A machine file describes the machine that native and nested runs share; what is asked for this
/// one run must mean something in it.
void refuse_without_hypervisor(const std::vector<Assignment>& assignments) {
  for (const Assignment& assignment : assignments) {
    if (!assignment.key.starts_with("hypervisor.")) continue;
    throw InputError(assignment.place,
                     assignment.key + " isn't a setting of a native run, which has no hypervisor");
  }
}

}  // namespace

std::vector<RunRequest> RunOptions::resolve_each() const {
  std::vector<RunRequest> requests(traces_.size(), resolve());
  for (std::size_t i = 0; i < traces_.size(); ++i) {
    requests[i].trace_paths = {traces_[i]};
    requests[i].settings.trace_name = traces_[i];
  }
  return requests;
}

RunRequest RunOptions::resolve() const {
  RunRequest request;
  request.trace_paths = traces_;
  request.format = format_;
  request.machine_name = input_name(machine_.name());
  request.changes = machine_.changes();

  std::vector<Assignment> assignments = machine_.assignments();
  if (guest_page_) {
    assignments.push_back({"guest.page", *guest_page_, "--guest-page " + *guest_page_});
  }
  if (ept_page_) {
    assignments.push_back({"hypervisor.page", *ept_page_, "--ept-page " + *ept_page_});
  }

  RunSettings& settings = request.settings;
  settings.machine = resolve_machine(machine_.name(), assignments);
  settings.machine.hardware.seed = seed_.value_or(1);
  settings.mode = word_of("--mode", mode_, kModes, Mode::kNested);
  if (settings.mode == Mode::kNative) refuse_without_hypervisor(assignments);
  settings.walker = word_of("--walker", walker_, kWalkers, WalkerKind::kModel);
  if (settings.walker != WalkerKind::kModel) {
    require_built_walker(settings.machine, "--walker " + *walker_);
  }
  settings.detail = word_of("--detail", detail_, kDetails, Detail::kFull);
  settings.warmup = warmup_.value_or(0);
  settings.limit = limit_;
  if (limit_ && *limit_ == 0) {
    throw InputError("--limit 0", "nothing would be counted, expected at least 1");
  }
  request.checkpoint = checkpoint_;
  request.resume = resume_;
  settings.checkpoint.every = checkpoint_every_.value_or(0);
  if (checkpoint_every_ && *checkpoint_every_ == 0) {
    throw InputError("--checkpoint-every 0", "expected at least 1 access");
  }
  if (checkpoint_every_ && !checkpoint_ && !resume_) {
    throw InputError("--checkpoint-every",
                     "says no file, expected --checkpoint FILE with it, or --resume FILE of a run "
                     "that had it");
  }
  request.references = references(settings);
  check_tables(settings);
  request.guest_tables = guest_tables_;
  request.host_tables = host_tables_;
  request.write_guest_tables = write_guest_tables_;
  request.write_host_tables = write_host_tables_;
  settings.trace_name = request.trace_paths.front();
  if (fetch_) request.fetch = word_of("--fetch", fetch_, kOnOff, true);
  if (shards_ && (*shards_ == 0 || *shards_ > kMostShards)) {
    throw InputError("--shards " + std::to_string(*shards_),
                     "expected a number from 1 to " + std::to_string(kMostShards));
  }
  if (shards_ && (checkpoint_ || resume_)) {
    throw InputError("--shards " + std::to_string(*shards_),
                     "a run in parts has no checkpoints, expected neither --checkpoint nor "
                     "--resume with it");
  }
  if (shards_ &&
      (references_ || guest_tables_ || host_tables_ || write_guest_tables_ || write_host_tables_)) {
    throw InputError("--shards " + std::to_string(*shards_),
                     "a run in parts writes no references and reads and writes no tables");
  }
  request.shards = static_cast<unsigned>(shards_.value_or(1));
  if (jobs_) {
    if (!shards_) throw InputError("--jobs", "belongs to --shards");
    if (*jobs_ == 0 || *jobs_ > kMostJobs) {
      throw InputError("--jobs " + std::to_string(*jobs_),
                       "expected a number from 1 to " + std::to_string(kMostJobs));
    }
    request.jobs = static_cast<unsigned>(*jobs_);
  }
  request.progress = word_of("--progress", progress_, kProgress, ProgressMode::kAuto);
  return request;
}

void RunOptions::check_tables(const RunSettings& settings) const {
  if (settings.mode == Mode::kNative && (host_tables_ || write_host_tables_)) {
    throw InputError(host_tables_ ? "--host-tables" : "--write-host-tables",
                     "a native run has no hypervisor, expected --guest-tables alone");
  }
  if (!guest_tables_ && !host_tables_) return;
  const std::string option = guest_tables_ ? "--guest-tables" : "--host-tables";
  if (settings.machine.guest_merge.interval != 0 ||
      settings.machine.hypervisor_merge.interval != 0) {
    throw InputError(option,
                     "pages of a file aren't merged, expected guest.merge_interval and "
                     "hypervisor.merge_interval of 0");
  }
  if (host_tables_ && settings.machine.dirty_log.tracking != DirtyTracking::kOff) {
    throw InputError("--host-tables",
                     "pages of a file aren't divided, expected hypervisor.dirty_log = \"off\"");
  }
}

std::optional<ReferenceOptions> RunOptions::references(const RunSettings& settings) const {
  if (!references_) {
    if (references_format_ || references_at_ || references_of_) {
      throw InputError(references_format_ ? "--references-format"
                       : references_at_   ? "--references-at"
                                          : "--references-of",
                       "says no file, expected --references FILE with it");
    }
    return std::nullopt;
  }
  if (*references_ == "-") {
    throw InputError("--references -",
                     "standard output has the summary, expected a file or a pipe");
  }
  const ReferenceOptions options{
      .path = *references_,
      .format = word_of("--references-format", references_format_, kReferenceFormats,
                        ReferenceFormat::kRamulator2),
      .place =
          word_of("--references-at", references_at_, kReferencePlaces, ReferencePlace::kWalker),
      .data = word_of("--references-of", references_of_, kReferencesOf, false)};
  if (options.data && options.place != ReferencePlace::kDram) {
    throw InputError("--references-of all",
                     "nothing but walks leaves a walker, expected --references-at dram with it");
  }
  if (options.data && settings.detail == Detail::kTranslation) {
    throw InputError("--references-of all",
                     "with --detail translation the program's own accesses reach no memory, "
                     "expected --detail full");
  }
  if (settings.machine.sampling.period != 0 || settings.machine.sampling.windows != 0) {
    throw InputError("--references",
                     "a sampled run has no time between its windows, expected sampling.period and "
                     "sampling.windows of 0");
  }
  if (resume_) {
    throw InputError("--references",
                     "a run that goes on has not the references from its beginning, expected it "
                     "without --resume");
  }
  return options;
}

}  // namespace eptsim::sim
