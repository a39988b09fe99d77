#include "sim/run/window_core.hpp"

#include <algorithm>
#include <bit>
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
                       mmu::MmuModule& unit, mmu::MemoryHierarchy& memory, CoreWork work)
    : Core(name, timeline, unit, std::move(work)),
      memory_(memory),
      settings_(program_.settings().machine.core),
      alone_(program_.is_alone()),
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
}

void WindowCore::run_program() {
  if (!program_.begin(accounted_)) return;
  if (warming_) {
    if (!warming_->finish_record()) return;
    supplied_ = program_.translated();
  }
  entry_.restart(accounted_);
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
    case Stop::kTurn:
      if (!program_.take_turns()) return false;
      loads_before_ = loads_supplied_;
      break;
    case Stop::kMilestone:
      if (!program_.reach_milestone(accounted_)) return false;
      break;
    case Stop::kEvent: program_.act(record_, accounted_); break;
    case Stop::kSwitch:
      program_.enter(record_, accounted_);
      loads_before_ = loads_supplied_;
      begin_parts();
      break;
    case Stop::kRequest:
      account_until(request_, nullptr);
      program_.serve_requests(accounted_);
      break;
    case Stop::kWarming:
      if (!warming_->run(accounted_)) return false;
      supplied_ = program_.translated();
      break;
  }
  horizon_ = 0;
  blocked_ = false;
  entry_.restart(accounted_);
  return true;
}

/// Does what is due next, or waits for it. False if there is nothing.
bool WindowCore::step() {
  if (candidate_ == kNever && !blocked_) prepare();
  const Cycle event = events_.next();
  const Cycle answer = port_.next_answer();
  const Cycle request = alone_ || stop_ != Stop::kNone ? kNever : program_.next_request();
  if (candidate_ < std::min({event, answer, request, horizon_})) [[likely]] {
    enter_all(std::min(answer, request));
    return true;
  }
  const Cycle cycle = std::min({event, candidate_, answer, request});
  if (cycle == kNever) {
    if (port_.under_way() == 0) return stop_ != Stop::kNone && head_ == tail_;
    port_.wait_until(kNever);
    horizon_ = 0;
    return true;
  }
  if (cycle >= horizon_ && !reach(cycle)) return true;
  if (answer == cycle) {
    take_answer();
  } else if (request == cycle) {
    stop_ = Stop::kRequest;
    request_ = request;
    blocked_ = false;
  } else if (event == cycle) {
    const Position position = events_.pop(cycle);
    handle(at(position), position, cycle);
  } else {
    meet_candidate();
  }
  return true;
}

/// One access after the other enters, as long as nothing else comes first: events, the kernel, or
/// what is due in `end`. The next one does, at least.
void WindowCore::enter_all(Cycle end) {
  do {
    meet_candidate();
    if (candidate_ == kNever && !blocked_) prepare();
  } while (candidate_ < std::min({end, events_.next(), horizon_}));
}

/// Whether what is due in `cycle` may be done now. Otherwise has waited, and something else may
/// have come first.
bool WindowCore::reach(Cycle cycle) {
  horizon_ = port_.horizon();
  if (cycle < horizon_) return true;
  port_.wait_until(cycle);
  horizon_ = port_.horizon();
  return false;
}

void WindowCore::push(Cycle cycle, Position position, State state) {
  at(position).state = state;
  events_.push(cycle, position, std::min(cycle, entry_.cycle()));
}

void WindowCore::handle(Access& access, Position position, Cycle cycle) {
  switch (access.state) {
    case State::kReady: look_up(access, position, cycle); return;
    case State::kTranslated: translated(access, position, cycle); return;
    default: serve(access, position, cycle); return;
  }
}

}  // namespace eptsim::sim
