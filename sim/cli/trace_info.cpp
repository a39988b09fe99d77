#include <optional>

#include "sim/cli/commands.hpp"
#include "sim/output/output_file.hpp"
#include "sim/trace/info.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

class TraceInfoCommand : public Command {
 public:
  std::string name() const override { return "trace info"; }
  std::string help() const override { return "Say what is in a trace"; }

  void declare(Options& options) override {
    options.argument("FILE", file_, "Trace; - is standard input, generate:… computed");
    options.text("--format", "NAME", format_, "Its format, where its content leaves a doubt");
    options.values("--format", {trace_formats().begin(), trace_formats().end()});
    options.footer("Example:\n  eptsim trace info program.trace");
  }

  Status run() override {
    write_standard_output(to_text(describe_trace(file_.value(), format_)));
    return Status::kDone;
  }

 private:
  std::optional<std::string> file_;
  std::optional<std::string> format_;
};

}  // namespace

std::unique_ptr<Command> make_trace_info_command() { return std::make_unique<TraceInfoCommand>(); }

}  // namespace eptsim::sim
