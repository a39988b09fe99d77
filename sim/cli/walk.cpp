#include <fmt/format.h>

#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/cli/commands.hpp"
#include "sim/cli/machine_options.hpp"
#include "sim/image/memory_image.hpp"
#include "sim/image/shrinking_file.hpp"
#include "sim/number.hpp"
#include "sim/output/output_file.hpp"
#include "sim/output/style.hpp"
#include "sim/settings/machine.hpp"
#include "sim/walk/cached_engine.hpp"
#include "sim/walk/context_file.hpp"
#include "sim/walk/context_from_core.hpp"
#include "sim/walk/explanation.hpp"
#include "sim/walk/machine_walk.hpp"
#include "sim/walk/walk_account.hpp"
#include "sim/walk/walk_batch.hpp"
#include "sim/walk/walk_engine.hpp"
#include "sim/walk/walk_page.hpp"
#include "sim/walk/walk_request.hpp"

namespace eptsim::sim {
namespace {

class WalkCommand : public Command {
 public:
  std::string name() const override { return "walk"; }
  std::string help() const override { return "Translate addresses on a memory image"; }

  void declare(Options& options) override {
    options.texts("--memory", "FILE[@BASE]", memory_,
                  "A dump of physical memory, raw (at BASE, 0 by default) or an ELF64 core; may be "
                  "repeated");
    options.text("--context", "CONTEXT.json", context_,
                 "Registers and controls, as JSON; - is standard input");
    options.text("--context-from", "CORE", context_from_,
                 "Write the context of a guest that QEMU's dump-guest-memory dumped, and nothing "
                 "else; EFER, which the dump lacks, is concluded");
    options.number("--cpu", cpu_, "The processor whose context it is, 0 by default");
    options.text("--requests", "REQUESTS.jsonl", requests_,
                 "A batch: one request a line; - is standard input; answers are lines of JSON");
    options.text("--gva", "ADDRESS", gva_, "Explain the translation of this linear address");
    options.text("--gpa", "ADDRESS", gpa_, "Explain that of this guest-physical address");
    options.text("--access", "KIND", access_,
                 "read (the default), write, fetch, read_modify_write, shadow_stack_read or "
                 "shadow_stack_write");
    options.flag("--user", user_, "The access is made at CPL 3");
    options.number("--size", size_, "Bytes of the access, 1 to 64; 1 by default");
    options.text("--engine", "NAME", engine_,
                 "model (the default), systemc, rtl or oracle: all answer alike");
    options.flag("--cached", cached_,
                 "Keep memory, TLBs and structure caches from line to line; lines may store and "
                 "invalidate");
    machine_.declare(options);
    options.text(
        "--html", "FILE|-", html_,
        "Draw the translation explained as a page: the two-dimensional walk, and with "
        "--machine or --set what the machine's walker makes of it, every cache empty; - is "
        "standard output");
    options.values("--access", {"read", "write", "fetch", "read_modify_write", "shadow_stack_read",
                                "shadow_stack_write"});
    options.values("--engine", {std::begin(kWalkEngines), std::end(kWalkEngines)});
    options.footer(
        "Examples:\n"
        "  eptsim walk --memory guest.dump --context guest.json --gva 0x7f0012345678 --access "
        "write --user\n"
        "  eptsim walk --memory guest.dump --context guest.json --gva 0x7f0012345678 \\\n"
        "              --machine zen5 --html walk.html\n"
        "  eptsim walk --memory low.bin --memory high.bin@0x100000000 --context c.json \\\n"
        "              --requests requests.jsonl > answers.jsonl\n"
        "A context of a 64-bit guest, and lines of a batch, the last two with --cached only:\n"
        R"(  {"eptp": "0x101e", "cr0": "0x80010001", "cr3": "0x10000", "cr4": "0x20", "efer": "0xd00"})"
        "\n"
        R"(  {"id": 1, "gva": "0x7f0012345678", "access": "write", "user": true, "size": 8})"
        "\n"
        R"(  {"store": {"address": "0x4100", "value": "0x22037"}})"
        "\n"
        R"(  {"invalidate": "invept", "type": 1, "eptp": "0x101e"})"
        "\n"
        "docs/schema has every key.");
  }

  Status run() override {
    if (context_from_) {
      if (!memory_.empty() || context_ || requests_ || gva_ || gpa_) {
        throw InputError("--context-from", "writes a context, and takes --cpu alone");
      }
      write_standard_output(context_as_json(context_from_core(*context_from_, cpu_.value_or(0))));
      return Status::kDone;
    }
    if (cpu_) throw InputError("--cpu", "belongs to --context-from");
    if (memory_.empty()) throw InputError("--memory", "is missing, expected a memory image");
    if (!context_) throw InputError("--context", "is missing, expected a context file");
    if (requests_.has_value() + gva_.has_value() + gpa_.has_value() != 1) {
      throw InputError("eptsim walk", "expected one of --requests, --gva and --gpa");
    }
    if (requests_ && (access_ || user_ || size_)) {
      throw InputError("--requests",
                       "its lines say what access they are, and it takes no --access, --user or "
                       "--size");
    }
    if (html_ && requests_) {
      throw InputError("--html", "draws one translation, that of --gva or --gpa");
    }
    if (cached_ && (!requests_ || engine_.value_or("model") != "model")) {
      throw InputError("--cached", "belongs to --requests and the engine model");
    }
    const Machine machine = resolve_machine(machine_.name(), machine_.assignments());
    const mmu::Context context = read_context(*context_);
    refuse_files_that_shrink();
    MemoryImage image;
    for (const std::string& file : memory_) image.add(file);
    if (cached_) {
      CachedEngine engine(context, image, machine.hardware);
      answer_cached_batch(*requests_, engine);
      return Status::kDone;
    }
    const std::unique_ptr<WalkEngine> engine = make_walk_engine(
        engine_.value_or("model"), context, image, machine.hardware.memory.dram.cycles);
    if (requests_) {
      answer_batch(*requests_, context, image, *engine);
    } else {
      explain_one(context, image, *engine, machine);
    }
    return Status::kDone;
  }

 private:
  void explain_one(const mmu::Context& context, MemoryImage& image, WalkEngine& engine,
                   const Machine& machine) const {
    std::optional<OutputFile> page;
    if (html_ && html_ != "-") page.emplace(*html_);
    const std::string option = gva_ ? "--gva" : "--gpa";
    const std::string text = gva_ ? *gva_ : *gpa_;
    mmu::Request request;
    request.linear = gva_.has_value();
    const auto address = parse_number(text);
    if (!address) {
      throw InputError(option, fmt::format("'{}' is no address, expected decimal or 0x…", text));
    }
    request.address = *address;
    request.access = access_of(access_.value_or("read"), "--access");
    request.user = user_;
    if (size_.value_or(1) < 1 || size_.value_or(1) > 64) {
      throw InputError("--size", fmt::format("{} is out of range, expected 1 to 64", *size_));
    }
    request.size = static_cast<std::uint8_t>(size_.value_or(1));
    check_request(context, request, option);
    if (const auto feature = engine.missing(request)) {
      throw InputError("--engine", *feature + " is not in the engine chosen");
    }
    WalkAnswer answer;
    engine.answer(request, answer);
    const WalkAccount account = account_of(context, request, answer, image);
    std::string html;
    if (html_) {
      image.forget_writes();
      html = walk_page(account, on_machine(context, request, answer, image, machine));
    }
    if (page) page->write(html);
    write_standard_output(html_ == "-" ? html
                                       : explain(account, Style::for_standard_output().bold));
  }

  /// What the machine makes of the walk, if one was named.
  std::optional<OnMachine> on_machine(const mmu::Context& context, const mmu::Request& request,
                                      const WalkAnswer& answer, MemoryImage& image,
                                      const Machine& machine) const {
    if (!machine_.given()) return std::nullopt;
    mmu::WalkContext registers(context);
    load_pdptes(registers, image);  // which the engine has found fit
    return OnMachine{machine_.name(), walk_on_machine(machine.hardware, registers, request,
                                                      answer.recording, image)};
  }

  std::vector<std::string> memory_;
  std::optional<std::string> context_;
  std::optional<std::string> context_from_;
  std::optional<std::uint64_t> cpu_;
  std::optional<std::string> requests_;
  std::optional<std::string> gva_;
  std::optional<std::string> gpa_;
  std::optional<std::string> access_;
  bool user_ = false;
  std::optional<std::uint64_t> size_;
  std::optional<std::string> engine_;
  bool cached_ = false;
  MachineOptions machine_{"plain", "The machine that walks, and whose memory it takes cycles from"};
  std::optional<std::string> html_;
};

}  // namespace

std::unique_ptr<Command> make_walk_command() { return std::make_unique<WalkCommand>(); }

}  // namespace eptsim::sim
