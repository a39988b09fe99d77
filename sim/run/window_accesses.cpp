#include "sim/run/window_core.hpp"

#include <algorithm>
#include <utility>

// Accesses between entry and retirement: they are translated and made.
namespace eptsim::sim {

using mmu::Cycle;
using mmu::kNever;

void WindowCore::look_up(Access& access, Position position, Cycle cycle) {
  access.times.ready = cycle;
  const mmu::TlbHit hit = port_.lookup(access.request);
  if (std::exchange(access.looked_up, true)) [[unlikely]]
    program_.count_replayed_lookup(access.request, hit);
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
  wait_for_walk(access, position, cycle + hit.cycles);
}

/// Of its own or of another access to the same page, asked for in `cycle`.
void WindowCore::wait_for_walk(Access& access, Position position, Cycle cycle) {
  access.times.translated = cycle;
  const mmu::TranslationPort::Walk& walk = port_.ask(program_.context(), access.request, cycle);
  if (walk.number >= waiting_for_walk_.size()) {
    waiting_for_walk_.resize(walk.number + 1, kNowhere);
    walk_ip_.resize(walk.number + 1);
  }
  Position& first = waiting_for_walk_[walk.number];
  if (first == kNowhere) {
    program_.expect_walk(access.request, access.ip);
    walk_ip_[walk.number] = access.ip;
  }
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
  const bool write = arch::is_write(access.request.access);
  const auto serve = [&](std::uint64_t address) {
    return memory_.access(number_, {.address = arch::Hpa(address), .write = write}, cycle).answered;
  };
  Cycle done = serve(access.hpa);
  const std::uint64_t end = access.hpa + access.bytes;
  for (std::uint64_t next = (access.hpa | (kLine - 1)) + 1; next < end; next += kLine) {
    done = std::max(done, serve(next));
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

}  // namespace eptsim::sim
