#include "testbench/stimulus/generator.hpp"

#include "ept/arch/registers.hpp"
#include "mmu_model/walk/walk.hpp"
#include "testbench/stimulus/entry_layout.hpp"
#include "testbench/stimulus/fault_planter.hpp"

namespace eptsim::tb {

namespace {

/// What a store from outside makes of the entry that a swap is about to update.
enum class Meddling : std::uint8_t { kFlagSet, kNotPresent, kOtherFrame, kAnything };

std::uint64_t meddled(Random& random, Meddling meddling, std::uint64_t entry,
                      std::uint64_t desired) {
  switch (meddling) {
    case Meddling::kFlagSet: return desired;
    case Meddling::kNotPresent: return entry & ~bits(2, 0) & ~bits(10, 10);
    case Meddling::kOtherFrame: return entry ^ random.bit_of(bits(31, 12));
    case Meddling::kAnything: break;
  }
  return entry ^ random.bit_of(~std::uint64_t{0}) ^
         (random.coin() ? random.bit_of(bits(12, 0)) : 0);
}

}  // namespace

struct Generator::Plan {
  std::string_view origin = "random";
  Levels levels;
  unsigned guest_leaf = 0;  ///< 0: random, as the rest of the shape
  unsigned ept_leaf = 0;    ///< of every guest-physical address
  bool clear_flags = false;
  bool spoiled = false;
  bool chaos = false;
  unsigned faults = 0;
  bool store = false;
  std::optional<std::uint64_t> failing_swap;
  Meddling meddling = Meddling::kAnything;
};

Generator::Plan Generator::random_plan(Random& random) const {
  Plan plan;
  plan.levels = random_levels(random, features_);
  plan.spoiled = features_.has(Feature::kFaults) && random.one_in(64);
  plan.chaos = features_.has(Feature::kChaos) && random.one_in(8);
  if (plan.chaos) plan.origin = "chaos";
  if (features_.has(Feature::kFaults) && !plan.chaos) {
    const std::uint64_t choice = random.below(16);
    plan.faults = choice < 4 ? 0 : choice < 14 ? 1 : 2;
  }
  plan.store = features_.has(Feature::kStores) && random.one_in(6);
  constexpr std::array<Meddling, 6> kMeddlings{Meddling::kFlagSet,    Meddling::kNotPresent,
                                               Meddling::kOtherFrame, Meddling::kAnything,
                                               Meddling::kAnything,   Meddling::kAnything};
  plan.meddling = random.pick(kMeddlings);
  return plan;
}

/// Makes `plan` the directed one with this number, if there is one.
bool Generator::direct(std::uint64_t number, Plan& plan) {
  if (number >= kDirectedCases) return false;
  plan = {};
  plan.origin = "directed";
  if (number < 2 * kPagePairs) {
    std::uint64_t pair = number % kPagePairs;
    plan.clear_flags = number >= kPagePairs;
    plan.guest_leaf = static_cast<unsigned>(1 + pair % 3);
    pair /= 3;
    plan.levels.guest = pair % 2 == 0 ? 4 : 5;
    pair /= 2;
    // 0: native; else an EPT of 4 or 5 levels with leaves of 1 to 3.
    plan.levels.ept = pair == 0 ? 0 : pair <= 3 ? 4 : 5;
    plan.ept_leaf = pair == 0 ? 1 : static_cast<unsigned>(1 + (pair - 1) % 3);
    return true;
  }
  number -= 2 * kPagePairs;
  plan.levels = {.guest = 5, .ept = 5};
  plan.guest_leaf = plan.ept_leaf = 1;
  plan.clear_flags = true;
  plan.store = true;
  plan.failing_swap = number % kMostSwaps;
  plan.meddling = static_cast<Meddling>(number / kMostSwaps);
  return true;
}

/// Whether a directed plan keeps to the features asked for.
bool Generator::allows(const Plan& plan) const {
  const bool five = plan.levels.guest == 5 || plan.levels.ept == 5;
  const bool large = plan.guest_leaf > 1 || plan.ept_leaf > 1;
  return (features_.has(Feature::kEpt) || plan.levels.ept == 0) &&
         (features_.has(Feature::kFiveLevel) || !five) &&
         (features_.has(Feature::kLargePages) || !large) &&
         (features_.has(Feature::kStores) || !plan.store);
}

void Generator::make(std::uint64_t number, TestCase& test) {
  Random random(seed_, number);
  Plan plan;
  const bool directed = direct(number, plan) && allows(plan);
  if (!directed) plan = random_plan(random);

  test.origin = plan.origin;
  test.planted.clear();
  test.image.clear();
  test.store.reset();
  test.context = random_context(random, features_, plan.levels);
  if (directed) {
    // Nothing may be in the way of the walk's end.
    if (plan.failing_swap) test.context.cpu.maxphyaddr = 52;
    test.context.cpu.page_2m = test.context.cpu.page_1g = test.context.cpu.guest_page_1g = true;
    test.context.cr4 &=
        ~(arch::cr4::kSmap.mask() | arch::cr4::kSmep.mask() | arch::cr4::kPke.mask() |
          arch::cr4::kPks.mask() | arch::cr4::kLass.mask());
    if (plan.clear_flags && plan.levels.ept != 0 && features_.has(Feature::kEptAccessedDirty)) {
      test.context.eptp |= bits(6, 6);
    }
  }
  do {
    test.request = random_request(random, test.context, plan.levels);
  } while (directed && !test.request.linear);
  if (directed && plan.clear_flags) test.request.access = arch::AccessKind::kWrite;

  Shape shape = random_shape(random, features_, plan.levels, test.context);
  if (plan.guest_leaf != 0) {
    shape.guest_leaf = plan.guest_leaf;
    shape.ept_leaf.fill(plan.ept_leaf);
    shape.all_rights = true;
  }
  if (plan.clear_flags) shape.flags = Shape::Flags::kClear;
  shape.share_frames = plan.chaos;
  TableBuilder builder(random, shape, test);
  builder.build();

  if (plan.chaos) flip_bits(random, test);
  for (unsigned i = 0; i < plan.faults; ++i) plant_fault(random, builder.spots(), test);
  if (plan.store) schedule_store(random, plan, test);
  if (plan.spoiled) {
    test.origin = "refused context";
    spoil(random, test.context);
  }
  test.timing = random_timing(random);
}

/// Bits that decide something are flipped most.
void Generator::flip_bits(Random& random, TestCase& test) {
  if (test.image.empty()) return;
  for (std::uint64_t count = random.below(6); count > 0; --count) {
    std::uint64_t& entry = test.image[random.below(test.image.size())].value;
    entry ^= random.bit_of(random.one_in(4) ? ~std::uint64_t{0} : bits(12, 0) | bits(63, 48));
  }
}

/// Walks once to see which requests there are, and puts a store before one of them: mostly before a
/// swap, to the word to be swapped.
void Generator::schedule_store(Random& random, const Plan& plan, TestCase& test) {
  struct Swap {
    unsigned number;
    std::uint64_t address, expected, desired;
  };
  std::array<Swap, 64> swaps{};
  unsigned swap_count = 0;
  unsigned requests = 0;
  memory_.load(test);
  const mmu::WalkContext context(test.context);
  mmu::Walk walk(context, test.request, mmu::Walk::Lookups::kOff);
  std::uint64_t answer = 0;
  for (mmu::Step step = walk.next({}); step.kind != mmu::StepKind::kDone;
       step = walk.next({.value = answer}), ++requests) {
    const arch::Hpa address(step.address);
    if (step.kind == mmu::StepKind::kRead) {
      answer = memory_.read64(address);
      continue;
    }
    answer = memory_.compare_exchange64(address, step.expected, step.desired);
    if (swap_count < swaps.size()) {
      swaps[swap_count++] = {requests, step.address, step.expected, step.desired};
    }
  }
  if (swap_count > 0 && (plan.failing_swap || !random.one_in(4))) {
    const std::uint64_t wanted = plan.failing_swap.value_or(random.below(swap_count));
    const Swap& swap = swaps[wanted % swap_count];
    test.store = OutsideStore{
        swap.number, {swap.address, meddled(random, plan.meddling, swap.expected, swap.desired)}};
  } else if (requests > 0 && !test.image.empty()) {
    const Word& word = test.image[random.below(test.image.size())];
    test.store = OutsideStore{
        static_cast<unsigned>(random.below(requests)),
        {word.address, meddled(random, plan.meddling, word.value, word.value | bits(6, 5))}};
  }
}

Timing Generator::random_timing(Random& random) const {
  constexpr std::array<unsigned, 6> kLatencies{1, 1, 2, 4, 8, 30};
  constexpr std::array<unsigned, 4> kStalls{0, 0, 2, 9};
  return {.seed = random.next(),
          .latency = random.pick(kLatencies),
          .random_latency = random.coin(),
          .stall = random.pick(kStalls),
          .clock_always = random.one_in(8),
          .early_request = random.one_in(4)};
}

}  // namespace eptsim::tb
