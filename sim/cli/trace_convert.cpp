#include <fmt/format.h>

#include <optional>

#include "sim/cli/commands.hpp"
#include "sim/cli/trace_options.hpp"
#include "sim/interrupt.hpp"
#include "sim/output/output_file.hpp"
#include "sim/output/style.hpp"
#include "sim/trace/convert.hpp"

namespace eptsim::sim {
namespace {

class TraceConvertCommand : public Command {
 public:
  std::string name() const override { return "trace convert"; }
  std::string help() const override { return "Rewrite a trace of any known format in the own one"; }

  void declare(Options& options) override {
    options.argument("IN", input_, "Trace to read; - is standard input, generate:… computed");
    options.argument("OUT", output_, "Trace to write");
    options.text("--format", "NAME", format_,
                 "The input's format, where its content leaves a doubt");
    options_.declare(options, "records", 12);
    options.footer(
        "Examples:\n"
        "  eptsim trace convert program.champsimtrace.xz program.trace\n"
        "  valgrind --tool=lackey --trace-mem=yes --log-fd=9 ls 9>&1 >/dev/null |\n"
        "      eptsim trace convert - ls.trace");
  }

  Status run() override {
    const Interrupt interrupt;
    const own::Index index = convert_trace(input_.value(), output_.value(),
                                           {.format = format_,
                                            .skip = options_.skip(),
                                            .limit = options_.limit(),
                                            .fetches = options_.fetches(),
                                            .level = options_.level(),
                                            .notes = options_.notes(),
                                            .stop = &interrupt.asked()});
    write_standard_output(fmt::format("{}: {} accesses, {} instructions\n", *output_,
                                      grouped(index.counts.accesses()),
                                      grouped(index.counts.instructions)));
    return Status::kDone;
  }

 private:
  std::optional<std::string> input_;
  std::optional<std::string> output_;
  std::optional<std::string> format_;
  TraceOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_trace_convert_command() {
  return std::make_unique<TraceConvertCommand>();
}

}  // namespace eptsim::sim
