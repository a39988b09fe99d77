#include "sim/run/window_core.hpp"

#include <algorithm>
#include <utility>

// Entry and retirement, which are in order, and what each cycle went to.
namespace eptsim::sim {

using mmu::Cycle;
using mmu::kNever;

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
    const std::uint64_t room = settings_.window - (entered_ - retired_);
    enter_run(std::min(access.plain, room));
    access.plain -= std::min(access.plain, room);
  }
  return true;
}

/// Lets `count` instructions enter, each when that a window before has retired. Those retire in
/// order: if the last of them has by now, none is waited for.
void WindowCore::enter_run(std::uint64_t count) {
  const std::uint64_t begin = entered_;
  entered_ += count;
  const auto put = [this](std::uint64_t instruction, Cycle cycle) {
    entered_at(instruction) = cycle;
  };
  if (retired_at(entered_ - 1 - settings_.window) <= entry_.cycle()) [[likely]] {
    entry_.pass_all(begin, entered_, [](std::uint64_t) { return Cycle{0}; }, put);
  } else {
    const auto room = [this](std::uint64_t instruction) {
      return retired_at(instruction - settings_.window);
    };
    entry_.pass_all(begin, entered_, room, put);
  }
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
  Cycle accounted = accounted_;
  std::uint64_t cycles = 0;  // in which one retires
  retirement_.pass_all(
      retired_, end, [this](std::uint64_t instruction) { return entered_at(instruction) + 1; },
      [&](std::uint64_t instruction, Cycle cycle) {
        retired_at(instruction) = cycle;
        if (cycle < accounted) return;
        accounted = cycle + 1;
        ++cycles;
      });
  RunningProgram::Counted& counted = program_.counted();
  counted.instructions += end - retired_;
  counted.cycles_by.retiring += cycles;
  counted.cycles_by.other += accounted - accounted_ - cycles;
  retired_ = end;
  accounted_ = accounted;
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
    program_.reach_milestone(accounted_, false);
  }
}

void window::Waits::add(const Access& access) {
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
  if (cycle <= accounted_) return;
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
