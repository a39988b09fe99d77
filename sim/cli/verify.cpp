#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>

#include "mmu_model/walker/configurations.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/vectors_report.hpp"
#include "sim/cli/verify_report.hpp"
#include "sim/cli/verify_voices.hpp"
#include "sim/cli/verify_wave.hpp"
#include "sim/interrupt.hpp"
#include "sim/output/output_file.hpp"
#include "sim/statistics/stats_json.hpp"
#include "sim/temporary_folder.hpp"
#include "testbench/device/foreign_walkers.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"
#include "testbench/scoreboard/stream_text.hpp"

namespace eptsim::sim {
namespace {

constexpr std::uint64_t kDefaultWalks = 100'000;

/// Features that no walk can show without another.
struct Need {
  tb::Feature feature;
  tb::Feature needed;
};
constexpr Need kNeeds[] = {
    {tb::Feature::kEptAccessedDirty, tb::Feature::kEpt},
    {tb::Feature::kModeBasedExecute, tb::Feature::kEpt},
    {tb::Feature::kExecuteOnly, tb::Feature::kEpt},
    {tb::Feature::kAdvancedExitInfo, tb::Feature::kEpt},
    {tb::Feature::kPml, tb::Feature::kEpt},
    {tb::Feature::kPml, tb::Feature::kEptAccessedDirty},
    {tb::Feature::kPagingWrite, tb::Feature::kEpt},
    {tb::Feature::kGuestPagingVerification, tb::Feature::kEpt},
    {tb::Feature::kHlat, tb::Feature::kEpt},
    {tb::Feature::kSubPages, tb::Feature::kEpt},
    {tb::Feature::kVirtualizationExceptions, tb::Feature::kEpt},
};

std::string_view name_of(tb::Feature feature) {
  for (const tb::FeatureFact& fact : tb::kFeatures) {
    if (fact.feature == feature) return fact.name;
  }
  return "?";
}

/// "ept,mbe" as a set.
tb::Features features_of(const std::string& list) {
  tb::Features features = tb::Features::none();
  std::vector<std::string_view> names;
  for (const tb::FeatureFact& fact : tb::kFeatures) names.push_back(fact.name);
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string word = list.substr(begin, end - begin);
    bool known = false;
    for (const tb::FeatureFact& fact : tb::kFeatures) {
      if (fact.name != word) continue;
      features.add(fact.feature);
      known = true;
    }
    if (!known) refuse_word("--features", word, names, {});
    begin = end + 1;
  }
  for (const Need& need : kNeeds) {
    if (!features.has(need.feature) || features.has(need.needed)) continue;
    throw InputError("--features " + list,
                     fmt::format("{} needs {} too, or no walk would show it", name_of(need.feature),
                                 name_of(need.needed)));
  }
  return features;
}

struct Replay {
  std::uint64_t seed = 0;
  bool stream = false;
  std::uint64_t number = 0;
};

/// "SEED:N", or "SEED:sN" of a stream.
Replay replay_of(const std::string& text) {
  Replay replay;
  const char* const end = text.data() + text.size();
  const auto seed = std::from_chars(text.data(), end, replay.seed);
  if (seed.ec == std::errc{} && seed.ptr != end && *seed.ptr == ':') {
    const char* begin = seed.ptr + 1;
    replay.stream = begin != end && *begin == 's';
    if (replay.stream) ++begin;
    const auto number = std::from_chars(begin, end, replay.number);
    if (number.ec == std::errc{} && number.ptr == end) return replay;
  }
  throw InputError("--replay " + text,
                   "not a seed and a walk's number, expected SEED:N as in 1:42, or SEED:sN for a "
                   "stream");
}

/// Of so many walks, those in cases of one walk each; the others come in streams. Where there are
/// no caches and nothing to contend for, single cases show most.
std::uint64_t single_share(const mmu::WalkerConfiguration& configuration, std::uint64_t walks) {
  const bool plain = configuration.walks == 1 && !configuration.has_combined() &&
                     !configuration.has_guest_physical();
  return plain ? walks - walks / 4 : walks / 4;
}

class VerifyCommand : public Command {
 public:
  explicit VerifyCommand(VoicesMaker voices) : voices_(std::move(voices)) {}

  std::string name() const override { return "verify"; }
  std::string help() const override {
    return "Check the RTL against the model and the oracle, walk by walk";
  }

  void declare(Options& options) override {
    std::string features = "Use only these, separated by commas:";
    for (const tb::FeatureFact& fact : tb::kFeatures) features += fmt::format(" {}", fact.name);
    options.number("--walks", walks_, fmt::format("How many walks, {} by default", kDefaultWalks));
    options.number("--seed", seed_, "Chooses the walks, 1 by default");
    std::vector<std::string> names;
    for (const mmu::WalkerConfiguration& each : mmu::named_configurations()) {
      names.emplace_back(each.name);
    }
    std::string others;
    for (const auto& maker : tb::foreign_walkers()) others += fmt::format(", {}", maker.name);
    options.text("--configuration", "NAME", configuration_,
                 fmt::format("Of model and RTL: {}; single by default{}{}", fmt::join(names, ", "),
                             others.empty() ? "" : "; or another walker", others));
    options.values("--configuration", names);
    options.text("--features", "LIST", features_, features);
    options.text("--wave", "FILE.fst", wave_,
                 "The RTL's waveform of what --replay names, or of the mismatch that a run finds");
    options.number("--wave-start", wave_start_,
                   "Its first cycle, 0 by default; of a run: record the run, mismatch or not");
    options.number("--wave-end", wave_end_, "Its last cycle; likewise");
    options.text("--replay", "SEED:N", replay_,
                 "Run walk N of a seed again and show it; SEED:sN a stream");
    options.flag("--vectors", vectors_, "Put the rules, as vectors, to each walker instead");
    options.text("--json", "FILE|-", json_, "Write the results as JSON; - is standard output");
    options.text(
        "--coverage", "FILE|-", coverage_,
        "Write which bins of the coverage were not reached, and which can't be; - is standard "
        "output");
    options.flag("--complete", complete_, "Fail if a bin was not reached");
    options.text("--line-coverage", "FILE", lines_,
                 "Write how often each line of the RTL was reached, for verilator_coverage");
    options.footer(
        "Examples:\n"
        "  eptsim verify --walks 1000000 --seed 7\n"
        "  eptsim verify --features ept,ept-ad,faults\n"
        "  eptsim verify --configuration default --walks 1000000\n"
        "  eptsim verify --configuration second\n"
        "  eptsim verify --replay 7:4711 --wave walk.fst\n"
        "  eptsim verify --walks 100 --wave run.fst --wave-start 1000 --wave-end 2000\n"
        "  eptsim verify --vectors\n"
        "Exit status 1 if there is a mismatch.");
  }

  Status run() override {
    check_options();
    const tb::Features features = features_ ? features_of(*features_) : tb::Features{};
    std::optional<OutputFile> file;
    if (json_ && json_ != "-") file.emplace(*json_);
    std::optional<OutputFile> bins;
    if (coverage_ && coverage_ != "-") bins.emplace(*coverage_);
    std::optional<OutputFile> lines;
    if (lines_) lines.emplace(*lines_);
    if (vectors_) return run_vectors(file);
    std::optional<VerifyWave> wave;
    if (wave_) wave.emplace(*wave_, wave_start_, wave_end_);
    return replay_ ? show_again(features, file, wave)
                   : cross_check(features, file, bins, lines, wave);
  }

 private:
  /// The walker that takes the RTL's place, if one does.
  const tb::ForeignWalkerMaker* foreign() const {
    for (const auto& maker : tb::foreign_walkers()) {
      if (maker.name == configuration()) return &maker;
    }
    return nullptr;
  }

  tb::Voices voices(std::optional<VerifyWave>& wave) const {
    tb::Voices voices = this->voices();
    if (wave) wave->join(voices);
    return voices;
  }

  tb::Voices voices() const {
    const auto* const maker = foreign();
    if (maker == nullptr) return voices_(configuration());
    tb::Voices voices = voices_("single");
    voices.device.reset();
    voices.foreign = maker->make();
    return voices;
  }

  void check_options() const {
    if (foreign() == nullptr && mmu::find_configuration(configuration()) == nullptr) {
      std::vector<std::string_view> names;
      for (const auto& each : mmu::named_configurations()) names.push_back(each.name);
      for (const auto& maker : tb::foreign_walkers()) names.push_back(maker.name);
      refuse_word("--configuration", *configuration_, names, {});
    }
    if (!wave_ && (wave_start_ || wave_end_)) {
      throw InputError(wave_start_ ? "--wave-start" : "--wave-end", "says nothing without --wave");
    }
    if (wave_end_ && *wave_end_ < wave_start_.value_or(0)) {
      throw InputError("--wave-end", "is before --wave-start");
    }
    if ((wave_ || lines_) && !tb::RtlRecording::built()) {
      throw InputError(wave_ ? "--wave" : "--line-coverage", "this build has no RTL to record");
    }
    if ((wave_ || lines_) && foreign() != nullptr) {
      throw InputError(wave_ ? "--wave" : "--line-coverage",
                       "only the RTL is recorded, not the walker " + configuration());
    }
    if (wave_ && lines_) {
      throw InputError("--line-coverage", "is of a run of its own, without --wave");
    }
    if (walks_ && *walks_ == 0) {
      throw InputError("--walks 0", "nothing would be compared, expected at least 1");
    }
    if (replay_ && (seed_ || walks_)) {
      throw InputError("--replay", "names seed and walk itself, and takes no --seed or --walks");
    }
    if (coverage_ == "-" && json_ == "-") {
      throw InputError("--coverage -", "standard output is taken by --json -");
    }
    if (coverage_ && coverage_ == json_) {
      throw InputError("--coverage " + *coverage_, "--json is written there");
    }
    if (complete_ && foreign() != nullptr) {
      throw InputError("--complete", "knows what the RTL can reach, and nothing of " +
                                         configuration() + "; --coverage tells what was reached");
    }
    if (replay_ && foreign() != nullptr && replay_of(*replay_).stream) {
      throw InputError("--replay " + *replay_, "streams compare cycle by cycle, and " +
                                                   configuration() + " has a time of its own");
    }
    if (replay_ && (coverage_ || complete_ || lines_)) {
      throw InputError("--replay", "shows one walk, and takes no option of coverage");
    }
    if (vectors_ &&
        (walks_ || seed_ || features_ || replay_ || coverage_ || complete_ || wave_ || lines_)) {
      throw InputError("--vectors", "are always the same, and take no option but --json");
    }
  }

  Status cross_check(tb::Features features, const std::optional<OutputFile>& file,
                     const std::optional<OutputFile>& bins, const std::optional<OutputFile>& lines,
                     std::optional<VerifyWave>& wave) const {
    const std::uint64_t seed = seed_.value_or(1);
    const std::uint64_t walks = walks_.value_or(kDefaultWalks);
    if (wave && wave->ranged()) wave->begin(configuration());
    std::optional<tb::RtlRecording> counted;
    if (lines) counted.emplace(configuration(), tb::Waveform{});
    const auto taking_part = [&] {
      tb::Voices voices = this->voices(wave);
      if (counted) counted->take_part(voices);
      return voices;
    };
    tb::CrossCheck check(taking_part(), seed, features);
    tb::StreamCheck streams(taking_part(), seed, features);
    if (wave) wave->end_at_mismatch(check);
    if (wave) wave->end_at_mismatch(streams);
    const Interrupt interrupt;
    const auto begin = std::chrono::steady_clock::now();
    const auto go_on = [&](std::uint64_t) { return !interrupt.asked(); };
    // What streams compare is the timing, which another walker has of its own.
    const std::uint64_t single =
        foreign() != nullptr ? walks
                             : single_share(*mmu::find_configuration(configuration()), walks);
    const auto mismatch = check.run(single, go_on);
    std::optional<tb::StreamMismatch> stream_mismatch;
    if (!mismatch) stream_mismatch = streams.run(walks - single, go_on);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    if (wave && !wave->begun() && (mismatch || stream_mismatch)) {
      record(wave, seed, features, mismatch, stream_mismatch);
    }

    const VerifyReport report{.seed = seed,
                              .walks = walks,
                              .configuration = configuration(),
                              .features = features,
                              .partial = interrupt.asked(),
                              .judge = check.judge(),
                              .streams = streams.judge(),
                              .mismatch = mismatch,
                              .stream_mismatch = stream_mismatch,
                              .replayed = {},
                              .replay = replay_command(seed, mismatch, stream_mismatch),
                              .wave = wave_hint()};
    const std::string lists = coverage_text(report);
    if (bins) bins->write(lists);
    if (lines) {
      const TemporaryFolder folder("lines");
      counted->write_lines((folder / "lines").string());
      lines->write(bytes_of(folder / "lines"));
    }
    std::string text = verify_summary(report, Style::for_standard_output());
    if (coverage_ == "-") text += "\n" + lists;
    write(report, text, file);
    if (::isatty(STDERR_FILENO) == 1) {
      const auto done =
          static_cast<double>(check.judge().coverage().walks + streams.judge().tally().walks);
      fmt::print(stderr, "{:.1f} s, {} walks/s\n", time.count(),
                 grouped(done / std::max(time.count(), 1e-9), 0));
    }
    if (wave && wave->begun()) {
      wave->write(!mismatch && !stream_mismatch);
    } else if (wave) {
      fmt::print(stderr,
                 "no mismatch: {} was not written (--wave-start, --wave-end and --replay "
                 "record without one)\n",
                 *wave_);
    }
    if (mismatch || stream_mismatch) return Status::kMismatch;
    const BinCounts counts = bin_counts(report);
    if (counts.impossible_met != 0) {
      fmt::print(stderr, "{} bins were met that a rule calls impossible (--coverage names them)\n",
                 counts.impossible_met);
      return Status::kMismatch;
    }
    if (complete_ && !counts.complete() && !report.partial) {
      fmt::print(stderr, "{} of {} bins were not reached (--coverage names them)\n",
                 counts.possible - counts.reached, counts.possible);
      return Status::kMismatch;
    }
    return report.partial ? Status::kInterrupted : Status::kDone;
  }

  /// Runs the case or stream of a mismatch again, and records it.
  void record(std::optional<VerifyWave>& wave, std::uint64_t seed, tb::Features features,
              const std::optional<tb::Mismatch>& mismatch,
              const std::optional<tb::StreamMismatch>& stream) const {
    wave->begin(configuration());
    if (mismatch) {
      tb::CrossCheck check(voices(wave), seed, features);
      wave->end_at_mismatch(check);
      check.replay(mismatch->number);
    } else {
      tb::StreamCheck streams(voices(wave), seed, features);
      wave->end_at_mismatch(streams);
      streams.replay(stream->number);
    }
  }

  Status show_again(tb::Features features, const std::optional<OutputFile>& file,
                    std::optional<VerifyWave>& wave) const {
    const Replay replay = replay_of(*replay_);
    if (wave) wave->begin(configuration());
    tb::CrossCheck check(voices(wave), replay.seed, features);
    tb::StreamCheck streams(voices(wave), replay.seed, features);
    if (wave) wave->end_at_mismatch(check);
    if (wave) wave->end_at_mismatch(streams);
    std::optional<tb::Mismatch> mismatch;
    std::optional<tb::StreamMismatch> stream_mismatch;
    if (replay.stream) {
      stream_mismatch = streams.replay(replay.number);
    } else {
      mismatch = check.replay(replay.number);
    }
    const VerifyReport report{.seed = replay.seed,
                              .walks = 1,
                              .configuration = configuration(),
                              .features = features,
                              .partial = false,
                              .judge = check.judge(),
                              .streams = streams.judge(),
                              .mismatch = mismatch,
                              .stream_mismatch = stream_mismatch,
                              .replayed = *replay_,
                              .replay = replay_command(replay.seed, mismatch, stream_mismatch),
                              .wave = wave_hint()};
    std::string text;
    if (mismatch || stream_mismatch) {
      text = verify_summary(report, Style::for_standard_output());
    } else if (replay.stream) {
      text = fmt::format("Stream {} of seed {}: no mismatch\n\nThe stream:\n{}", replay.number,
                         replay.seed, tb::stream_text(streams.stream()));
    } else {
      text = walk_shown(check, replay);
    }
    write(report, text, file);
    if (wave) wave->write(!mismatch && !stream_mismatch);
    return mismatch || stream_mismatch ? Status::kMismatch : Status::kDone;
  }

  Status run_vectors(const std::optional<OutputFile>& file) const {
    const Interrupt interrupt;
    tb::conformance::Suite suite(voices());
    suite.run_all(tb::conformance::Strides::whole(), [&] { return !interrupt.asked(); });
    if (interrupt.asked()) return Status::kInterrupted;
    const std::string json = json_text(vectors_document(suite.report()));
    if (file) file->write(json);
    write_standard_output(
        json_ == "-" ? json : vectors_summary(suite.report(), Style::for_standard_output()));
    return suite.report().passed() ? Status::kDone : Status::kMismatch;
  }

  void write(const VerifyReport& report, const std::string& text,
             const std::optional<OutputFile>& file) const {
    const std::string json = json_text(verify_document(report));
    if (file) file->write(json);
    write_standard_output(json_ == "-" ? json : text);
  }

  std::string replay_command(std::uint64_t seed, const std::optional<tb::Mismatch>& mismatch,
                             const std::optional<tb::StreamMismatch>& stream) const {
    if (!mismatch && !stream) return "";
    return fmt::format("eptsim verify --replay {}:{}{}{}{}", seed, mismatch ? "" : "s",
                       mismatch ? mismatch->number : stream->number,
                       configuration_ ? " --configuration " + *configuration_ : "",
                       features_ ? " --features " + *features_ : "");
  }

  /// Beside the command that shows a mismatch again.
  std::string wave_hint() const {
    if (wave_) return fmt::format("Waveform: {}\n", *wave_);
    if (foreign() != nullptr || !tb::RtlRecording::built()) return "";
    return "       with --wave FILE.fst for a waveform of the RTL\n";
  }

  std::string configuration() const { return configuration_.value_or("single"); }

  static std::string walk_shown(const tb::CrossCheck& check, const Replay& replay) {
    std::string text = fmt::format("Walk {} of seed {}: no mismatch\n\nThe case:\n{}",
                                   replay.number, replay.seed, tb::case_text(check.test()));
    if (!check.accepted()) return text + "\nIt is refused before it is walked.\n";
    return text + fmt::format("\nThe walk:\n{}\nOutcome: {}\n",
                              tb::walk_text(check.judge().recording()),
                              mmu::name(check.judge().answer().outcome.kind));
  }

  VoicesMaker voices_;
  std::optional<std::uint64_t> walks_;
  std::optional<std::uint64_t> seed_;
  std::optional<std::string> configuration_;
  std::optional<std::string> features_;
  std::optional<std::string> wave_;
  std::optional<std::uint64_t> wave_start_;
  std::optional<std::uint64_t> wave_end_;
  std::optional<std::string> replay_;
  std::optional<std::string> json_;
  std::optional<std::string> coverage_;
  std::optional<std::string> lines_;
  bool complete_ = false;
  bool vectors_ = false;
};

}  // namespace

std::unique_ptr<Command> make_verify_command() { return make_verify_command(tb::built_voices); }

std::unique_ptr<Command> make_verify_command(VoicesMaker voices) {
  return std::make_unique<VerifyCommand>(std::move(voices));
}

}  // namespace eptsim::sim
