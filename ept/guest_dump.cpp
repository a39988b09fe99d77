#include <ostream>
#include <string>
#include <string_view>
#include <unordered_set>
#include <variant>
#include <vector>

#include "ept/dump.hpp"
#include "ept/guest_format.hpp"
#include "ept/probe.hpp"
#include "ept/tree_writers.hpp"

namespace eptsim::ept {

using namespace arch::guest_entry;

namespace {

class GuestNotation final : public Notation {
 public:
  explicit GuestNotation(PagingMode mode) : mode_(mode) {}

  std::string_view table_name(unsigned level) const override {
    constexpr std::string_view kNames[] = {"", "PT", "PD", "PDPT", "PML4", "PML5"};
    return kNames[level];
  }

  /// Every present entry allows reads.
  std::string rights(const TreeEntry& entry) const override {
    if (mode_ == PagingMode::kPae && entry.level == 3) return "rwxu";  // a PDPTE has no rights
    std::string text = "r---";
    if (kWritable.any(entry.value)) text[1] = 'w';
    if (mode_ == PagingMode::k32Bit || !kExecuteDisable.any(entry.value)) text[2] = 'x';
    if (kUser.any(entry.value)) text[3] = 'u';
    return text;
  }

  /// The entry of the PAT that gives the type (SDM 13.12.3).
  std::string memory_type(const TreeEntry& page) const override {
    const bool pat = (page.level == 1 ? kPat4K : kPatLarge).any(page.value);
    const unsigned index = (pat ? 4u : 0u) + (kCacheDisable.any(page.value) ? 2u : 0u) +
                           (kWriteThrough.any(page.value) ? 1u : 0u);
    return "PAT" + std::to_string(index);
  }

  std::vector<std::string> flags(const TreeEntry& entry) const override {
    std::vector<std::string> names;
    if (kAccessed.any(entry.value)) names.emplace_back("ACCESSED");
    if (!entry.leaf) return names;
    if (kDirty.any(entry.value)) names.emplace_back("DIRTY");
    if (kGlobal.any(entry.value)) names.emplace_back("GLOBAL");
    const bool has_key = mode_ == PagingMode::k4Level || mode_ == PagingMode::k5Level;
    if (has_key && kProtectionKey.any(entry.value)) {
      names.push_back("KEY" + std::to_string(kProtectionKey.get(entry.value)));
    }
    return names;
  }

 private:
  PagingMode mode_;
};

/// A way through a guest's tables in ascending order of linear address.
class GuestTour {
 public:
  GuestTour(const arch::PhysicalMemory& memory, const GuestRoot& guest, const Settings& settings,
            const DumpOptions& options, RunFolder& folder)
      : memory_(memory),
        guest_(guest),
        options_(options),
        format_(guest.mode),
        address_mask_((std::uint64_t{1} << guest.maxphyaddr) - 1),
        probe_(memory, guest.eptp, settings),
        folder_(folder) {}

  void run() {
    const bool pae = guest_.mode == PagingMode::kPae;
    const std::uint64_t root = guest_.cr3 & (pae ? arch::cr3::kPaeAddress.mask()
                                                 : arch::cr3::kAddress.mask() & address_mask_);
    TreeEntry top{.level = format_.levels() + 1, .target = root, .remark = {}};
    seen_.insert(root);
    visit(top);
  }

 private:
  /// Where the table at a guest-physical address lies, or why that can't be told.
  std::variant<arch::Hpa, std::string_view> host_address(std::uint64_t table) const {
    const GpaOutcome outcome = probe_.gpa_to_hpa(arch::Gpa(table));
    if (std::holds_alternative<EptMisconfiguration>(outcome))
      return "its EPT entry is misconfigured";
    if (std::holds_alternative<EptViolation>(outcome)) return "the EPT doesn't let it be read";
    const arch::Hpa host = std::get<Translated>(outcome).hpa;
    if (options_.holds && !options_.holds(host)) return "outside memory";
    return host;
  }

  void visit(TreeEntry referring) {
    const auto host = host_address(referring.target);
    if (const auto* why = std::get_if<std::string_view>(&host)) {
      referring.remark += (referring.remark.empty() ? "" : ", ") + std::string(*why);
      // The root has no table around it that could mention it.
      if (referring.level > format_.levels()) {
        folder_.enter(referring);
        folder_.leave();
      } else {
        folder_.mention(referring);
      }
      return;
    }
    folder_.enter(referring);
    const unsigned level = referring.level - 1;
    for (unsigned index = 0; index < format_.entries(level); ++index) {
      if (folder_.is_full()) break;
      const std::uint64_t value = read(std::get<arch::Hpa>(host), index);
      if (kPresent.any(value)) entry(referring.first, level, index, value);
    }
    folder_.leave();
  }

  void entry(std::uint64_t table_first, unsigned level, unsigned index, std::uint64_t value) {
    TreeEntry told{level,
                   index,
                   value,
                   canonical(table_first + index * format_.coverage(level)),
                   format_.coverage(level),
                   format_.maps_page(value, level, guest_.large_pages),
                   0,
                   {}};
    const bool is_pdpte_register = guest_.mode == PagingMode::kPae && level == 3;
    const std::uint64_t reserved =
        guest::reserved_bits(guest_.mode, level, told.leaf, guest_.maxphyaddr, true, true);
    // Bits 8:5 and 2:1 of a PDPTE in PAE paging, and all from MAXPHYADDR up (SDM 5.4.1).
    constexpr std::uint64_t kPdpteReserved = 0x1e6 | std::uint64_t{1} << 63;
    if ((value & (reserved | (is_pdpte_register ? kPdpteReserved : 0))) != 0) {
      told.remark = "reserved bits: " + tree_hex(value);
    }
    if (told.leaf) {
      told.target = format_.page_address(value, format_.page_size(level), address_mask_);
      folder_.page(told);
      return;
    }
    told.target = format_.table_address(value, address_mask_);
    if (!seen_.insert(told.target).second) {
      told.remark += std::string(told.remark.empty() ? "" : ", ") + "used before";
      folder_.mention(told);
    } else {
      visit(told);
    }
  }

  std::uint64_t read(arch::Hpa table, unsigned index) const {
    if (format_.entry_bytes() == 8) return memory_.read64(table + 8 * index);
    const std::uint64_t two = memory_.read64(table + 4 * (index & ~1u));
    return index % 2 == 0 ? two & 0xffff'ffff : two >> 32;
  }

  /// With the upper half of a linear-address space at its top.
  std::uint64_t canonical(std::uint64_t linear) const {
    if (guest_.mode != PagingMode::k4Level && guest_.mode != PagingMode::k5Level) return linear;
    const unsigned width = guest_.mode == PagingMode::k5Level ? 57 : 48;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(linear << (64 - width)) >>
                                      (64 - width));
  }

  const arch::PhysicalMemory& memory_;
  const GuestRoot& guest_;
  const DumpOptions& options_;
  guest::Format format_;
  std::uint64_t address_mask_;
  Probe probe_;
  RunFolder& folder_;
  std::unordered_set<std::uint64_t> seen_;
};

std::optional<std::uint64_t> write(TreeWriter& writer, const arch::PhysicalMemory& memory,
                                   const GuestRoot& guest, const Settings& settings,
                                   const DumpOptions& options) {
  RunFolder folder(writer, options.most_lines);
  GuestTour(memory, guest, settings, options, folder).run();
  folder.finish();
  return folder.full_at();
}

/// Of a linear address.
unsigned hex_digits(const GuestRoot& guest) {
  return guest.mode == PagingMode::k4Level || guest.mode == PagingMode::k5Level ? 16 : 8;
}

}  // namespace

std::optional<std::uint64_t> dump_guest_text(std::ostream& out, const arch::PhysicalMemory& memory,
                                             const GuestRoot& guest, const Settings& settings,
                                             const DumpOptions& options) {
  out << "CR3 " << tree_hex(guest.cr3) << ": " << name(guest.mode) << " paging, "
      << (guest.eptp ? "on EPTP " + tree_hex(*guest.eptp)
                     : std::string("guest-physical is host-physical"))
      << "\nrights of each entry: r read, w write, x execute, u user-mode address\n";
  const GuestNotation notation(guest.mode);
  TreeText text(
      out, notation,
      {options.colour, "linear", "guest-physical", hex_digits(guest), (guest.maxphyaddr + 3) / 4});
  return write(text, memory, guest, settings, options);
}

std::optional<std::uint64_t> dump_guest_json(std::ostream& out, const arch::PhysicalMemory& memory,
                                             const GuestRoot& guest, const Settings& settings,
                                             const DumpOptions& options) {
  const GuestNotation notation(guest.mode);
  TreeJson json(notation, "gva", "gpa");
  const auto stopped = write(json, memory, guest, settings, options);
  out << "{\n  \"schema_version\": 1,\n  \"cr3\": \"" << tree_hex(guest.cr3) << "\",\n  \"eptp\": "
      << (guest.eptp ? "\"" + tree_hex(*guest.eptp) + "\"" : std::string("null"))
      << ",\n  \"levels\": " << guest::Format(guest.mode).levels()
      << ",\n  \"complete\": " << (stopped ? "false" : "true") << ",\n";
  json.print(out);
  return stopped;
}

}  // namespace eptsim::ept
