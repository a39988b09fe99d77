#include <optional>
#include <string>

#include "sim/cli/check_report.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/table_options.hpp"
#include "sim/output/output_file.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {
namespace {

class CheckCommand : public Command {
 public:
  std::string name() const override { return "check"; }
  std::string help() const override {
    return "List every misconfiguration and oddity of an EPT in a memory image";
  }

  void declare(Options& options) override {
    tables_.declare(options);
    options.text("--json", "FILE|-", json_, "Write the findings as JSON; - is standard output");
    options.footer(
        "The exit status is 1 if anything is found. Each table is examined once, however often it "
        "is used;\na million tables or 100,000 findings end the survey, which then says how far it "
        "came.\n\n"
        "Examples:\n"
        "  eptsim check --memory host.dump --eptp 0x101e\n"
        "  eptsim check --memory host.core --context guest.json --json - | jq .findings");
  }

  Status run() override {
    const mmu::Context context = tables_.context();
    if (!context.ept_enabled) {
      throw InputError("--context", "says that EPT is off, expected an EPT pointer");
    }
    std::optional<OutputFile> file;
    if (json_ && json_ != "-") file.emplace(*json_);
    const MemoryImage image = tables_.image();
    CheckReport report{context.eptp, ept_settings(context), {}};
    report.survey = ept::survey(
        image, report.eptp, report.settings,
        {.oddities = true, .holds = [&image](arch::Hpa address) { return image.holds(address); }});
    const std::string json = json_ ? json_text(check_document(report)) : std::string();
    if (file) file->write(json);
    write_standard_output(json_ == "-" ? json : check_text(report, Style::for_standard_output()));
    return report.is_clean() ? Status::kDone : Status::kMismatch;
  }

 private:
  TableOptions tables_;
  std::optional<std::string> json_;
};

}  // namespace

std::unique_ptr<Command> make_check_command() { return std::make_unique<CheckCommand>(); }

}  // namespace eptsim::sim
