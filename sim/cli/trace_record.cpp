#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <optional>

#include "sim/cli/commands.hpp"
#include "sim/cli/trace_options.hpp"
#include "sim/interrupt.hpp"
#include "sim/output/style.hpp"
#include "sim/trace/recorder.hpp"

namespace eptsim::sim {
namespace {

class TraceRecordCommand : public Command {
 public:
  std::string name() const override { return "trace record"; }
  std::string help() const override { return "Run a program under QEMU and record its accesses"; }

  void declare(Options& options) override {
    options.arguments("COMMAND", command_, "Program and its arguments, after --");
    options.text("--output", "FILE", output_, "Trace to write; program.trace by default");
    options_.declare(options, "accesses", 3);
    options.footer(
        "Examples:\n"
        "  eptsim trace record -- ls -l\n"
        "  eptsim trace record --output xz.trace --limit 10000000 -- xz -9 -k file");
  }

  Status run() override {
    const std::string output = output_.value_or("program.trace");
    if (output == "-") {
      throw InputError("--output -", "standard output is the program's, expected a file");
    }
    const Interrupt interrupt;
    const RecordResult result = record_trace({.output = output,
                                              .command = command_,
                                              .skip = options_.skip(),
                                              .limit = options_.limit(),
                                              .fetches = options_.fetches(),
                                              .level = options_.level(),
                                              .notes = options_.notes(),
                                              .stop = &interrupt.asked()});
    // Standard output is the program's.
    for (const std::string& remark : result.remarks) say(remark);
    if (result.signal != 0 && !result.limited) {
      say(fmt::format("the program was ended by signal {}", result.signal));
    } else if (result.exit_status != 0) {
      say(fmt::format("the program ended with exit status {}", result.exit_status));
    }
    say(fmt::format("{}: {} accesses, {} instructions", output, grouped(result.counts.accesses()),
                    grouped(result.counts.instructions)));
    const bool interrupted = result.signal == SIGINT || interrupt.asked();
    return interrupted ? Status::kInterrupted : Status::kDone;
  }

 private:
  static void say(const std::string& line) { std::fprintf(stderr, "eptsim: %s\n", line.c_str()); }

  std::vector<std::string> command_;
  std::optional<std::string> output_;
  TraceOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_trace_record_command() {
  return std::make_unique<TraceRecordCommand>();
}

}  // namespace eptsim::sim
