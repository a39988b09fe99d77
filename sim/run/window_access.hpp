#pragma once

#include <cstdint>

#include "mmu_model/cycle.hpp"
#include "mmu_model/walk/outcome.hpp"

/// What the core with a window knows of the accesses between their entry and their retirement.
namespace eptsim::sim::window {

/// A place in the program: accesses are numbered in the order of the trace.
using Position = std::uint64_t;
inline constexpr Position kNowhere = ~Position{0};

enum class State : std::uint8_t {
  kOutside,     ///< not entered, or a fetch that waits for nothing yet
  kReady,       ///< has an event: it looks its TLBs up
  kWaiting,     ///< for the data of another load, or for a walk
  kTranslated,  ///< has an event: it goes to the caches; of a fetch: it may enter
  kFaulted,     ///< software must serve it, from cycle `translated` on
  kServing,     ///< has an event: it is the oldest, and software serves it
  kDone,
};

/// When things happened to an access.
struct Times {
  mmu::Cycle entered = 0;     ///< of a fetch: it was looked up
  mmu::Cycle ready = 0;       ///< its address was there
  mmu::Cycle translated = 0;  ///< or refused; before that, not sooner
  mmu::Cycle done = mmu::kNever;
};

/// One translation's worth of an access; or instructions alone, at an event or the trace's end.
/// Fills two cache lines.
struct alignas(64) Access {
  mmu::Request request;
  std::uint64_t hpa = 0;
  std::uint64_t ip = 0;
  std::uint64_t number = 0;        ///< of the access, from 1
  std::uint64_t load = 0;          ///< its number, if it is one
  std::uint64_t producer = 0;      ///< number, from 1, of the load that its address comes from
  std::uint64_t instructions = 0;  ///< that begin with it, its own the last
  std::uint64_t plain = 0;         ///< of those before its own, the ones that haven't entered
  std::uint64_t instruction = 0;   ///< number of its own, once entered
  Times times;
  Position next_waiting = kNowhere;
  State state = State::kOutside;
  bool is_access = false;
  bool is_fetch = false;
  bool is_load = false;
  bool looked_up = false;   ///< before it began anew, too
  std::uint16_t bytes = 0;  ///< in this page
  bool begins() const { return instructions != 0; }
};
static_assert(sizeof(Access) == 128);

struct Load {
  unsigned parts_left = 0;       ///< that aren't done
  unsigned parts_in_window = 0;  ///< or yet to enter
  mmu::Cycle data = 0;           ///< of the parts that are done
  mmu::Cycle left = mmu::kNever;
  Position waiting = kNowhere;  ///< the accesses whose addresses come from it
};

/// What an instruction waited for, as far as its accesses are done.
struct Waits {
  bool open = false;
  bool last_is_load = false;
  Times last;  ///< of the access done last
  mmu::Cycle fetch_from = 0;
  mmu::Cycle fetch_to = 0;
  std::uint64_t instruction = 0;

  void add(const Access& access);
};

}  // namespace eptsim::sim::window
