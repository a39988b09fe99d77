#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <span>
#include <vector>

#include "mmu_model/memory/memory_hierarchy.hpp"
#include "sim/run/core.hpp"
#include "sim/trace/record.hpp"

namespace eptsim::sim {

/// Instructions that go by in order, `width` a cycle: where they have got to.
class InOrder {
 public:
  explicit InOrder(unsigned width) : width_(width) {}

  /// The cycle in which the next may go by, not before `earliest`.
  mmu::Cycle next(mmu::Cycle earliest) const {
    return earliest > cycle_ ? earliest : used_ < width_ ? cycle_ : cycle_ + 1;
  }
  /// Lets it.
  mmu::Cycle pass(mmu::Cycle earliest) {
    const mmu::Cycle cycle = next(earliest);
    used_ = cycle == cycle_ ? used_ + 1 : 1;
    cycle_ = cycle;
    return cycle;
  }
  /// The cycle of the last.
  mmu::Cycle cycle() const { return cycle_; }
  /// None goes by before `cycle`.
  void hold_until(mmu::Cycle cycle) {
    if (cycle <= cycle_) return;
    cycle_ = cycle;
    used_ = 0;
  }
  /// Lets `count` go by one after the other, at full width.
  void skip(std::uint64_t count) {
    const std::uint64_t place = used_ + count - 1;
    cycle_ += place / width_;
    used_ = static_cast<unsigned>(place % width_) + 1;
  }
  /// The next is the first of `cycle`, which may lie before what passed already.
  void restart(mmu::Cycle cycle) {
    cycle_ = cycle;
    used_ = 0;
  }

 private:
  unsigned width_;
  mmu::Cycle cycle_ = 0;
  unsigned used_ = 0;  ///< of that cycle
};

/// A core with a window: docs/core.md says to the cycle what it does. Instructions enter and retire
/// in order, accesses are translated and made when their addresses are there, several walks at a
/// time.
///
/// Two things are apart. What no other can see, entry and retirement, is computed as soon as it is
/// known, ahead of time. What touches TLBs, caches, walker or tables is an event of its cycle;
/// events are handled in the order of their cycles, those of one cycle in that of the program,
/// answers to walks before them. The thread runs ahead of the kernel while nothing else is due.
class WindowCore final : public Core {
 public:
  /// `number`: of the core in its machine, which orders those of one cycle.
  WindowCore(const sc_core::sc_module_name& name, const mmu::Timeline& timeline,
             mmu::MmuModule& unit, mmu::MemoryHierarchy& memory, SystemSoftware& software,
             CoreWork work, unsigned number = 0);

 private:
  /// A place in the program: accesses are numbered in the order of the trace.
  using Position = std::uint64_t;
  static constexpr Position kNowhere = ~Position{0};

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
  struct Access {
    mmu::Request request;
    std::uint64_t hpa = 0;
    std::uint64_t bytes = 0;  ///< in this page
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
    bool begins() const { return instructions != 0; }
  };
  struct Load {
    unsigned parts_left = 0;       ///< that aren't done
    unsigned parts_in_window = 0;  ///< or yet to enter
    mmu::Cycle data = 0;           ///< of the parts that are done
    mmu::Cycle left = mmu::kNever;
    Position waiting = kNowhere;  ///< the accesses whose addresses come from it
  };
  struct Event {
    mmu::Cycle cycle;
    Position position;
    friend bool operator>(const Event& a, const Event& b) {
      return a.cycle != b.cycle ? a.cycle > b.cycle : a.position > b.position;
    }
  };
  struct Fault {
    Position position;
    mmu::Outcome outcome;
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
  /// Why no more enters until the window is empty.
  enum class Stop : std::uint8_t { kNone, kEnd, kMilestone, kEvent, kSwitch, kError };

  void run_program() override;
  mmu::Cycle now() const override { return accounted_; }

  // the program, as it comes
  bool supply();
  bool take_record();
  bool supply_part();
  bool supply_instructions();
  void begin_parts();
  Access& append();

  // time
  bool step();
  bool reach(mmu::Cycle cycle);
  void drain();
  bool resume();
  void handle(Access& access, Position position, mmu::Cycle cycle);
  void push(mmu::Cycle cycle, Position position, State state);

  // entry
  void prepare();
  bool enter_plain(Access& access);
  mmu::Cycle earliest_entry(const Access& access);
  void meet_candidate();
  void enter(Access& access, mmu::Cycle cycle);

  // accesses
  void look_up(Access& access, Position position, mmu::Cycle cycle);
  void take_answer();
  void answered(Access& access, Position position, const mmu::Outcome& outcome, mmu::Cycle cycle);
  void translated(Access& access, Position position, mmu::Cycle cycle);
  void faulted(Access& access, Position position, mmu::Cycle cycle);
  void finish(Access& access, Position position, mmu::Cycle done);
  mmu::Cycle access_memory(const Access& access, mmu::Cycle cycle);
  void serve(Access& access, Position position, mmu::Cycle cycle);
  void begin_anew();

  // retirement
  void retire();
  void retire_plain(std::uint64_t end);
  void schedule_service(Access& access);
  void leave(Access& access);
  void close_instruction();
  void account_until(mmu::Cycle cycle, const Waits* waits);
  void account_retirement(mmu::Cycle cycle, const Waits* waits);
  void enter_long_run(Access& access);

  Access& at(Position position) { return accesses_[position & access_mask_]; }
  const Access& at(Position position) const { return accesses_[position & access_mask_]; }
  mmu::Cycle& left_at(Position position) { return left_at_[position & left_mask_]; }
  Load& load_at(std::uint64_t number) { return loads_[number & load_mask_]; }
  const Load& load_at(std::uint64_t number) const { return loads_[number & load_mask_]; }
  mmu::Cycle& retired_at(std::uint64_t instruction) {
    return retired_at_[instruction & instruction_mask_];
  }
  mmu::Cycle& entered_at(std::uint64_t instruction) {
    return entered_at_[instruction & instruction_mask_];
  }

  mmu::MemoryHierarchy& memory_;
  unsigned number_;
  const CoreSettings& settings_;

  // the trace: what has been read of it
  std::span<const Record> batch_;
  std::size_t next_record_ = 0;
  std::uint64_t carried_ = 0;  ///< instructions of fetches that aren't translated
  Record record_;              ///< the last read
  std::uint64_t part_address_ = 0;
  std::uint64_t bytes_left_ = 0;  ///< of its access
  std::uint64_t load_ = 0;        ///< its number, if it is a load
  std::uint64_t producer_ = 0;
  std::uint64_t supplied_ = 0;  ///< accesses
  std::uint64_t loads_supplied_ = 0;
  std::exception_ptr error_;
  Stop stop_ = Stop::kNone;

  // the window: [head_, next_) entered, [next_, tail_) to enter
  std::vector<Access> accesses_;
  std::uint64_t access_mask_;
  std::uint64_t access_limit_;
  std::vector<mmu::Cycle> left_at_;  ///< by position: it was done, and all before it
  std::uint64_t left_mask_;
  Position head_ = 0;
  Position next_ = 0;
  Position tail_ = 0;
  std::vector<Load> loads_;
  std::uint64_t load_mask_;
  std::vector<mmu::Cycle> entered_at_;  ///< of the last instructions
  std::vector<mmu::Cycle> retired_at_;
  std::uint64_t instruction_mask_;
  std::uint64_t entered_ = 0;  ///< instructions
  std::uint64_t retired_ = 0;
  InOrder entry_;
  InOrder retirement_;
  Waits oldest_;
  mmu::Cycle last_left_ = 0;
  mmu::Cycle last_answer_ = 0;
  mmu::Cycle accounted_ = 0;  ///< every cycle before it is in a class

  std::vector<Event> events_;  ///< a heap
  std::vector<Fault> faults_;  ///< met, and to be served when their accesses are the oldest
  mmu::Cycle candidate_ = mmu::kNever;  ///< when at(next_) enters, or is looked up if it is a fetch
  bool blocked_ = false;                ///< that isn't known before older ones are done
  std::vector<Position> waiting_for_walk_;  ///< by the walk's number: the first access
  std::vector<std::uint64_t> walk_ip_;
  mmu::Cycle horizon_ = 0;  ///< what lies before may be done ahead of the kernel
};

}  // namespace eptsim::sim
