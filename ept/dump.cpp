#include "ept/dump.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "ept/table_tour.hpp"

namespace eptsim::ept {

using namespace arch::ept_entry;

namespace {

std::string hex(std::uint64_t value) {
  std::array<char, 18> digits{'0', 'x'};
  const auto result = std::to_chars(digits.data() + 2, digits.data() + digits.size(), value, 16);
  return std::string(digits.data(), result.ptr);
}

std::string rights(std::uint64_t entry) {
  std::string text = "----";
  if (kRead.any(entry)) text[0] = 'r';
  if (kWrite.any(entry)) text[1] = 'w';
  if (kExecute.any(entry)) text[2] = 'x';
  if (kUserExecute.any(entry)) text[3] = 'u';
  return text;
}

std::string_view memory_type(std::uint64_t leaf) {
  const std::uint64_t code = kMemoryType.get(leaf);
  return arch::is_valid_ept_memory_type(code) ? arch::name(static_cast<arch::MemoryType>(code))
                                              : "reserved";
}

/// The flags of a leaf besides its rights, by the names of their table.
std::vector<std::string_view> leaf_flags(std::uint64_t leaf, unsigned level) {
  std::vector<std::string_view> names;
  for (const arch::FieldFact& fact : kFields) {
    const bool is_flag =
        fact.bits.high == fact.bits.low && !(Permission::mask() & fact.bits.mask());
    const bool means_something =
        fact.bits != kPageSize && (level == 1 || fact.bits != kSubpageWritePermission);
    if (is_flag && means_something && fact.bits.any(leaf)) names.push_back(fact.name);
  }
  return names;
}

constexpr std::string_view table_name(unsigned level) {
  constexpr std::string_view kNames[] = {"", "PT", "PD", "PDPT", "PML4", "PML5"};
  return level <= 5 ? kNames[level] : "table";
}

/// Leaves that continue one another: the same level and flags, each page behind the one before.
struct Run {
  TouredEntry first;
  std::uint64_t pages;

  std::uint64_t bytes() const { return pages * format::coverage(first.level); }
  bool continues_with(const TouredEntry& next) const {
    return next.level == first.level && next.gpa == first.gpa + bytes() &&
           next.value == first.value + bytes();
  }
};

class TextDump {
 public:
  explicit TextDump(std::ostream& out, const Settings& settings) : out_(out), settings_(settings) {}

  void enter(const TouredTable& table) {
    if (table.level == settings_.depth) {
      out_ << table_name(table.level) << " at " << hex(table.address.value()) << '\n';
    }
  }
  bool entry(const TouredEntry& entry) {
    if (entry.leaf) {
      if (run_ && run_->continues_with(entry)) {
        ++run_->pages;
      } else {
        flush();
        run_ = Run{entry, 1};
      }
      return false;
    }
    flush();
    indent(entry.level) << '[' << entry.index << "] " << hex(entry.gpa.value()) << ": "
                        << table_name(entry.level - 1) << " at " << hex(entry.target.value()) << ' '
                        << rights(entry.value);
    if (kAccessed.any(entry.value)) out_ << " ACCESSED";
    if (entry.seen) out_ << ", used before";
    end_of_line(entry);
    return true;
  }
  void leave(const TouredTable&) { flush(); }

 private:
  std::ostream& indent(unsigned level) {
    return out_ << std::string(2 * (settings_.depth - level + 1), ' ');
  }

  void end_of_line(const TouredEntry& entry) {
    if (format::broken_rule(entry.value, entry.level, settings_)) {
      out_ << ", misconfigured: " << hex(entry.value);
    }
    out_ << '\n';
  }

  void flush() {
    if (!run_) return;
    const TouredEntry& first = run_->first;
    indent(first.level) << '[' << first.index;
    if (run_->pages > 1) out_ << ".." << first.index + run_->pages - 1;
    out_ << "] " << hex(first.gpa.value()) << ".." << hex(first.gpa.value() + run_->bytes() - 1)
         << " -> " << hex(first.target.value()) << ' '
         << arch::name(arch::page_of_level(first.level)) << ' ' << rights(first.value) << ' '
         << memory_type(first.value);
    for (const std::string_view flag : leaf_flags(first.value, first.level)) out_ << ' ' << flag;
    end_of_line(first);
    run_.reset();
  }

  std::ostream& out_;
  const Settings& settings_;
  std::optional<Run> run_;
};

/// Gathers what the JSON object lists.
class JsonDump {
 public:
  void enter(const TouredTable& table) {
    tables_.push_back({table, 0});
    path_.push_back(tables_.size() - 1);
  }
  bool entry(const TouredEntry& entry) {
    ++tables_[path_.back()].entries;
    if (!entry.leaf) return true;
    if (!runs_.empty() && runs_.back().continues_with(entry)) {
      ++runs_.back().pages;
    } else {
      runs_.push_back({entry, 1});
    }
    return false;
  }
  void leave(const TouredTable&) { path_.pop_back(); }

  void print(std::ostream& out, std::uint64_t eptp, unsigned levels,
             const Settings& settings) const {
    out << "{\n  \"schema_version\": 1,\n  \"eptp\": \"" << hex(eptp)
        << "\",\n  \"levels\": " << levels << ",\n  \"tables\": [";
    std::string_view separator = "\n";
    for (const Table& table : tables_) {
      out << separator << "    {\"level\": " << table.table.level << ", \"address\": \""
          << hex(table.table.address.value()) << "\", \"gpa\": \"" << hex(table.table.gpa.value())
          << "\", \"entries\": " << table.entries << '}';
      separator = ",\n";
    }
    out << "\n  ],\n  \"mappings\": [";
    separator = "\n";
    for (const Run& run : runs_) {
      out << separator;
      print(out, run, settings);
      separator = ",\n";
    }
    out << "\n  ]\n}\n";
  }

 private:
  struct Table {
    TouredTable table;
    unsigned entries;
  };

  static void print(std::ostream& out, const Run& run, const Settings& settings) {
    const TouredEntry& first = run.first;
    out << "    {\"gpa\": \"" << hex(first.gpa.value()) << "\", \"hpa\": \""
        << hex(first.target.value()) << "\", \"bytes\": " << run.bytes() << ", \"page_size\": \""
        << arch::name(arch::page_of_level(first.level)) << "\", \"permission\": \""
        << rights(first.value) << "\", \"memory_type\": \"" << memory_type(first.value)
        << "\", \"flags\": [";
    std::string_view separator = "";
    for (const std::string_view flag : leaf_flags(first.value, first.level)) {
      out << separator << '"' << flag << '"';
      separator = ", ";
    }
    const bool misconfigured = format::broken_rule(first.value, first.level, settings).has_value();
    out << "], \"misconfigured\": " << (misconfigured ? "true" : "false") << '}';
  }

  std::vector<Table> tables_;
  std::vector<std::size_t> path_;
  std::vector<Run> runs_;
};

Settings for_image(Settings settings, const TouredTable& root) {
  settings.depth = root.level;
  return settings;
}

}  // namespace

void dump_text(std::ostream& out, const arch::PhysicalMemory& memory, std::uint64_t eptp,
               const Settings& settings) {
  const TouredTable root = root_of(eptp, settings);
  const Settings of_image = for_image(settings, root);
  out << "EPTP " << hex(eptp) << ": " << root.level << " levels, accessed and dirty flags "
      << (arch::eptp::kAccessedDirty.any(eptp) ? "on" : "off") << '\n';
  TextDump dump(out, of_image);
  TableTour(memory, of_image, dump).run(root);
}

void dump_json(std::ostream& out, const arch::PhysicalMemory& memory, std::uint64_t eptp,
               const Settings& settings) {
  const TouredTable root = root_of(eptp, settings);
  const Settings of_image = for_image(settings, root);
  JsonDump dump;
  TableTour(memory, of_image, dump).run(root);
  dump.print(out, eptp, root.level, of_image);
}

}  // namespace eptsim::ept
