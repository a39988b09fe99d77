#include "sim/cli/completion.hpp"

#include "sim/cli/commands.hpp"
#include "sim/output/output_file.hpp"

namespace eptsim::sim {
namespace {

using Script = std::string (*)(const CommandLine&);

const Words<Script>& shells() {
  static const Words<Script> kShells = {
      {"bash", bash_completion}, {"zsh", zsh_completion}, {"fish", fish_completion}};
  return kShells;
}

class CompletionCommand : public Command {
 public:
  std::string name() const override { return "completion"; }
  std::string help() const override {
    return "Print a script that has a shell complete commands, options and settings";
  }
  void declare(Options& options) override {
    options.argument("SHELL", shell_, "bash, zsh or fish");
    options.values("SHELL", names_of(shells()));
    options.footer(
        "Examples:\n"
        "  source <(eptsim completion bash)\n"
        "  eptsim completion zsh > ~/.zfunc/_eptsim      # a folder of fpath, before compinit\n"
        "  eptsim completion fish > ~/.config/fish/completions/eptsim.fish");
  }
  Status run() override {
    const Script script = word_of<Script>("eptsim completion", shell_, shells(), nullptr);
    write_standard_output(script(command_line_of(all_commands())));
    return Status::kDone;
  }

 private:
  std::optional<std::string> shell_;
};

}  // namespace

std::unique_ptr<Command> make_completion_command() { return std::make_unique<CompletionCommand>(); }

}  // namespace eptsim::sim
