#pragma once

#include <cstdint>
#include <exception>
#include <vector>

#include "mmu_model/memory/memory_hierarchy.hpp"
#include "sim/run/core.hpp"
#include "sim/run/in_order.hpp"
#include "sim/run/window_access.hpp"
#include "sim/run/window_events.hpp"
#include "sim/trace/record.hpp"

namespace eptsim::sim {

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
  WindowCore(const sc_core::sc_module_name& name, const mmu::Timeline& timeline,
             mmu::MmuModule& unit, mmu::MemoryHierarchy& memory, CoreWork work);

  /// What changes, for checkpoints: of a window with nothing in it.
  template <class Archive>
  void serialize(Archive& archive) {
    Core::serialize(archive);
    archive(carried_, record_, part_address_, bytes_left_, load_, producer_, supplied_,
            loads_supplied_, loads_before_, left_at_, head_, next_, tail_, loads_, entered_at_,
            retired_at_, entered_, retired_, entry_, retirement_, last_left_, last_answer_,
            accounted_);
  }

 private:
  using Access = window::Access;
  using Load = window::Load;
  using Position = window::Position;
  using State = window::State;
  using Waits = window::Waits;
  static constexpr Position kNowhere = window::kNowhere;

  struct Fault {
    Position position;
    mmu::Outcome outcome;
  };
  /// Why no more enters until the window is empty.
  enum class Stop : std::uint8_t {
    kNone,
    kEnd,
    kTurn,  ///< it is another trace's, or this one's end
    kMilestone,
    kEvent,
    kSwitch,
    kRequest,  ///< of another core
    kWarming,  ///< nothing is under way, and warming goes on
    kError,
  };

  void run_program() override;
  mmu::Cycle now() const override { return accounted_; }

  // the program, as it comes
  bool supply();
  bool supply_usual();
  bool take_record();
  bool supply_part();
  bool supply_instructions();
  void begin_parts();
  std::uint64_t producer_of(const Record& record, bool is_load) const;
  void append_part(const Record& record, std::uint64_t address, std::uint64_t bytes);
  Access& append();

  // time
  bool step();
  void enter_all(mmu::Cycle end);
  bool reach(mmu::Cycle cycle);
  void drain();
  bool resume();
  void handle(Access& access, Position position, mmu::Cycle cycle);
  void push(mmu::Cycle cycle, Position position, State state);

  // entry
  void prepare();
  bool enter_plain(Access& access);
  void enter_run(std::uint64_t count);
  mmu::Cycle earliest_entry(const Access& access);
  void meet_candidate();
  void enter(Access& access, mmu::Cycle cycle);

  // accesses
  void look_up(Access& access, Position position, mmu::Cycle cycle);
  [[gnu::noinline]] void wait_for_walk(Access& access, Position position, mmu::Cycle cycle);
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
  const CoreSettings& settings_;
  const bool alone_;  ///< no other core asks for anything

  // the program, as it comes
  std::uint64_t carried_ = 0;  ///< instructions of fetches that aren't translated
  Record record_;              ///< the last read
  std::uint64_t part_address_ = 0;
  std::uint64_t bytes_left_ = 0;  ///< of its access
  std::uint64_t load_ = 0;        ///< its number, if it is a load
  std::uint64_t producer_ = 0;
  std::uint64_t supplied_ = 0;  ///< accesses
  std::uint64_t loads_supplied_ = 0;
  std::uint64_t loads_before_ = 0;  ///< of them, before the last switch
  std::exception_ptr error_;
  Stop stop_ = Stop::kNone;
  mmu::Cycle request_ = 0;  ///< kRequest: when it held

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

  window::Events events_{accesses_};
  std::vector<Fault> faults_;  ///< met, and to be served when their accesses are the oldest
  mmu::Cycle candidate_ = mmu::kNever;  ///< when at(next_) enters, or is looked up if it is a fetch
  bool blocked_ = false;                ///< that isn't known before older ones are done
  std::vector<Position> waiting_for_walk_;  ///< by the walk's number: the first access
  std::vector<std::uint64_t> walk_ip_;
  mmu::Cycle horizon_ = 0;  ///< what lies before may be done ahead of the kernel
};

}  // namespace eptsim::sim
