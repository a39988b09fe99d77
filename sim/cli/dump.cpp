#include "ept/dump.hpp"

#include <fmt/format.h>

#include <optional>
#include <sstream>
#include <string>
#include <variant>

#include "ept/arch/registers.hpp"
#include "ept/probe.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/page_list_file.hpp"
#include "sim/cli/table_options.hpp"
#include "sim/output/output_file.hpp"
#include "sim/output/style.hpp"

namespace eptsim::sim {
namespace {

class DumpCommand : public Command {
 public:
  std::string name() const override { return "dump"; }
  std::string help() const override {
    return "Print an EPT, or a guest's own tables, in a memory image as a tree";
  }

  void declare(Options& options) override {
    tables_.declare(options);
    tables_.declare_guest(options);
    options.number("--limit", limit_,
                   fmt::format("Print N lines at most, {} by default",
                               grouped(std::uint64_t{ept::DumpOptions{}.most_lines})));
    options.text("--json", "FILE|-", json_,
                 "Write the tables and mappings as JSON; - is standard output");
    options.flag("--pages", pages_,
                 "Print a page a line with its tables, as `run --guest-tables` and `--host-tables` "
                 "take them; of 4 levels");
    options.footer(
        "Pages that follow one another with equal flags stand on one line. With --cr3 alone, "
        "guest-physical\nmemory is what the image holds; with --eptp or a context whose EPT is on, "
        "the guest's tables are\nread through the EPT.\n\n"
        "Examples:\n"
        "  eptsim dump --memory host.dump --eptp 0x101e\n"
        "  eptsim dump --memory guest.core --cr3 0x1104000 --levels 5 | less\n"
        "  eptsim dump --memory host.dump --eptp 0x101e --cr3 0x2000 --json guest.json\n"
        "  eptsim dump --memory guest.core --cr3 0x1104000 --pages > guest.pages");
  }

  Status run() override {
    const mmu::Context context = tables_.context();
    const bool guest = tables_.has_guest();
    if (!guest && !context.ept_enabled) {
      throw InputError("--context", "says that EPT is off, expected --cr3 or an EPT pointer");
    }
    if (pages_) {
      if (json_ || limit_) throw InputError("--pages", "takes neither --json nor --limit");
      write_standard_output(page_lines(context));
      return Status::kDone;
    }
    std::optional<OutputFile> file;
    if (json_ && json_ != "-") file.emplace(*json_);
    const MemoryImage image = tables_.image();
    ept::DumpOptions options{.colour = Style::for_standard_output().bold,
                             .holds = [&image](arch::Hpa address) { return image.holds(address); }};
    if (limit_) options.most_lines = *limit_;
    if (json_) {
      std::ostringstream out;
      if (guest) {
        ept::dump_guest_json(out, image, guest_root(context), ept_settings(context), options);
      } else {
        ept::dump_json(out, image, context.eptp, ept_settings(context), options);
      }
      if (file) {
        file->write(out.str());
      } else {
        write_standard_output(out.str());
      }
      return Status::kDone;
    }
    std::ostringstream out;
    const std::optional<std::uint64_t> stopped_at =
        guest
            ? ept::dump_guest_text(out, image, guest_root(context), ept_settings(context), options)
            : ept::dump_text(out, image, context.eptp, ept_settings(context), options);
    if (stopped_at) {
      out << fmt::format(
          "The dump met its limit: what lies at {:#x} and above is not shown; see "
          "--limit.\n",
          *stopped_at);
    }
    write_standard_output(out.str());
    return Status::kDone;
  }

 private:
  std::string page_lines(const mmu::Context& context) const {
    constexpr unsigned kLevels = 4;
    const MemoryImage image = tables_.image();
    const ept::Settings settings = ept_settings(context);
    const ReadEntry from_host = [&image](std::uint64_t address) -> std::optional<std::uint64_t> {
      if (!image.holds(arch::Hpa(address))) return std::nullopt;
      return image.read64(arch::Hpa(address));
    };
    if (!tables_.has_guest()) {
      if (arch::eptp::kWalkLength.get(context.eptp) + 1 != kLevels) {
        throw InputError("--pages", "the EPT hasn't 4 levels, which is what runs have");
      }
      const std::uint64_t root = context.eptp & settings.address_mask();
      return page_list_text(list_ept(root, settings.maxphyaddr, from_host), Dimension::kHost);
    }
    const ept::GuestRoot guest = guest_root(context);
    if (guest.mode != ept::PagingMode::k4Level) {
      throw InputError("--pages", "the guest's tables haven't 4 levels, which is what runs have");
    }
    const ept::Probe probe(image, guest.eptp, settings);
    const ReadEntry from_guest = [&](std::uint64_t address) -> std::optional<std::uint64_t> {
      const ept::GpaOutcome outcome = probe.gpa_to_hpa(arch::Gpa(address));
      const auto* const translated = std::get_if<ept::Translated>(&outcome);
      return translated != nullptr ? from_host(translated->hpa.value()) : std::nullopt;
    };
    const std::uint64_t root = guest.cr3 & arch::cr3::kAddress.mask() & settings.address_mask();
    return page_list_text(list_guest_tables(root, guest.maxphyaddr, 0, from_guest),
                          Dimension::kGuest);
  }

  ept::GuestRoot guest_root(const mmu::Context& context) const {
    ept::GuestState state;
    state.cr0 = context.cr0;
    state.cr4 = context.cr4;
    state.efer = context.efer;
    ept::GuestRoot root{.cr3 = context.cr3,
                        .mode = state.mode(),
                        .maxphyaddr = context.cpu.maxphyaddr,
                        .large_pages = arch::cr4::kPse.any(context.cr4)};
    if (root.mode == ept::PagingMode::kNone) {
      throw InputError("--context", "says that paging is off, expected --levels or another one");
    }
    if (context.ept_enabled) root.eptp = context.eptp;
    return root;
  }

  TableOptions tables_;
  std::optional<std::uint64_t> limit_;
  std::optional<std::string> json_;
  bool pages_ = false;
};

}  // namespace

std::unique_ptr<Command> make_dump_command() { return std::make_unique<DumpCommand>(); }

}  // namespace eptsim::sim
