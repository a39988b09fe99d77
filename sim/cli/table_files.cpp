#include "sim/cli/table_files.hpp"

#include <algorithm>

#include "sim/cli/page_list_file.hpp"
#include "sim/run/system_software.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

TableReport report_of(const std::string& path) {
  return {.path = path, .hash = hash_of_trace(path)};
}

}  // namespace

TableFiles::TableFiles(const RunRequest& request, RunReport& report) {
  RunSettings& settings = report.settings;
  const std::uint64_t host_bytes = settings.machine.hardware.dram_bytes;
  if (request.guest_tables) {
    const std::uint64_t guest_bytes =
        settings.mode == Mode::kNative ? host_bytes : std::min(host_bytes, kMostGuestMemory);
    report.guest_tables = report_of(*request.guest_tables);
    settings.lists.guest = read_page_list(*request.guest_tables, Dimension::kGuest, guest_bytes);
  }
  if (request.host_tables) {
    report.host_tables = report_of(*request.host_tables);
    settings.lists.host = read_page_list(*request.host_tables, Dimension::kHost, host_bytes);
  }
  if (request.write_guest_tables) guest_.emplace(*request.write_guest_tables);
  if (request.write_host_tables) host_.emplace(*request.write_host_tables);
  if (!guest_ && !host_) return;
  settings.take_lists = [this](const PageLists& lists) { at_end_ = lists; };
}

void TableFiles::write() const {
  if (guest_) guest_->write(page_list_text(at_end_.guest, Dimension::kGuest));
  if (host_) host_->write(page_list_text(at_end_.host, Dimension::kHost));
}

}  // namespace eptsim::sim
