#include "testbench/stimulus/generator.hpp"

#include <algorithm>

#include "ept/arch/registers.hpp"
#include "mmu_model/walk/walk.hpp"
#include "mmu_model/word_access.hpp"
#include "testbench/stimulus/aim.hpp"
#include "testbench/stimulus/entry_layout.hpp"
#include "testbench/stimulus/fault_planter.hpp"
#include "testbench/stimulus/page_parts.hpp"
#include "testbench/stimulus/refusal.hpp"
#include "testbench/stimulus/request_builder.hpp"

namespace eptsim::tb {

namespace {

Features without_extras(Features features) {
  for (const FeatureFact& fact : kFeatures) {
    if (fact.feature >= kFirstExtra) features.drop(fact.feature);
  }
  return features;
}

/// Unless a table has it.
void add_word(TestCase& test, Word word) {
  for (const Word& other : test.image) {
    if (other.address == word.address) return;
  }
  test.image.push_back(word);
}

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
  Features features;
  Levels levels;
  unsigned guest_leaf = 0;  ///< 0: random, as the rest of the shape
  unsigned ept_leaf = 0;    ///< of every guest-physical address
  bool clear_flags = false;
  bool spoiled = false;
  bool chaos = false;
  unsigned faults = 0;
  bool store = false;
  std::optional<std::uint64_t> failing_swap;
  std::optional<Aim> aim;
  std::optional<ReservedBitAim> reserved;
  Meddling meddling = Meddling::kAnything;
};

Generator::Plan Generator::random_plan(Random& random) const {
  Plan plan;
  plan.features = random_features(random);
  plan.levels = random_levels(random, plan.features);
  plan.spoiled = features_.has(Feature::kRefusals) && random.one_in(64);
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

/// Of the extras, which come in half of the cases, some; all others.
Features Generator::random_features(Random& random) const {
  Features features = without_extras(features_);
  if (random.coin()) return features;
  for (const FeatureFact& fact : kFeatures) {
    if (fact.feature < kFirstExtra || !features_.has(fact.feature)) continue;
    // HLAT tables double the places of a walk.
    if (random.one_in(fact.feature == Feature::kHlat ? 2 : 3)) features.add(fact.feature);
  }
  return features;
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

/// A swap that fails: in HLAT tables of five levels, or of an entry of 4 bytes.
void Generator::aim_at_swap(Random& random, Plan& plan) const {
  const bool large = features_.has(Feature::kLargePages) && random.coin();
  const auto leaf = [&] { return large ? 1 + static_cast<unsigned>(random.below(3)) : 1u; };
  if (random.one_in(4)) {
    if (!features_.has(Feature::kLegacyPaging) || !features_.has(Feature::kStores)) return;
    plan = {};
    plan.origin = "aimed";
    plan.features = without_extras(features_);
    plan.levels = {.guest = 2, .ept = random.coin() ? 4u : 0u};
    plan.guest_leaf = std::min(leaf(), 2u);
    plan.ept_leaf = 1;
    plan.clear_flags = true;
    plan.store = true;
    plan.failing_swap = random.below(kMostSwaps);
    plan.meddling = random.coin() ? Meddling::kFlagSet : Meddling::kOtherFrame;
    return;
  }
  constexpr std::array kNeeded{Feature::kHlat, Feature::kStores, Feature::kFiveLevel,
                               Feature::kEptAccessedDirty};
  for (const Feature feature : kNeeded) {
    if (!features_.has(feature)) return;
  }
  plan = {};
  plan.origin = "aimed";
  plan.features = without_extras(features_);
  plan.features.add(Feature::kHlat);
  plan.levels = {.guest = 5, .ept = 5};
  plan.guest_leaf = leaf();
  plan.ept_leaf = leaf();
  plan.clear_flags = true;
  plan.store = true;
  plan.failing_swap = random.below(kMostSwaps);
  plan.meddling = random.coin() ? Meddling::kFlagSet : Meddling::kOtherFrame;
}

/// One reserved bit of one kind of entry, each as often as others: but there are many address bits.
void Generator::aim_at_reserved_bit(Random& random, Plan& plan) const {
  using Tables = EntryKind::Tables;
  const bool of_width = random.one_in(3);
  ReservedBit reserved;
  do {
    reserved = reserved_bits_[random.below(reserved_bits_.size())];
  } while (reserved.of_address_width() != of_width);
  const EntryKind kind = reserved.kind;
  const bool ept = kind.tables == Tables::kEpt;
  const bool legacy = kind.tables == Tables::kPae || kind.tables == Tables::kNarrow;
  const bool five = features_.has(Feature::kFiveLevel);
  if ((kind.level == 5 && !five) || (kind.leaf && !features_.has(Feature::kLargePages)) ||
      (legacy && !features_.has(Feature::kLegacyPaging))) {
    return;
  }
  const auto levels = [&](bool its_own) -> unsigned {
    return (its_own && kind.level == 5) || (five && random.one_in(3)) ? 5 : 4;
  };
  plan = {};
  plan.origin = "aimed";
  plan.features = without_extras(features_);
  plan.levels = {.guest = legacy ? 2 : levels(!ept),
                 .ept = ept || random.coin() ? levels(ept) : 0,
                 .pae = kind.tables == Tables::kPae};
  plan.guest_leaf = kind.leaf && !ept ? kind.level : 1;
  plan.ept_leaf = kind.leaf && ept ? kind.level : 1;
  mmu::Place place{.guest_level = static_cast<std::uint8_t>(kind.level)};
  if (ept) {
    place = {.guest_level = static_cast<std::uint8_t>(random.below(plan.levels.guest + 1)),
             .ept_level = static_cast<std::uint8_t>(kind.level)};
  }
  plan.reserved = {.reserved = reserved, .place = place};
}

/// Makes one plan in five aim at one of the places that others seldom come to. Which, comes from a
/// sequence of its own.
void Generator::aim(std::uint64_t number, Plan& plan) const {
  Random random(seed_ ^ 0x61696d, number);
  if (!features_.has(Feature::kFaults) || !features_.has(Feature::kEpt) || !random.one_in(5)) {
    return;
  }
  constexpr std::array kAccesses{arch::AccessKind::kRead,
                                 arch::AccessKind::kWrite,
                                 arch::AccessKind::kFetch,
                                 arch::AccessKind::kReadModifyWrite,
                                 arch::AccessKind::kShadowStackRead,
                                 arch::AccessKind::kShadowStackWrite};
  const std::uint64_t kind = random.below(12);
  if (kind == 0) return aim_at_swap(random, plan);
  if (kind <= 4) return aim_at_reserved_bit(random, plan);
  Aim aim{.place = {.guest_level = static_cast<std::uint8_t>(random.below(6)),
                    .ept_level = static_cast<std::uint8_t>(1 + random.below(5)),
                    .hlat = random.coin()},
          .reason = random.pick(kAims),
          .access = random.pick(kAccesses),
          .user = random.coin()};
  if (aim.place.guest_level == 0) aim.place.hlat = false;
  Features wanted = Features::none();
  unsigned guest_leaf = 1;
  const auto pick_level = [&](unsigned most) {
    return static_cast<std::uint8_t>(1 + random.below(most));
  };
  switch (aim.reason) {
    case mmu::Reason::kEptAddressTooWide: aim.place.ept_level = 4; break;
    case mmu::Reason::kEptNotReadable: wanted.add(Feature::kExecuteOnly); break;
    case mmu::Reason::kEptNotWritable: wanted.add(Feature::kEptAccessedDirty); break;
    case mmu::Reason::kEptMemoryType: aim.place.ept_level = pick_level(3); break;
    case mmu::Reason::kEptPagingWriteWithoutRead:
      aim.place.ept_level = pick_level(3);
      wanted.add(Feature::kExecuteOnly);
      wanted.add(Feature::kPagingWrite);
      break;
    case mmu::Reason::kPmlIndex:
      wanted.add(Feature::kPml);
      wanted.add(Feature::kEptAccessedDirty);
      break;
    case mmu::Reason::kGuestSupervisorPage:
      aim.place = {.guest_level = pick_level(5), .hlat = random.coin()};
      aim.user = true;
      break;
    case mmu::Reason::kGuestProtectionKey:
      aim.place = {.guest_level = pick_level(3), .hlat = random.coin()};
      guest_leaf = aim.place.guest_level;
      wanted.add(Feature::kProtectionKeys);
      if (guest_leaf > 1) wanted.add(Feature::kLargePages);
      break;
    case mmu::Reason::kLass:
      aim.place = {};
      wanted.add(Feature::kLass);
      wanted.add(Feature::kSmap);
      break;
    default: break;
  }
  if (aim.place.guest_level == 5 || aim.place.ept_level == 5) wanted.add(Feature::kFiveLevel);
  if (aim.place.hlat) wanted.add(Feature::kHlat);
  if (aim.access >= arch::AccessKind::kShadowStackRead) wanted.add(Feature::kShadowStacks);
  for (const FeatureFact& fact : kFeatures) {
    if (wanted.has(fact.feature) && !features_.has(fact.feature)) return;
  }
  const bool large = aim.place.ept_level > 1 && features_.has(Feature::kLargePages);
  plan = {};
  plan.origin = "aimed";
  plan.aim = aim;
  plan.features = without_extras(features_);
  for (const FeatureFact& fact : kFeatures) {
    if (wanted.has(fact.feature)) plan.features.add(fact.feature);
  }
  plan.levels.guest =
      aim.place.guest_level == 5 || (wanted.has(Feature::kFiveLevel) && random.coin()) ? 5 : 4;
  plan.levels.ept = aim.place.ept_level == 5 ? 5 : 4;
  plan.guest_leaf = guest_leaf;
  const bool leaf = aim.reason == mmu::Reason::kEptMemoryType ||
                    aim.reason == mmu::Reason::kEptPagingWriteWithoutRead;
  plan.ept_leaf = leaf && large ? aim.place.ept_level : 1;
}

void Generator::make(std::uint64_t number, TestCase& test) {
  Random random(seed_, number);
  Plan plan;
  const bool directed = direct(number, plan) && allows(plan);
  if (!directed) {
    plan = random_plan(random);
    aim(number, plan);
  }

  test.origin = plan.origin;
  test.planted.clear();
  test.image.clear();
  test.store.reset();
  if (directed) plan.features = without_extras(features_);
  test.context =
      plan.reserved
          ? random_context(random, plan.features, plan.levels,
                           capabilities_for(random, plan.features, plan.reserved->reserved))
          : random_context(random, plan.features, plan.levels);
  const bool aimed = plan.origin == "aimed";
  if (directed || aimed) {
    // Nothing may be in the way of the walk's end.
    if (!plan.reserved) {
      if (plan.failing_swap || aimed) test.context.cpu.maxphyaddr = 52;
      test.context.cpu.page_2m = test.context.cpu.page_1g = test.context.cpu.guest_page_1g = true;
    }
    if (plan.levels.narrow() && plan.guest_leaf == 2) test.context.cr4 |= arch::cr4::kPse.mask();
    test.context.cr4 &=
        ~(arch::cr4::kSmap.mask() | arch::cr4::kSmep.mask() | arch::cr4::kPke.mask() |
          arch::cr4::kPks.mask() | arch::cr4::kLass.mask());
    if (plan.clear_flags && plan.levels.ept != 0 && features_.has(Feature::kEptAccessedDirty)) {
      test.context.eptp |= bits(6, 6);
    }
    plan.features.drop(Feature::kGuestPhysical);
    plan.features.drop(Feature::kPageCrossing);
  }
  if (aimed) test.context.hlat_prefix_size = 0;
  if (plan.aim) set_context(*plan.aim, test.context);
  if (plan.reserved && plan.reserved->reserved.bit == 63) {
    test.context.efer &= ~arch::efer::kNxe.mask();
  }
  test.request = random_request(random, plan.features, test.context, plan.levels);
  if (plan.clear_flags) test.request.access = arch::AccessKind::kWrite;
  if (plan.aim) {
    test.request.access = plan.aim->access;
    test.request.user = plan.aim->user;
    test.request.implicit = false;
  }

  Shape shape = random_shape(random, plan.features, plan.levels, test.context);
  if (plan.guest_leaf != 0) {
    shape.guest_leaf = plan.guest_leaf;
    shape.ept_leaf.fill(plan.ept_leaf);
    shape.all_rights = true;
  }
  if (plan.clear_flags) shape.flags = Shape::Flags::kClear;
  if (aimed) {
    shape.hlat_leaf = shape.guest_leaf;
    shape.hlat_restart = 0;
  }
  if (plan.aim && plan.aim->reason == mmu::Reason::kPmlIndex) shape.flags = Shape::Flags::kSet;
  shape.share_frames = plan.chaos;
  TableBuilder builder(random, plan.features, shape, test);
  builder.build();

  if (plan.chaos) flip_bits(random, test);
  for (unsigned i = 0; i < plan.faults; ++i) {
    plant_fault(random, plan.levels, builder.spots(), test);
  }
  if (plan.aim) {
    plant_fault_at(random, plan.levels, builder.spots(), plan.aim->place, plan.aim->reason, test);
  }
  if (plan.reserved) plant_reserved_bit(builder.spots(), *plan.reserved, test);
  set_written_areas(random, test);
  if (plan.store) schedule_store(random, plan, test);
  if (plan.spoiled) {
    test.origin = "refused";
    spoil(random, test);
  }
  test.timing = random_timing(random);
}

/// What the walk writes beside flags: whether #VE information may be written, and, now and then,
/// areas that lie over tables.
void Generator::set_written_areas(Random& random, TestCase& test) {
  mmu::Context& context = test.context;
  const auto word_of_image = [&] { return test.image[random.below(test.image.size())].address; };
  if (context.controls.pml && !test.image.empty() && random.one_in(16)) {
    const std::uint64_t word = word_of_image();
    context.pml_address = word & bits(51, 12);
    context.pml_index = static_cast<std::uint16_t>((word >> 3 & 511) + random.below(4));
  }
  if (!context.controls.ept_violation_ve) return;
  if (!test.image.empty() && random.one_in(16)) {
    context.ve_info_address = word_of_image() & bits(51, 12);
  } else if (random.one_in(4)) {
    // The dword at 4 tells whether the area is in use.
    const std::uint64_t busy = random.coin() ? 0xffffffff : random.bit_of(bits(31, 0));
    add_word(test, {context.ve_info_address, busy << 32 | (random.next() & bits(31, 0))});
  } else {
    add_word(test, {context.ve_info_address, random.next() & bits(31, 0)});
  }
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
/// swap, to the entry to be swapped.
void Generator::schedule_store(Random& random, const Plan& plan, TestCase& test) {
  struct Swap {
    unsigned number;  ///< of the request
    mmu::Step step;
  };
  if (mmu::check(test.context)) return;
  mmu::WalkContext context(test.context);
  memory_.load(test);
  std::array<Swap, 64> swaps{};
  unsigned swap_count = 0;
  const PageParts parts = page_parts(test.context, test.request);
  for (unsigned i = 0; i < parts.count; ++i) {
    mmu::Walk walk(context, parts.part[i], mmu::Walk::Lookups::kOff);
    std::uint64_t answer = 0;
    for (mmu::Step step = walk.next({}); step.kind != mmu::StepKind::kDone;
         step = walk.next({.value = answer})) {
      if (step.kind == mmu::StepKind::kCompareExchange && swap_count < swaps.size()) {
        swaps[swap_count++] = {memory_.requests(), step};
      }
      answer = memory_.carry_out(step.kind, arch::Hpa(step.address), step.size, step.expected,
                                 step.desired);
    }
    context.raw.pml_index = walk.pml_index();
  }
  if (swap_count > 0 && (plan.failing_swap || !random.one_in(4))) {
    const std::uint64_t wanted = plan.failing_swap.value_or(random.below(swap_count));
    const auto& [number, step] = swaps[wanted % swap_count];
    // The half of a word that is no part of the entry stays as it is at the end.
    const arch::Hpa word = arch::Hpa(step.address).align_down(8);
    SparseMemory changed;
    changed.load({{{word.value(), memory_.words().read64(word)}}});
    mmu::write(changed, arch::Hpa(step.address), step.size,
               meddled(random, plan.meddling, step.expected, step.desired));
    test.store = OutsideStore{number, {word.value(), changed.read64(word)}};
  } else if (memory_.requests() > 0 && !test.image.empty()) {
    const Word& word = test.image[random.below(test.image.size())];
    test.store = OutsideStore{
        static_cast<unsigned>(random.below(memory_.requests())),
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
