#include "sim/run/window_core.hpp"

#include <algorithm>
#include <exception>
#include <utility>

// The program, as it comes: records of the trace become accesses.
namespace eptsim::sim {

/// Appends the next access. False if nothing more may enter before the window is empty.
bool WindowCore::supply() {
  if (supply_usual()) [[likely]]
    return true;
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

/// The same if it is the whole of the next record, of data, in the space that the core is in, and
/// nothing is due before it. Otherwise false, and nothing has happened.
bool WindowCore::supply_usual() {
  if (stop_ != Stop::kNone || bytes_left_ != 0 || supplied_ == program_.next_stop() ||
      program_.is_warming() || program_.turn_is_over(entry_.cycle())) {
    return false;
  }
  const Record* const record = program_.peek();
  if (record == nullptr || !is_data(record->kind) || !program_.is_current(*record) ||
      !program_.is_canonical(record->address) || program_.is_stopped()) {
    return false;
  }
  const std::uint64_t bytes = std::max<std::uint64_t>(record->size, 1);
  if ((record->address & (kTranslatedPage - 1)) + bytes > kTranslatedPage) return false;
  program_.pass_over(1);
  carried_ += record->instructions;
  const bool is_load = record->kind != RecordKind::kWrite;
  producer_ = producer_of(*record, is_load);
  if (is_load) {
    load_ = loads_supplied_++;
    load_at(load_) = {.parts_left = 1, .parts_in_window = 1};
  }
  append_part(*record, record->address, bytes);
  return true;
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
  producer_ = producer_of(record_, is_load);
  if (!is_load) return;
  load_ = loads_supplied_++;
  const std::uint64_t offset = part_address_ & (kTranslatedPage - 1);
  const auto parts = static_cast<unsigned>((offset + bytes_left_ - 1) / kTranslatedPage + 1);
  load_at(load_) = {.parts_left = parts, .parts_in_window = parts};
}

/// The number, from 1, of the load that the record's address comes from; 0: of none.
std::uint64_t WindowCore::producer_of(const Record& record, bool is_load) const {
  if (settings_.dependence == Dependence::kAll) return is_load ? loads_supplied_ : 0;
  if (settings_.dependence != Dependence::kTrace || record.depends_on == 0 ||
      record.depends_on > loads_supplied_ - loads_before_) {
    return 0;
  }
  return loads_supplied_ - record.depends_on + 1;
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
  const std::uint64_t bytes =
      std::min(bytes_left_, kTranslatedPage - (part_address_ & (kTranslatedPage - 1)));
  append_part(record_, part_address_, bytes);
  part_address_ += bytes;
  bytes_left_ -= bytes;
  return true;
}

void WindowCore::append_part(const Record& record, std::uint64_t address, std::uint64_t bytes) {
  Access& access = append();
  access.is_access = true;
  access.is_fetch = record.kind == RecordKind::kFetch;
  access.is_load = record.kind == RecordKind::kRead || record.kind == RecordKind::kModify;
  access.request = {.address = address, .access = access_kind(record.kind), .user = true};
  access.bytes = static_cast<std::uint16_t>(bytes);
  access.ip = record.ip;
  access.number = ++supplied_;
  access.load = load_;
  access.producer = producer_;
}

/// Instructions of which no access is translated. Whether there are any.
bool WindowCore::supply_instructions() {
  if (carried_ == 0) return false;
  Access& access = append();
  access.plain = access.instructions;
  return true;
}

/// With what doesn't come of later; that is written before it is read.
WindowCore::Access& WindowCore::append() {
  // The ring is larger than the host's first cache: what comes next in it is fetched meanwhile.
  const auto* const ahead = reinterpret_cast<const char*>(&at(tail_ + 4));
  __builtin_prefetch(ahead, 1);
  __builtin_prefetch(ahead + 64, 1);
  Access& access = at(tail_++);
  access.state = State::kOutside;
  access.is_access = access.is_fetch = access.is_load = access.looked_up = false;
  access.instructions = std::exchange(carried_, 0);
  access.plain = access.begins() ? access.instructions - 1 : 0;
  return access;
}

}  // namespace eptsim::sim
