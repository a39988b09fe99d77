#include <fmt/format.h>

#include <optional>

#include "sim/cli/commands.hpp"
#include "sim/cli/trace_options.hpp"
#include "sim/interrupt.hpp"
#include "sim/output/output_file.hpp"
#include "sim/output/style.hpp"
#include "sim/trace/convert.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

const Words<TraceFormat> kFormats = {{"own", TraceFormat::kOwn},
                                     {"champsim", TraceFormat::kChampsim}};

class TraceConvertCommand : public Command {
 public:
  std::string name() const override { return "trace convert"; }
  std::string help() const override {
    return "Rewrite a trace of any known format in the own one, or ChampSim's";
  }

  void declare(Options& options) override {
    options.argument("IN", input_, "Trace to read; - is standard input, generate:… computed");
    options.argument("OUT", output_, "Trace to write; - is standard output");
    options.text("--format", "NAME", format_,
                 "The input's format, where its content leaves a doubt");
    options.values("--format", {trace_formats().begin(), trace_formats().end()});
    options.text("--to", "NAME", to_, "The output's format: own (the default) or champsim");
    options.values("--to", names_of(kFormats));
    options_.declare(options, "records", 12);
    options.footer(
        "Examples:\n"
        "  eptsim trace convert program.champsimtrace.xz program.trace\n"
        "  valgrind --tool=lackey --trace-mem=yes --log-fd=9 ls 9>&1 >/dev/null |\n"
        "      eptsim trace convert - ls.trace\n"
        "  eptsim trace convert program.ept program.champsimtrace --to champsim");
  }

  Status run() override {
    const Interrupt interrupt;
    const TraceFormat to = word_of("--to", to_, kFormats, TraceFormat::kOwn);
    if (to != TraceFormat::kOwn && options_.is_for_own_format()) {
      throw InputError("--to",
                       "the format has no compression and no header, and takes neither "
                       "--level nor --note");
    }
    const Converted converted = convert_trace(input_.value(), output_.value(),
                                              {.format = format_,
                                               .skip = options_.skip(),
                                               .limit = options_.limit(),
                                               .fetches = options_.fetches(),
                                               .level = options_.level(),
                                               .notes = options_.notes(),
                                               .stop = &interrupt.asked(),
                                               .to = to});
    std::string text = fmt::format("{}: {} accesses, {} instructions\n", output_name(*output_),
                                   grouped(converted.accesses), grouped(converted.instructions));
    const auto left_out = [&](std::uint64_t count, std::string_view what) {
      if (count != 0)
        text += fmt::format("left out, for the format has no place: {} {}\n", grouped(count), what);
    };
    left_out(converted.events_left_out, "events");
    left_out(converted.dependences_left_out, "dependences on loads too long ago");
    if (output_ == "-") {
      fmt::print(stderr, "{}", text);
    } else {
      write_standard_output(text);
    }
    return Status::kDone;
  }

 private:
  std::optional<std::string> input_;
  std::optional<std::string> output_;
  std::optional<std::string> format_;
  std::optional<std::string> to_;
  TraceOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_trace_convert_command() {
  return std::make_unique<TraceConvertCommand>();
}

}  // namespace eptsim::sim
