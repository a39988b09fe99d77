#include "sim/cli/run_options.hpp"

#include "sim/cli/setting_words.hpp"
#include "sim/settings/built_walker.hpp"
#include "sim/settings/machine.hpp"

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
const std::vector<std::string> kPages = {"4K", "2M", "1G", "thp"};

}  // namespace

void RunOptions::declare(Options& options, bool with_mode) {
  options.arguments("TRACE", traces_,
                    with_mode ? "Trace to run; - is standard input, generate:… computed. Several "
                                "run side by side: hypervisor.traces"
                              : "Trace to run, or several, each by itself; generate:… is computed");
  options.text("--machine", "NAME|FILE", machine_,
               "Machine: default (if not given), plain, or a TOML file");
  options.texts("--set", "KEY=VALUE", set_,
                "Change one setting; may be repeated, the last of a key wins");
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
  }
  options.text("--output", "DIR", output, "Write stats.json and machine.toml there");
  options.text("--json", "FILE|-", json, "Write stats.json there; - is standard output");
  options.text("--progress", "WHEN", progress_, "auto (on a terminal), always or never");
  options.values("--machine", preset_names());
  options.values("--set", setting_beginnings());
  options.values("--mode", names_of(kModes));
  options.values("--guest-page", kPages);
  options.values("--ept-page", kPages);
  options.values("--walker", names_of(kWalkers));
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
  std::vector<RunRequest> requests;
  for (const std::string& trace : traces_) {
    RunOptions alone = *this;
    alone.traces_ = {trace};
    requests.push_back(alone.resolve());
  }
  return requests;
}

RunRequest RunOptions::resolve() const {
  RunRequest request;
  request.trace_paths = traces_;
  request.format = format_;
  request.machine_name = machine_.value_or("default");
  request.changes = set_;

  std::vector<Assignment> assignments;
  for (const std::string& set : set_) assignments.push_back(parse_assignment(set));
  if (guest_page_) {
    assignments.push_back({"guest.page", *guest_page_, "--guest-page " + *guest_page_});
  }
  if (ept_page_) {
    assignments.push_back({"hypervisor.page", *ept_page_, "--ept-page " + *ept_page_});
  }

  RunSettings& settings = request.settings;
  settings.machine = resolve_machine(request.machine_name, assignments);
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
    throw InputError("--checkpoint-every", "says no file, expected --checkpoint FILE with it");
  }
  settings.trace_name = request.trace_paths.front();
  if (fetch_) request.fetch = word_of("--fetch", fetch_, kOnOff, true);
  request.progress = word_of("--progress", progress_, kProgress, ProgressMode::kAuto);
  return request;
}

}  // namespace eptsim::sim
