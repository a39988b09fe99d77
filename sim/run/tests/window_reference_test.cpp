#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"

/// The window told again, a cycle at a time and an instruction at a time, as docs/core.md has it;
/// and held against the core over random traces in which every TLB look-up hits at no cost.
namespace eptsim::sim {
namespace {

constexpr std::uint64_t kLatency = 10;
constexpr std::uint64_t kUnknown = ~0ull;

struct Part {
  RecordKind kind;
  std::optional<std::size_t> producer = std::nullopt;  // index in `parts`
  std::uint64_t entered = kUnknown;
  std::uint64_t ready = kUnknown;
  std::uint64_t done = kUnknown;
  bool is_load() const { return kind != RecordKind::kWrite; }
};

struct Instruction {
  std::vector<std::size_t> parts;
  bool drains = false;  // an event comes after it
  std::uint64_t entered = kUnknown;
  std::uint64_t retired = kUnknown;
};

class Reference {
 public:
  Reference(const CoreSettings& core, const std::vector<Record>& records) : core_(core) {
    std::vector<std::size_t> loads;
    for (const Record& record : records) {
      for (unsigned i = 0; i < record.instructions; ++i) instructions_.emplace_back();
      if (!is_access(record.kind)) {
        instructions_.back().drains = true;
        continue;
      }
      Part part{.kind = record.kind};
      const bool is_load = part.is_load();
      std::size_t back = core.dependence == Dependence::kAll     ? (is_load ? 1 : 0)
                         : core.dependence == Dependence::kTrace ? record.depends_on
                                                                 : 0;
      if (back != 0 && back <= loads.size()) part.producer = loads[loads.size() - back];
      if (is_load) loads.push_back(parts_.size());
      instructions_.back().parts.push_back(parts_.size());
      parts_.push_back(part);
    }
  }

  CycleClasses run() {
    std::vector<std::pair<std::uint64_t, std::size_t>> idle;  // cycle, oldest instruction
    CycleClasses classes;
    std::uint64_t cycle = 0;
    while (retired_ < instructions_.size()) {
      if (retire(cycle)) {
        ++classes.retiring;
      } else {
        idle.emplace_back(cycle, retired_);
      }
      while (left_ < parts_.size() && parts_[left_].done <= cycle) ++left_;
      enter(cycle);
      make_accesses(cycle);
      ++cycle;
    }
    for (const auto& [when, oldest] : idle) {
      const Instruction& instruction = instructions_[oldest];
      const Part* last = nullptr;
      for (const std::size_t i : instruction.parts) {
        if (last == nullptr || parts_[i].done > last->done) last = &parts_[i];
      }
      const bool waits =
          last != nullptr && when >= last->entered && (when < last->ready || last->is_load());
      ++(waits ? classes.data : classes.other);
    }
    return classes;
  }

 private:
  bool retire(std::uint64_t cycle) {
    unsigned count = 0;
    while (count < core_.width && retired_ < entered_) {
      Instruction& oldest = instructions_[retired_];
      bool done = oldest.entered < cycle;
      for (const std::size_t i : oldest.parts) done = done && parts_[i].done <= cycle;
      if (!done) break;
      oldest.retired = cycle;
      ++retired_;
      ++count;
    }
    return count > 0;
  }

  void enter(std::uint64_t cycle) {
    unsigned count = 0;
    for (;;) {
      // The accesses of the instruction that entered last come first.
      if (entered_ > 0 && next_part_ < instructions_[entered_ - 1].parts.size()) {
        const std::size_t number = instructions_[entered_ - 1].parts[next_part_];
        if (!room_for(number)) return;
        parts_[number].entered = cycle;
        ++next_part_;
        continue;
      }
      if (entered_ == instructions_.size() || count == core_.width) return;
      if (entered_ - retired_ == core_.window) return;
      if (entered_ > 0 && instructions_[entered_ - 1].drains &&
          (retired_ != entered_ || instructions_[entered_ - 1].retired == cycle)) {
        return;
      }
      Instruction& next = instructions_[entered_];
      // An instruction enters with its first access.
      if (!next.parts.empty() && !room_for(next.parts[0])) return;
      next.entered = cycle;
      next_part_ = 0;
      ++entered_;
      ++count;
    }
  }

  bool room_for(std::size_t number) const {
    if (!parts_[number].is_load()) return true;
    unsigned loads = 0;
    for (std::size_t i = left_; i < number; ++i) loads += parts_[i].is_load() ? 1 : 0;
    return loads < core_.loads;
  }

  void make_accesses(std::uint64_t cycle) {
    for (Part& part : parts_) {
      if (part.entered == kUnknown || part.done != kUnknown) continue;
      if (part.producer && parts_[*part.producer].done > cycle) continue;
      part.ready = cycle;
      part.done = cycle + (part.is_load() ? kLatency : 1);
    }
  }

  CoreSettings core_;
  std::vector<Instruction> instructions_;
  std::vector<Part> parts_;
  std::size_t entered_ = 0;
  std::size_t retired_ = 0;
  std::size_t next_part_ = 0;
  std::size_t left_ = 0;
};

std::vector<Record> random_records(std::mt19937_64& random, bool dense) {
  std::vector<Record> records;
  const auto count = random() % 200;
  for (unsigned i = 0; i < count; ++i) {
    Record next = read(kHeap + random() % 4000);
    next.size = 1;
    const auto kind = random() % 8;
    if (kind >= 5) next.kind = kind == 7 ? RecordKind::kModify : RecordKind::kWrite;
    next.instructions = static_cast<std::uint32_t>(
        random() % 6 == 0 && !records.empty() ? 0 : 1 + random() % (dense ? 2 : 12));
    if (random() % 40 == 0) next.instructions += static_cast<std::uint32_t>(random() % 400);
    if (random() % 2 == 0) next.depends_on = static_cast<std::uint32_t>(1 + random() % 6);
    if (random() % 30 == 0) {
      next = event(RecordKind::kInvlpg, 0x1000);
      next.instructions = static_cast<std::uint32_t>(random() % 5);
      if (records.empty()) next.instructions = 1;
    }
    records.push_back(next);
    // An access without an instruction belongs to one before it; after an event there is none.
    if (records.size() > 1 && records.back().instructions == 0 && is_access(records.back().kind) &&
        !is_access(records[records.size() - 2].kind)) {
      records.back().instructions = 1;
    }
  }
  return records;
}

TEST(WindowReference, GivesTheSameCyclesOverRandomTraces) {
  std::mt19937_64 random(20);
  for (unsigned round = 0; round < 300; ++round) {
    RunSettings settings = small_machine(Mode::kNative);
    settings.detail = Detail::kFull;
    CoreSettings& core = settings.machine.core;
    core.width = static_cast<unsigned>(1 + random() % 6);
    core.window = static_cast<unsigned>(1 + random() % (round % 2 == 0 ? 8 : 60));
    core.loads = static_cast<unsigned>(1 + random() % (round % 3 == 0 ? 3 : 20));
    core.dependence = static_cast<Dependence>(random() % 3);
    const std::vector<Record> records = random_records(random, round % 4 == 0);

    // The warm-up is a store, which isn't in the reference: no load depends on it.
    settings.warmup = 1;
    std::vector<Record> all = {write(kHeap)};
    all.insert(all.end(), records.begin(), records.end());
    const std::string text = run_apart(settings, all);

    const CycleClasses expected = Reference(core, records).run();
    std::ostringstream line;
    line << "classes " << expected.retiring << ' ' << expected.data << " 0 0 " << expected.other
         << '\n';
    ASSERT_NE(text.find(line.str()), std::string::npos)
        << "round " << round << ", width " << core.width << ", window " << core.window << ", loads "
        << core.loads << ", dependence " << static_cast<int>(core.dependence) << "\nexpected "
        << line.str() << text;
    ASSERT_NE(text.find("\ncycles " + std::to_string(expected.sum()) + "\n"), std::string::npos);
  }
}

}  // namespace
}  // namespace eptsim::sim
