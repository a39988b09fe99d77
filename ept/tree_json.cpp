#include <ostream>

#include "ept/tree_writers.hpp"

namespace eptsim::ept {
namespace {

void print_strings(std::ostream& out, const std::vector<std::string>& strings) {
  std::string_view separator = "";
  out << '[';
  for (const std::string& text : strings) {
    out << separator << '"' << text << '"';
    separator = ", ";
  }
  out << ']';
}

std::string_view size_name(std::uint64_t bytes) {
  switch (bytes >> 12) {
    case 1: return "4K";
    case 1u << 9: return "2M";
    case 1u << 10: return "4M";
    default: return "1G";
  }
}

}  // namespace

void TreeJson::entered(const TreeEntry& entry, unsigned) {
  path_.push_back(tables_.size());
  tables_.push_back({entry, 0});
}

void TreeJson::left(unsigned entries) {
  tables_[path_.back()].entries = entries;
  path_.pop_back();
}

void TreeJson::table(const TreeEntry&, unsigned) {}

void TreeJson::run(const TreeRun& run, unsigned) { runs_.push_back(run); }

void TreeJson::print(std::ostream& out) const {
  out << "  \"tables\": [";
  std::string_view separator = "\n";
  for (const Table& table : tables_) {
    out << separator << "    {\"level\": " << table.entry.level - 1 << ", \"address\": \""
        << tree_hex(table.entry.target) << "\", \"" << address_key_ << "\": \""
        << tree_hex(table.entry.first) << "\", \"entries\": " << table.entries << '}';
    separator = ",\n";
  }
  out << "\n  ],\n  \"mappings\": [";
  separator = "\n";
  for (const TreeRun& run : runs_) {
    const TreeEntry& first = run.first;
    out << separator << "    {\"" << address_key_ << "\": \"" << tree_hex(first.first) << "\", \""
        << target_key_ << "\": \"" << tree_hex(first.target) << "\", \"bytes\": " << run.bytes()
        << ", \"page_size\": \"" << size_name(first.bytes) << "\", \"permission\": \""
        << notation_.rights(first) << "\", \"memory_type\": \"" << notation_.memory_type(first)
        << "\", \"flags\": ";
    print_strings(out, notation_.flags(first));
    out << ", \"misconfigured\": " << (first.remark.empty() ? "false" : "true") << '}';
    separator = ",\n";
  }
  out << "\n  ]\n}\n";
}

}  // namespace eptsim::ept
