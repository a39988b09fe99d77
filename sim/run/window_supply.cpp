#include "sim/run/window_core.hpp"

#include <algorithm>
#include <exception>
#include <utility>

// The program, as it comes: records of the trace become accesses.
namespace eptsim::sim {

/// Appends the next access. False if nothing more may enter before the window is empty.
bool WindowCore::supply() {
  if (stop_ != Stop::kNone) return false;
  if (supplied_ == program_.next_stop()) {
    stop_ = Stop::kMilestone;
    return false;
  }
  if (program_.is_warming() && bytes_left_ == 0) [[unlikely]] {
    stop_ = Stop::kWarming;
    return false;
  }
  while (bytes_left_ == 0) {
    if (!take_record()) return supply_instructions();
    if (!is_access(record_.kind)) {
      stop_ = Stop::kEvent;
      return supply_instructions();
    }
    if (record_.kind == RecordKind::kFetch && !program_.settings().fetch) continue;
    if (!program_.is_current(record_)) {
      stop_ = Stop::kSwitch;
      return false;
    }
    begin_parts();
  }
  return supply_part();
}

/// Whether there is another record.
bool WindowCore::take_record() {
  const Record* next = nullptr;
  if (!program_.turn_is_over(entry_.cycle())) {
    try {
      next = program_.next();
    } catch (...) {
      error_ = std::current_exception();
      stop_ = Stop::kError;
      return false;
    }
  }
  if (next == nullptr || program_.is_stopped()) {
    stop_ = next == nullptr ? Stop::kTurn : Stop::kEnd;
    return false;
  }
  record_ = *next;
  carried_ += record_.instructions;
  return true;
}

/// Of an access: page by page, the lowest first. At the top of the address space it goes on at 0.
void WindowCore::begin_parts() {
  part_address_ = record_.address;
  bytes_left_ = std::max<std::uint64_t>(record_.size, 1);
  const bool is_load = record_.kind == RecordKind::kRead || record_.kind == RecordKind::kModify;
  producer_ = 0;
  if (settings_.dependence == Dependence::kAll) {
    if (is_load) producer_ = loads_supplied_;
  } else if (settings_.dependence == Dependence::kTrace && record_.depends_on != 0 &&
             record_.depends_on <= loads_supplied_ - loads_before_) {
    producer_ = loads_supplied_ - record_.depends_on + 1;
  }
  if (!is_load) return;
  load_ = loads_supplied_++;
  const std::uint64_t offset = part_address_ & (kTranslatedPage - 1);
  const auto parts = static_cast<unsigned>((offset + bytes_left_ - 1) / kTranslatedPage + 1);
  load_at(load_) = {.parts_left = parts, .parts_in_window = parts};
}

bool WindowCore::supply_part() {
  try {
    program_.require_canonical(part_address_);
  } catch (...) {
    error_ = std::current_exception();
    stop_ = Stop::kError;
    bytes_left_ = 0;
    return supply_instructions();
  }
  Access& access = append();
  access.is_access = true;
  access.is_fetch = record_.kind == RecordKind::kFetch;
  access.is_load = record_.kind == RecordKind::kRead || record_.kind == RecordKind::kModify;
  access.request = {.address = part_address_, .access = access_kind(record_.kind), .user = true};
  access.bytes = static_cast<std::uint16_t>(
      std::min(bytes_left_, kTranslatedPage - (part_address_ & (kTranslatedPage - 1))));
  access.ip = record_.ip;
  access.number = ++supplied_;
  access.load = load_;
  access.producer = producer_;
  part_address_ += access.bytes;
  bytes_left_ -= access.bytes;
  return true;
}

/// Instructions of which no access is translated. Whether there are any.
bool WindowCore::supply_instructions() {
  if (carried_ == 0) return false;
  Access& access = append();
  access.plain = access.instructions;
  return true;
}

WindowCore::Access& WindowCore::append() {
  Access& access = at(tail_++);
  access = {};
  access.instructions = std::exchange(carried_, 0);
  access.plain = access.begins() ? access.instructions - 1 : 0;
  return access;
}

}  // namespace eptsim::sim
