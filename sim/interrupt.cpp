#include "sim/interrupt.hpp"

namespace eptsim::sim {
namespace {

// A signal handler reaches nothing but what stands at a fixed place.
std::atomic<bool> asked_to_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void ask_to_stop(int) { asked_to_stop.store(true, std::memory_order_relaxed); }

}  // namespace

Interrupt::Interrupt() {
  struct sigaction action{};
  action.sa_handler = ask_to_stop;
  // Without SA_RESTART: a wait for input that never comes is broken off.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, &before_interrupt_);
  sigaction(SIGTERM, &action, &before_terminate_);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &before_interrupt_, nullptr);
  sigaction(SIGTERM, &before_terminate_, nullptr);
}

const std::atomic<bool>& Interrupt::asked() { return asked_to_stop; }

}  // namespace eptsim::sim
