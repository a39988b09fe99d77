#include "sim/run/window_core.hpp"

#include <bit>
#include <functional>
#include <stdexcept>
#include <utility>

namespace eptsim::sim {
namespace {

using mmu::Cycle;
using mmu::kNever;

/// Accesses from entry until they and all before them are done, beside two for each instruction of
/// the window.
constexpr std::uint64_t kSpareAccesses = 64;
constexpr std::uint64_t kAboutToEnter = 4;

/// Places for what a window of `limit` holds, for as many before it, whose times its entry waits
/// for, and some that are about to enter.
std::uint64_t ring_size(std::uint64_t limit) { return std::bit_ceil(2 * limit + kAboutToEnter); }

}  // namespace

WindowCore::WindowCore(const sc_core::sc_module_name& name, const mmu::Timeline& timeline,
                       mmu::MmuModule& unit, mmu::MemoryHierarchy& memory, SystemSoftware& software,
                       CoreWork work, unsigned number)
    : Core(name, timeline, unit, software, std::move(work), number),
      memory_(memory),
      number_(number),
      settings_(program_.settings().machine.core),
      access_limit_(2 * std::uint64_t{settings_.window} + kSpareAccesses),
      entry_(settings_.width),
      retirement_(settings_.width) {
  accesses_.resize(std::bit_ceil(access_limit_ + kAboutToEnter));
  access_mask_ = accesses_.size() - 1;
  left_at_.resize(ring_size(access_limit_));
  left_mask_ = left_at_.size() - 1;
  loads_.resize(ring_size(settings_.loads));
  load_mask_ = loads_.size() - 1;
  entered_at_.resize(ring_size(settings_.window));
  retired_at_.resize(entered_at_.size());
  instruction_mask_ = entered_at_.size() - 1;
  events_.reserve(accesses_.size());
}

void WindowCore::run_program() {
  if (!program_.begin()) return;
  do drain();
  while (resume());
}

/// Runs until nothing is in the window or under way, and what stopped the supply may be done.
void WindowCore::drain() {
  while (stop_ == Stop::kNone || head_ != tail_ || oldest_.open || retired_ != entered_ ||
         port_.under_way() != 0) {
    if (!step()) throw std::logic_error("the core's window stands still");
  }
  account_until(last_answer_, nullptr);
  while (!reach(accounted_)) {
  }
}

/// Does what the supply was stopped for. Whether the run goes on.
bool WindowCore::resume() {
  switch (std::exchange(stop_, Stop::kNone)) {
    case Stop::kNone:
    case Stop::kEnd: return false;
    case Stop::kError: std::rethrow_exception(error_);
    case Stop::kMilestone:
      if (!program_.reach_milestone(accounted_)) return false;
      break;
    case Stop::kEvent: program_.act(record_, accounted_); break;
    case Stop::kSwitch:
      program_.enter(record_, accounted_);
      begin_parts();
      break;
  }
  horizon_ = 0;
  blocked_ = false;
  entry_.restart(accounted_);
  return true;
}

// ---------------------------------------------------------------------------------------------
// The program, as it comes
// ---------------------------------------------------------------------------------------------

/// Appends the next access. False if nothing more may enter before the window is empty.
bool WindowCore::supply() {
  if (stop_ != Stop::kNone) return false;
  if (supplied_ == program_.next_stop()) {
    stop_ = Stop::kMilestone;
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
  if (next_record_ == batch_.size()) {
    try {
      batch_ = program_.read();
    } catch (...) {
      error_ = std::current_exception();
      stop_ = Stop::kError;
      return false;
    }
    next_record_ = 0;
  }
  if (batch_.empty() || program_.is_stopped()) {
    stop_ = Stop::kEnd;
    return false;
  }
  record_ = batch_[next_record_++];
  program_.count_record();
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
             record_.depends_on <= loads_supplied_) {
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
  access.bytes = std::min(bytes_left_, kTranslatedPage - (part_address_ & (kTranslatedPage - 1)));
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

// ---------------------------------------------------------------------------------------------
// Time
// ---------------------------------------------------------------------------------------------

/// Does what is due next, or waits for it. False if there is nothing.
bool WindowCore::step() {
  if (candidate_ == kNever && !blocked_) prepare();
  const Cycle event = events_.empty() ? kNever : events_.front().cycle;
  const Cycle answer = port_.next_answer();
  const Cycle cycle = std::min({event, candidate_, answer});
  if (cycle == kNever) {
    if (port_.under_way() == 0) return stop_ != Stop::kNone && head_ == tail_;
    port_.wait_until(kNever);
    horizon_ = 0;
    return true;
  }
  if (cycle >= horizon_ && !reach(cycle)) return true;
  if (answer == cycle) {
    take_answer();
  } else if (event == cycle) {
    const Position position = events_.front().position;
    std::ranges::pop_heap(events_, std::greater<>{});
    events_.pop_back();
    handle(at(position), position, cycle);
  } else {
    meet_candidate();
  }
  return true;
}

/// Whether what is due in `cycle` may be done now. Otherwise has waited, and something else may
/// have come first.
bool WindowCore::reach(Cycle cycle) {
  horizon_ = timeline_.horizon(number_);
  if (cycle < horizon_) return true;
  port_.wait_until(cycle);
  horizon_ = timeline_.horizon(number_);
  return false;
}

void WindowCore::push(Cycle cycle, Position position, State state) {
  at(position).state = state;
  events_.push_back({cycle, position});
  std::ranges::push_heap(events_, std::greater<>{});
}

void WindowCore::handle(Access& access, Position position, Cycle cycle) {
  switch (access.state) {
    case State::kReady: look_up(access, position, cycle); return;
    case State::kTranslated: translated(access, position, cycle); return;
    default: serve(access, position, cycle); return;
  }
}

// ---------------------------------------------------------------------------------------------
// Entry
// ---------------------------------------------------------------------------------------------

/// Finds out when the next access enters, or is looked up if it is a fetch: that is the candidate.
void WindowCore::prepare() {
  if (next_ == tail_) {
    if (!supply()) {
      retire();
      blocked_ = true;
      return;
    }
    if (at(next_).begins()) retire();
  }
  Access& access = at(next_);
  if (access.state != State::kOutside) return;
  blocked_ = !enter_plain(access);
  if (blocked_) return;
  if (!access.is_access) {
    access.instruction = entered_;
    access.state = State::kDone;
    access.times.done = 0;
    ++next_;
    retire();
    return;
  }
  const Cycle earliest = earliest_entry(access);
  blocked_ = earliest == kNever;
  if (blocked_) return;
  candidate_ = access.begins() ? entry_.next(earliest) : std::max(entry_.cycle(), earliest);
}

/// Lets the instructions before the access's own enter, which nobody sees. False if the window is
/// full, and it isn't known until when.
bool WindowCore::enter_plain(Access& access) {
  while (access.plain != 0) {
    if (entered_ - retired_ == settings_.window) {
      retire();
      if (entered_ - retired_ == settings_.window) return false;
      if (retired_ == entered_) enter_long_run(access);
      if (access.plain == 0) return true;
    }
    entered_at(entered_) = entry_.pass(retired_at(entered_ - settings_.window));
    ++entered_;
    --access.plain;
  }
  return true;
}

/// Alone in the window, a run that is longer than it comes to go in and out at full width. Once
/// each instruction that another waits for did, and enough of those to fill a cycle, all others
/// will.
void WindowCore::enter_long_run(Access& access) {
  const std::uint64_t window = settings_.window;
  std::uint64_t steady = 0;
  for (; access.plain > window && steady < window + settings_.width; --access.plain) {
    const Cycle room = retired_at(entered_ - window);
    const bool enters_behind = entry_.next(room) == entry_.next(0);
    const Cycle done = entry_.pass(room) + 1;
    const bool retires_behind = retirement_.next(done) == retirement_.next(0);
    const Cycle cycle = retirement_.pass(done);
    account_retirement(cycle, nullptr);
    retired_at(entered_++) = cycle;
    ++program_.counted().instructions;
    steady = enters_behind && retires_behind ? steady + 1 : 0;
  }
  if (access.plain > window) {
    const std::uint64_t skipped = access.plain - window;
    entry_.skip(skipped);
    retirement_.skip(skipped);
    entered_ += skipped;
    access.plain = window;
    program_.counted().instructions += skipped;
    program_.counted().cycles_by.retiring += retirement_.cycle() + 1 - accounted_;
    accounted_ = retirement_.cycle() + 1;
  }
  retired_ = entered_;
}

/// The cycle before which the access can't enter, kNever if that isn't known yet.
Cycle WindowCore::earliest_entry(const Access& access) {
  Cycle earliest = 0;
  if (access.begins()) {
    if (entered_ - retired_ == settings_.window) {
      retire();
      if (entered_ - retired_ == settings_.window) return kNever;
    }
    earliest = retired_at(entered_ - settings_.window);
  }
  if (next_ >= access_limit_) {
    if (next_ - access_limit_ >= head_) return kNever;
    earliest = std::max(earliest, left_at(next_ - access_limit_));
  }
  if (access.is_load && access.load >= settings_.loads) {
    earliest = std::max(earliest, load_at(access.load - settings_.loads).left);
  }
  return earliest;
}

/// Its cycle has come.
void WindowCore::meet_candidate() {
  Access& access = at(next_);
  const Cycle cycle = std::exchange(candidate_, kNever);
  if (access.is_fetch && access.state == State::kOutside) {
    access.times.entered = cycle;
    look_up(access, next_, cycle);
    if (candidate_ != cycle) return;
    candidate_ = kNever;
  }
  enter(access, cycle);
}

void WindowCore::enter(Access& access, Cycle cycle) {
  const Position position = next_++;
  if (access.begins()) {
    access.instruction = entered_;
    entered_at(entered_++) = entry_.pass(cycle);
  } else {
    access.instruction = entered_ - 1;
    entry_.hold_until(cycle);
  }
  if (access.is_fetch) {
    finish(access, position, access.begins() ? cycle + 1 : cycle);
    return;
  }
  access.times.entered = cycle;
  Cycle ready = cycle;
  if (access.producer != 0 && loads_supplied_ - access.producer <= load_mask_) {
    Load& producer = load_at(access.producer - 1);
    if (producer.parts_left != 0) {
      access.state = State::kWaiting;
      access.next_waiting = std::exchange(producer.waiting, position);
      return;
    }
    ready = std::max(cycle, producer.data);
  }
  if (ready == cycle) {
    look_up(access, position, cycle);
  } else {
    push(ready, position, State::kReady);
  }
}

// ---------------------------------------------------------------------------------------------
// Accesses
// ---------------------------------------------------------------------------------------------

void WindowCore::look_up(Access& access, Position position, Cycle cycle) {
  access.times.ready = cycle;
  const mmu::TlbHit hit = port_.lookup(access.request);
  if (hit) [[likely]] {
    program_.check_use(access.request, *hit.entry, access.number);
    access.hpa = hit.entry->hpa_of(access.request.address);
    const Cycle end = program_.has_ideal_tlb() ? cycle : cycle + hit.cycles;
    if (end == cycle || access.is_fetch) [[likely]] {
      translated(access, position, end);
    } else {
      push(end, position, State::kTranslated);
    }
    return;
  }
  if (program_.has_ideal_tlb()) {
    answered(access, position, program_.translate_at_once(access.request), cycle);
    return;
  }
  access.times.translated = cycle + hit.cycles;
  const mmu::TranslationPort::Walk& walk =
      port_.ask(program_.context(), access.request, access.times.translated);
  if (walk.number >= waiting_for_walk_.size()) {
    waiting_for_walk_.resize(walk.number + 1, kNowhere);
    walk_ip_.resize(walk.number + 1);
  }
  Position& first = waiting_for_walk_[walk.number];
  if (first == kNowhere) walk_ip_[walk.number] = access.ip;
  access.state = State::kWaiting;
  access.next_waiting = std::exchange(first, position);
  horizon_ = 0;
}

void WindowCore::take_answer() {
  const mmu::TranslationPort::Walk& walk = port_.take_answer();
  horizon_ = 0;
  const Cycle cycle = last_answer_ = walk.answered + 1;
  program_.count_walk(walk, std::exchange(walk_ip_[walk.number], 0));
  Position position = std::exchange(waiting_for_walk_[walk.number], kNowhere);
  while (position != kNowhere) {
    Access& access = at(position);
    const Position next = std::exchange(access.next_waiting, kNowhere);
    answered(access, position, walk.response.outcome, std::max(cycle, access.times.translated));
    position = next;
  }
}

/// A walk has ended, and the access goes on in `cycle`.
void WindowCore::answered(Access& access, Position position, const mmu::Outcome& outcome,
                          Cycle cycle) {
  if (outcome.kind != mmu::OutcomeKind::kTranslated) {
    access.state = State::kFaulted;
    access.times.translated = cycle;
    faults_.push_back({position, outcome});
    if (position == head_) retire();
    return;
  }
  // It may have gone through structure caches that are stale.
  program_.check_use(access.request, outcome, access.number);
  constexpr std::uint64_t kOffset = kTranslatedPage - 1;
  access.hpa = (outcome.hpa & ~kOffset) | (access.request.address & kOffset);
  if (access.is_fetch) {
    translated(access, position, cycle);
  } else {
    push(cycle, position, State::kTranslated);
  }
}

void WindowCore::translated(Access& access, Position position, Cycle cycle) {
  access.times.translated = cycle;
  if (access.is_fetch) {
    access.state = State::kTranslated;
    candidate_ = cycle;
    return;
  }
  const Cycle data = access_memory(access, cycle);
  finish(access, position, access.is_load ? data : cycle + 1);
}

/// The first cycle with all its data, or all of it written.
Cycle WindowCore::access_memory(const Access& access, Cycle cycle) {
  constexpr std::uint64_t kLine = mmu::kLineBytes;
  const std::uint64_t end = access.hpa + access.bytes;
  Cycle done = cycle;
  for (std::uint64_t address = access.hpa; address < end; address = (address | (kLine - 1)) + 1) {
    const mmu::Service service = memory_.access(
        number_, {.address = arch::Hpa(address), .write = arch::is_write(access.request.access)},
        cycle);
    done = std::max(done, service.answered);
  }
  return done;
}

void WindowCore::finish(Access& access, Position position, Cycle done) {
  access.state = State::kDone;
  access.times.done = done;
  if (access.is_load) {
    Load& load = load_at(access.load);
    load.data = std::max(load.data, done);
    if (--load.parts_left == 0) {
      Position waiting = std::exchange(load.waiting, kNowhere);
      while (waiting != kNowhere) {
        Access& next = at(waiting);
        const Position after = std::exchange(next.next_waiting, kNowhere);
        push(std::max(next.times.entered, load.data), waiting, State::kReady);
        waiting = after;
      }
    }
  }
  if (position == head_) retire();
}

/// The oldest access has met a fault.
void WindowCore::serve(Access& access, Position position, Cycle cycle) {
  if (oldest_.open) account_until(std::min(cycle, oldest_.last.done), &oldest_);
  Waits waits;
  waits.add(access);
  account_until(cycle, &waits);
  const auto fault = std::ranges::find(faults_, position, &Fault::position);
  const mmu::Outcome outcome = fault->outcome;
  begin_anew();
  program_.serve(access.request, outcome, accounted_);
  entry_.restart(accounted_);
  horizon_ = 0;
}

/// Nothing that has entered from the oldest access on has been: it all enters again.
void WindowCore::begin_anew() {
  const Access& first = at(head_);
  if (head_ != next_) entered_ = first.begins() ? first.instruction : first.instruction + 1;
  for (Position position = head_; position != tail_; ++position) {
    Access& access = at(position);
    if (position < next_ && access.is_load) {
      Load& load = load_at(access.load);
      if (access.state == State::kDone) ++load.parts_left;
      load.data = 0;
      load.waiting = kNowhere;
    }
    if (access.begins() && position != head_) access.plain = access.instructions - 1;
    if (!access.is_access) access.plain = access.instructions;
    access.state = State::kOutside;
    access.times = {};
    access.next_waiting = kNowhere;
  }
  program_.counted().replayed += next_ - head_;
  next_ = head_;
  candidate_ = kNever;
  blocked_ = false;
  events_.clear();
  faults_.clear();
  std::ranges::fill(waiting_for_walk_, kNowhere);
  std::ranges::fill(walk_ip_, 0);
  port_.abandon();
}

// ---------------------------------------------------------------------------------------------
// Retirement
// ---------------------------------------------------------------------------------------------

/// Retires what is known to, in order.
void WindowCore::retire() {
  for (;;) {
    if (oldest_.open) {
      // Whether it has further accesses is known when the next one is there.
      if (head_ == tail_ ? stop_ != Stop::kNone : at(head_).begins()) {
        close_instruction();
        continue;
      }
      if (head_ == tail_) return;
    } else if (head_ == next_) {
      retire_plain(entered_);
      if (head_ == tail_) return;
    } else {
      const Access& first = at(head_);
      retire_plain(first.begins() ? first.instruction : first.instruction + 1);
    }
    Access& first = at(head_);
    if (first.state == State::kFaulted) schedule_service(first);
    if (head_ == next_ || first.state != State::kDone) return;
    leave(first);
  }
}

void WindowCore::retire_plain(std::uint64_t end) {
  if (retired_ == end) return;
  program_.counted().instructions += end - retired_;
  for (; retired_ != end; ++retired_) {
    const Cycle cycle = retirement_.pass(entered_at(retired_) + 1);
    account_retirement(cycle, nullptr);
    retired_at(retired_) = cycle;
  }
  blocked_ = false;
}

void WindowCore::schedule_service(Access& access) {
  Cycle cycle = std::max(access.times.translated, accounted_);
  if (oldest_.open) cycle = std::max(cycle, oldest_.last.done);
  push(cycle, head_, State::kServing);
}

/// The oldest access is done.
void WindowCore::leave(Access& access) {
  last_left_ = std::max(last_left_, access.times.done);
  left_at(head_) = last_left_;
  if (access.is_load) {
    Load& load = load_at(access.load);
    if (--load.parts_in_window == 0) load.left = last_left_;
  }
  ++head_;
  blocked_ = false;
  if (!access.is_access) return;
  oldest_.add(access);
  // Progress is told in full swing; the supply stops at the other milestones.
  if (program_.count_access() && program_.translated() != program_.next_stop()) {
    program_.reach_milestone(accounted_);
  }
}

void WindowCore::Waits::add(const Access& access) {
  if (!open || access.times.done > last.done) {
    last = access.times;
    last_is_load = access.is_load;
  }
  if (!open) {
    fetch_from = fetch_to = 0;
    instruction = access.instruction;
  }
  open = true;
  if (!access.is_fetch) return;
  // One across pages waits for one after the other. Of several apart the longest counts.
  const Times& times = access.times;
  if (times.ready == fetch_to) {
    fetch_to = times.translated;
  } else if (times.translated - times.ready > fetch_to - fetch_from) {
    fetch_from = times.ready;
    fetch_to = times.translated;
  }
}

/// All accesses of the oldest instruction are known. Where the trace has accesses without any
/// instruction, time passes and nothing retires.
void WindowCore::close_instruction() {
  oldest_.open = false;
  blocked_ = false;
  if (oldest_.instruction != retired_) {
    retirement_.hold_until(oldest_.last.done);
    account_until(oldest_.last.done, &oldest_);
    return;
  }
  const Cycle cycle = retirement_.pass(oldest_.last.done);
  account_retirement(cycle, &oldest_);
  retired_at(retired_++) = cycle;
  ++program_.counted().instructions;
}

void WindowCore::account_retirement(Cycle cycle, const Waits* waits) {
  if (cycle < accounted_) return;
  account_until(cycle, waits);
  ++program_.counted().cycles_by.retiring;
  accounted_ = cycle + 1;
}

/// Nothing retired up to `cycle`: puts those cycles to what the oldest instruction waited for.
void WindowCore::account_until(Cycle cycle, const Waits* waits) {
  const auto put = [&](std::uint64_t& to, Cycle end) {
    end = std::min(end, cycle);
    if (end <= accounted_) return;
    to += end - accounted_;
    accounted_ = end;
  };
  CycleClasses& by = program_.counted().cycles_by;
  if (waits != nullptr) {
    put(by.other, waits->fetch_from);
    put(by.translation, waits->fetch_to);
    put(by.other, waits->last.entered);
    put(by.data, waits->last.ready);
    put(by.translation, waits->last.translated);
    if (waits->last_is_load) put(by.data, cycle);
  }
  put(by.other, cycle);
}

}  // namespace eptsim::sim
