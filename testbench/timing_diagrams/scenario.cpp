#include "testbench/timing_diagrams/scenario.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "testbench/timing_diagrams/wave_recorder.hpp"

namespace eptsim::tb {

namespace {

using mmu::Cycle;

// Tables of two levels: the guest's page tables end in 1 GiB pages, and so does the EPT. Frames are
// chosen so that each table lies in the first GiB, which the EPT maps to itself.
constexpr std::uint64_t kGuestRoot = 0x1000;
constexpr std::uint64_t kGuestTable = 0x2000;
constexpr std::uint64_t kEptRoot = 0x3000;
constexpr std::uint64_t kEptTable = 0x4000;
constexpr std::uint64_t kUsedTable = 0x27;     ///< P, R/W, U/S, A
constexpr std::uint64_t kUsedPage = 0xa7;      ///< and PS; D is clear
constexpr std::uint64_t kEptTableEntry = 0x7;  ///< R, W, X
constexpr std::uint64_t kEptPageEntry = 0xb7;  ///< and WB, large page
constexpr std::uint64_t kGib = std::uint64_t{1} << 30;

using Memory = std::map<std::uint64_t, std::uint64_t>;

Memory tables() {
  Memory memory;
  memory[kGuestRoot] = kGuestTable | kUsedTable;
  memory[kEptRoot] = kEptTable | kEptTableEntry;
  for (std::uint64_t page = 0; page < 4; ++page) {
    memory[kGuestTable + 8 * page] = (page * kGib) | kUsedPage;
    memory[kEptTable + 8 * page] = (page * kGib) | kEptPageEntry;
  }
  return memory;
}

mmu::Context context(bool nested) {
  mmu::Context context;
  context.ept_enabled = nested;
  context.eptp = kEptRoot | 3 << 3 | 6;
  context.cr0 = 0x8001'0001;  // PG, WP, PE
  context.cr3 = kGuestRoot;
  context.cr4 = 1 << 5;  // PAE
  context.efer = 0xd00;  // NXE, LMA, LME
  return context;
}

// Labels are short, for a cycle is narrow: g4 is a guest entry of level 4, e4 one of the EPT.
std::string guest_entry(unsigned level) { return "g" + std::to_string(level); }
std::string ept_entry(unsigned level) { return "e" + std::to_string(level); }

std::string name(const mmu::MemoryRequest& request) {
  const mmu::Place place = request.place;
  const bool swap = request.kind == mmu::StepKind::kCompareExchange;
  return std::to_string(request.id) + (swap ? ": swap " : ": ") +
         (place.ept_level == 0 ? guest_entry(place.guest_level) : ept_entry(place.ept_level));
}

std::string name(const mmu::CacheLookup& lookup) {
  std::string hit = lookup.combined ? "no g" : "no e";
  if (lookup.combined) {
    if (lookup.combined_level != 0) hit = guest_entry(lookup.combined_level);
  } else if (!lookup.ept_asked) {
    hit = "page";
  } else if (lookup.ept_level != 0) {
    hit = ept_entry(lookup.ept_level);
  }
  return std::to_string(lookup.id) + ": " + hit;
}

bool holds(const std::vector<Cycle>& cycles, Cycle now) {
  return std::find(cycles.begin(), cycles.end(), now) != cycles.end();
}

/// What is not in every drawing.
std::vector<std::string> signals(const Scenario& scenario) {
  std::vector<std::string> rows = {"request", "request_ready", ""};
  if (scenario.configuration != "single") rows.push_back("look-up");
  rows.insert(rows.end(), {"active", "", "memory request"});
  if (!scenario.memory_held.empty()) rows.push_back("memory_ready");
  rows.insert(rows.end(), {"memory answer", "", "response"});
  if (!scenario.response_held.empty()) rows.push_back("response_ready");
  if (!scenario.invalidations.empty()) rows.push_back("invalidation");
  return rows;
}

/// Memory that takes requests when it is told to and answers after a fixed time.
class Bench {
 public:
  Bench(const Scenario& scenario, mmu::WalkerUnit& walker)
      : scenario_(scenario),
        walker_(walker),
        context_(context(scenario.nested)),
        recorder_(scenario.title, signals(scenario)) {
    walker_.reset();
  }

  std::string run() {
    for (Cycle now = 0; answered_ < scenario_.offers.size() || quiet_ < 2; ++now) {
      if (now > 200) throw std::logic_error("scenario " + scenario_.file + " does not end");
      cycle(now);
      if (answered_ == scenario_.offers.size()) ++quiet_;
    }
    return recorder_.wave_json();
  }

 private:
  void cycle(Cycle now) {
    const mmu::WalkerOutputs outputs = walker_.outputs();
    mmu::WalkerInputs inputs{.cycle = now};
    inputs.memory_ready = !holds(scenario_.memory_held, now);
    inputs.response_ready = !holds(scenario_.response_held, now);
    recorder_.begin_cycle();
    if (taken_ < scenario_.offers.size() && scenario_.offers[taken_].cycle <= now) {
      const Scenario::Offer& offer = scenario_.offers[taken_];
      inputs.request = {.tag = static_cast<std::uint32_t>(taken_),
                        .context = &context_,
                        .request = {.address = offer.address, .access = offer.access}};
      recorder_.value("request", "walk " + std::string(1, static_cast<char>('A' + taken_)));
      if (outputs.request_ready) ++taken_;
    }
    if (!answers_.empty() && answers_.front().first == now) {
      inputs.answer = answers_.front().second;
      recorder_.value("memory answer", std::to_string(inputs.answer->id) + ":");
      answers_.erase(answers_.begin());
    }
    if (holds(scenario_.invalidations, now)) {
      inputs.invalidation = mmu::InvalidationScope{.guest_physical_mappings = true};
      recorder_.value("invalidation", "all");
    }
    record(outputs, inputs, now);
    if (outputs.memory && inputs.memory_ready) {
      answers_.emplace_back(now + scenario_.latency,
                            mmu::MemoryAnswer{outputs.memory->id, carry_out(*outputs.memory)});
    }
    if (outputs.response && inputs.response_ready) ++answered_;
    walker_.tick(inputs);
  }

  void record(const mmu::WalkerOutputs& outputs, const mmu::WalkerInputs& inputs, Cycle now) {
    if (outputs.request_ready) recorder_.high("request_ready");
    if (outputs.next_cycle <= now) recorder_.high("active");
    if (outputs.lookup) recorder_.value("look-up", name(*outputs.lookup));
    if (outputs.memory) recorder_.value("memory request", name(*outputs.memory));
    if (outputs.response) {
      recorder_.value("response",
                      "walk " + std::string(1, static_cast<char>('A' + outputs.response->tag)));
    }
    if (inputs.memory_ready && !scenario_.memory_held.empty()) recorder_.high("memory_ready");
    if (inputs.response_ready && !scenario_.response_held.empty()) {
      recorder_.high("response_ready");
    }
  }

  std::uint64_t carry_out(const mmu::MemoryRequest& request) {
    std::uint64_t& word = memory_[request.address];
    const std::uint64_t found = word;
    if (request.kind == mmu::StepKind::kCompareExchange && found == request.expected) {
      word = request.desired;
    }
    return found;
  }

  const Scenario& scenario_;
  mmu::WalkerUnit& walker_;
  mmu::WalkContext context_;
  WaveRecorder recorder_;
  Memory memory_ = tables();
  std::vector<std::pair<Cycle, mmu::MemoryAnswer>> answers_;
  std::size_t taken_ = 0;
  std::size_t answered_ = 0;
  unsigned quiet_ = 0;  ///< cycles drawn after the last response
};

}  // namespace

const std::vector<Scenario>& scenarios() {
  using arch::AccessKind;
  static const std::vector<Scenario> all = {
      {.file = "one-walk",
       .title = "A write alone: two references, one swap, latency 2",
       .configuration = "single",
       .offers = {{.address = 0, .access = AccessKind::kWrite}}},
      {.file = "back-pressure",
       .title = "Memory and the taker of the response hold the walk up",
       .configuration = "single",
       .offers = {{.address = 0}, {.address = kGib}},
       .latency = 1,
       .memory_held = {2, 3},
       .response_held = {8, 9}},
      {.file = "two-walks",
       .title = "Two walks: an answer goes before a slot that is ready",
       .configuration = "small",
       .offers = {{.address = 0}, {.cycle = 3, .address = kGib}},
       .latency = 1},
      {.file = "look-ups",
       .title = "A nested walk that fills the caches, and its neighbour that hits",
       .configuration = "small",
       .nested = true,
       .offers = {{.address = 0}, {.cycle = 15, .address = kGib}},
       .latency = 1},
      {.file = "invalidation",
       .title = "Everything is invalidated in mid-walk: B finds no entry of A",
       .configuration = "small",
       .offers = {{.address = 0}, {.cycle = 8, .address = kGib}},
       .latency = 1,
       .invalidations = {5}},
  };
  return all;
}

std::string draw(const Scenario& scenario, mmu::WalkerUnit& walker) {
  return Bench(scenario, walker).run();
}

}  // namespace eptsim::tb
