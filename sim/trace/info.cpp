#include "sim/trace/info.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <unordered_set>
#include <vector>

#include "sim/trace/own_reader.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

constexpr unsigned kPageShift = 12;

/// Counts different pages of accesses, which mostly touch the page of the one before.
class PageCounter {
 public:
  void touch(std::uint64_t address, std::uint64_t bytes) {
    const auto first = address >> kPageShift;
    const auto last = (address + (bytes > 0 ? bytes - 1 : 0)) >> kPageShift;
    if (first == last && first == last_) return;
    pages_.insert(first);
    pages_.insert(last);
    last_ = last;
  }
  std::uint64_t count() const { return pages_.size(); }

 private:
  std::unordered_set<std::uint64_t> pages_;
  std::uint64_t last_ = ~std::uint64_t{0};
};

std::string mebibytes(std::uint64_t pages) {
  return fmt::format("{:.1f} MiB", static_cast<double>(pages << kPageShift) / (1 << 20));
}

}  // namespace

TraceInfo describe_trace(const std::string& path, std::optional<std::string_view> format) {
  const auto reader = open_trace(path, format);
  TraceInfo info;
  info.path = path;
  info.format = reader->format();
  PageCounter data;
  PageCounter code;
  std::vector<Record> records(4096);
  while (const auto count = reader->read(records)) {
    for (const auto& record : std::span(records).first(count)) {
      info.counts.add(record);
      if (!is_access(record.kind)) continue;
      (record.kind == RecordKind::kFetch ? code : data).touch(record.address, record.size);
      if (record.depends_on != 0) ++info.dependent;
    }
  }
  info.data_pages = data.count();
  info.code_pages = code.count();
  info.hash = hash_of_trace(path);
  struct stat status = {};
  if (!info.hash.empty() && ::stat(path.c_str(), &status) == 0)
    info.stored_bytes = static_cast<std::uint64_t>(status.st_size);
  if (const auto* own_reader = dynamic_cast<const OwnTraceReader*>(reader.get())) {
    info.header = own_reader->header();
    info.has_index = own_reader->found_index();
  }
  return info;
}

std::string to_text(const TraceInfo& info) {
  const auto& counts = info.counts;
  std::string text = fmt::format("{}: {}", info.path, info.format);
  if (info.stored_bytes > 0 && counts.accesses() > 0)
    text += fmt::format(
        ", {} bytes, {:.2f} bytes per access", info.stored_bytes,
        static_cast<double>(info.stored_bytes) / static_cast<double>(counts.accesses()));
  text += '\n';
  const auto line = [&](std::string_view name, auto value) {
    text += fmt::format("  {:<14}{}\n", name, value);
  };
  line("accesses", counts.accesses());
  line("  reads", counts.reads);
  line("  writes", counts.writes);
  line("  modifies", counts.modifies);
  line("  fetches", counts.fetches);
  line("instructions", counts.instructions);
  if (counts.events > 0) line("events", counts.events);
  line("dependent", info.dependent);
  line("data pages", fmt::format("{} ({})", info.data_pages, mebibytes(info.data_pages)));
  line("code pages", fmt::format("{} ({})", info.code_pages, mebibytes(info.code_pages)));
  if (!info.hash.empty()) line("XXH3-128", info.hash);
  if (info.header) {
    for (const auto& hint : info.header->page_hints)
      line("pages", fmt::format("{:#x}-{:#x} of {} bytes", hint.begin, hint.end, hint.page_bytes));
    for (const auto& [key, value] : info.header->notes) line(key, value);
    if (!info.has_index)
      line("index", "missing: the recording was cut off; convert writes the trace with one");
  }
  return text;
}

}  // namespace eptsim::sim
