#include "ept/dump.hpp"

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "ept/table_tour.hpp"
#include "ept/tree_writers.hpp"

namespace eptsim::ept {

using namespace arch::ept_entry;

namespace {

class EptNotation final : public Notation {
 public:
  std::string_view table_name(unsigned level) const override {
    constexpr std::string_view kNames[] = {"", "PT", "PD", "PDPT", "PML4", "PML5"};
    return level <= 5 ? kNames[level] : "table";
  }

  std::string rights(const TreeEntry& entry) const override {
    std::string text = "----";
    if (kRead.any(entry.value)) text[0] = 'r';
    if (kWrite.any(entry.value)) text[1] = 'w';
    if (kExecute.any(entry.value)) text[2] = 'x';
    if (kUserExecute.any(entry.value)) text[3] = 'u';
    return text;
  }

  std::string memory_type(const TreeEntry& page) const override {
    const std::uint64_t code = kMemoryType.get(page.value);
    if (!arch::is_valid_ept_memory_type(code)) return "reserved";
    return std::string(arch::name(static_cast<arch::MemoryType>(code)));
  }

  std::vector<std::string> flags(const TreeEntry& entry) const override {
    if (!entry.leaf) {
      if (kAccessed.any(entry.value)) return {"ACCESSED"};
      return {};
    }
    std::vector<std::string> names;
    for (const arch::FieldFact& fact : kFields) {
      const bool is_flag =
          fact.bits.high == fact.bits.low && !(Permission::mask() & fact.bits.mask());
      const bool means_something =
          fact.bits != kPageSize && (entry.level == 1 || fact.bits != kSubpageWritePermission);
      if (is_flag && means_something && fact.bits.any(entry.value)) names.emplace_back(fact.name);
    }
    return names;
  }
};

/// Tells the folder what a tour of an EPT comes by.
class EptVisitor {
 public:
  EptVisitor(RunFolder& folder, const Settings& settings, const DumpOptions& options)
      : folder_(folder), settings_(settings), options_(options) {}

  void enter(const TouredTable& table) {
    if (table.level == settings_.depth) {
      const bool absent = options_.holds && !options_.holds(table.address);
      next_ = {.level = table.level + 1,
               .target = table.address.value(),
               .remark = absent ? "outside memory" : ""};
    }
    folder_.enter(next_);
  }
  void leave(const TouredTable&) { folder_.leave(); }

  bool entry(const TouredEntry& entry) {
    TreeEntry told{entry.level,
                   entry.index,
                   entry.value,
                   entry.gpa.value(),
                   format::coverage(entry.level),
                   entry.leaf,
                   entry.target.value(),
                   {}};
    if (format::broken_rule(entry.value, entry.level, settings_)) {
      told.remark = "misconfigured: " + tree_hex(entry.value);
    }
    if (entry.leaf) {
      folder_.page(told);
      return false;
    }
    if (folder_.is_full()) return false;
    const bool absent = options_.holds && !options_.holds(entry.target);
    if (entry.seen || absent) {
      told.remark += std::string(told.remark.empty() ? "" : ", ") +
                     (entry.seen ? "used before" : "outside memory");
      folder_.mention(told);
      return false;
    }
    next_ = told;
    return true;
  }

 private:
  RunFolder& folder_;
  const Settings& settings_;
  const DumpOptions& options_;
  TreeEntry next_;
};

std::optional<std::uint64_t> write(TreeWriter& writer, const arch::PhysicalMemory& memory,
                                   const TouredTable& root, const Settings& settings,
                                   const DumpOptions& options) {
  RunFolder folder(writer, options.most_lines);
  EptVisitor visitor(folder, settings, options);
  TableTour(memory, settings, visitor).run(root);
  folder.finish();
  return folder.full_at();
}

Settings for_image(Settings settings, const TouredTable& root) {
  settings.depth = root.level;
  return settings;
}

}  // namespace

std::optional<std::uint64_t> dump_text(std::ostream& out, const arch::PhysicalMemory& memory,
                                       std::uint64_t eptp, const Settings& settings,
                                       const DumpOptions& options) {
  const TouredTable root = root_of(eptp, settings);
  out << "EPTP " << tree_hex(eptp) << ": " << root.level << " levels, accessed and dirty flags "
      << (arch::eptp::kAccessedDirty.any(eptp) ? "on" : "off") << '\n'
      << "rights of each entry: r read, w write, "
      << (settings.mode_based_execute
              ? "x execute at supervisor-mode addresses, u at user-mode ones"
              : "x execute, u bit 10 (ignored without mode-based execute control)")
      << '\n';
  const EptNotation notation;
  const unsigned digits = root.level == 5 ? 13 : 12;
  TreeText text(
      out, notation,
      {options.colour, "guest-physical", "host-physical", digits, (settings.maxphyaddr + 3) / 4});
  return write(text, memory, root, for_image(settings, root), options);
}

std::optional<std::uint64_t> dump_json(std::ostream& out, const arch::PhysicalMemory& memory,
                                       std::uint64_t eptp, const Settings& settings,
                                       const DumpOptions& options) {
  const TouredTable root = root_of(eptp, settings);
  const EptNotation notation;
  TreeJson json(notation, "gpa", "hpa");
  const auto stopped = write(json, memory, root, for_image(settings, root), options);
  out << "{\n  \"schema_version\": 1,\n  \"eptp\": \"" << tree_hex(eptp)
      << "\",\n  \"levels\": " << root.level
      << ",\n  \"complete\": " << (stopped ? "false" : "true") << ",\n";
  json.print(out);
  return stopped;
}

}  // namespace eptsim::ept
