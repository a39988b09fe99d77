#include "testbench/stimulus/stream_generator.hpp"

#include <algorithm>
#include <utility>

#include "ept/arch/registers.hpp"
#include "testbench/stimulus/fault_planter.hpp"
#include "testbench/stimulus/request_builder.hpp"
#include "testbench/stimulus/sparse_memory.hpp"

namespace eptsim::tb {

namespace {

using namespace arch;

/// How a context comes from another: what software of one processor does.
enum class Change : std::uint8_t {
  kVpid,      ///< another virtual processor on the same tables
  kTables,    ///< another process: PCID or VPID, and CR3
  kEpt,       ///< another EPT under the same guest tables
  kNoEpt,     ///< the same guest tables in host-physical memory
  kRights,    ///< bits that decide at the end of a walk
  kControls,  ///< the same tables, of which other controls look at other bits
  kStale,     ///< other tables under the same tags: what was cached must go first
  kAnother,   ///< everything, the paging mode too
};

constexpr std::array kChanges{Change::kVpid,  Change::kTables, Change::kTables, Change::kEpt,
                              Change::kEpt,   Change::kNoEpt,  Change::kRights, Change::kControls,
                              Change::kStale, Change::kAnother};

void set_frame(std::uint64_t& reg, std::uint64_t frame) {
  reg = (reg & ~bits(51, 12)) | (frame & bits(51, 12));
}

/// CR3 of another process.
void move_tables(Random& random, Levels levels, mmu::Context& context) {
  set_frame(context.cr3, random_frame(random, guest_physical_width(context, levels)));
  if (!context.pdptes) return;
  for (std::uint64_t& pdpte : *context.pdptes) {
    pdpte = random_pdpte(random, context, levels, !random.one_in(16));
  }
}

void change_rights(Random& random, Features features, mmu::Context& context) {
  const auto flip = [&](std::uint64_t& reg, BitField bit) {
    if (random.coin()) reg ^= bit.mask();
  };
  if (!cr4::kCet.any(context.cr4)) flip(context.cr0, cr0::kWp);
  if (features.has(Feature::kSmep)) flip(context.cr4, cr4::kSmep);
  if (features.has(Feature::kSmap)) flip(context.cr4, cr4::kSmap);
  if (features.has(Feature::kProtectionKeys)) {
    flip(context.cr4, cr4::kPke);
    context.pkru = static_cast<std::uint32_t>(random.next() & random.next());
  }
  context.rflags_ac = random.coin();
}

/// Those that change what bits of EPT entries mean.
void change_controls(Random& random, Features features, mmu::Context& context) {
  if (!context.ept_enabled) return;
  mmu::Controls& controls = context.controls;
  if (features.has(Feature::kModeBasedExecute) && random.coin()) {
    controls.mode_based_execute = !controls.mode_based_execute;
  }
  if (features.has(Feature::kPagingWrite) && random.coin()) {
    controls.paging_write = !controls.paging_write;
  }
  if (features.has(Feature::kGuestPagingVerification) && random.coin()) {
    controls.guest_paging_verification = !controls.guest_paging_verification;
  }
}

void turn_ept_off(mmu::Context& context) {
  context.ept_enabled = false;
  context.pdptes.reset();
  const bool exceptions = context.controls.ept_violation_ve;
  context.controls = {};
  context.controls.ept_violation_ve = exceptions;
}

/// `linear` with other bits from `high` to `low`; the half of the address space stays.
std::uint64_t with_other_bits(Random& random, std::uint64_t address, unsigned high, unsigned low) {
  return address ^ (random.next() & bits(high, low));
}

/// Takes away what VM entry, or the request's own rules, refuse: all that is left can be walked.
void drop_what_is_refused(Stream& stream) {
  SparseMemory memory(kStreamSlotBits);
  memory.load(stream.image);
  std::vector<bool> accepted;
  for (const mmu::Context& raw : stream.contexts) {
    auto refusal = mmu::check(raw);
    if (!refusal) {
      mmu::WalkContext context(raw);
      refusal = mmu::load_pdptes(context, memory);
    }
    accepted.push_back(!refusal);
  }
  std::erase_if(stream.requests, [&](const StreamRequest& request) {
    return !accepted[request.context] ||
           mmu::check(stream.contexts[request.context], request.request);
  });
}

}  // namespace

/// What a stream is made to come to more often than chance does.
enum class Theme : std::uint8_t {
  kNone,
  kMissingRights,  ///< an EPT entry lacks one, and what is below it is cached all the same
  kVerification,   ///< guest-paging verification, with a page of tables that has not what it takes
  kFullLog,        ///< pages whose dirty flag alone is missing, and no room to log them
};

struct StreamGenerator::Plan {
  Theme theme = Theme::kNone;
  Features features;
  Levels levels;
  bool chaos = false;
  bool stores = false;
  bool faults = false;
  unsigned contexts = 1;
  unsigned pages = 1;
  unsigned requests = 8;
};

Theme StreamGenerator::random_theme(Random& random) const {
  if (!features_.has(Feature::kEpt) || !random.one_in(4)) return Theme::kNone;
  constexpr std::array kThemes{Theme::kMissingRights, Theme::kVerification, Theme::kFullLog};
  const Theme theme = random.pick(kThemes);
  const bool possible =
      theme == Theme::kVerification ? features_.has(Feature::kGuestPagingVerification)
      : theme == Theme::kFullLog
          ? features_.has(Feature::kPml) && features_.has(Feature::kEptAccessedDirty)
          : true;
  return possible ? theme : Theme::kNone;
}

StreamGenerator::Plan StreamGenerator::random_plan(Random& random) const {
  Plan plan;
  plan.features = features_;
  for (const FeatureFact& fact : kFeatures) {
    if (fact.feature >= kFirstExtra) plan.features.drop(fact.feature);
  }
  if (random.one_in(3)) {
    for (const FeatureFact& fact : kFeatures) {
      if (fact.feature < kFirstExtra || !features_.has(fact.feature)) continue;
      if (random.one_in(3)) plan.features.add(fact.feature);
    }
  }
  plan.features.drop(Feature::kPageCrossing);
  plan.theme = random_theme(random);
  switch (plan.theme) {
    case Theme::kNone: break;
    case Theme::kMissingRights:
      plan.features.drop(Feature::kEptAccessedDirty);
      plan.features.drop(Feature::kPml);
      if (features_.has(Feature::kShadowStacks) && random.one_in(3)) {
        plan.features.add(Feature::kShadowStacks);
      }
      break;
    case Theme::kVerification:
      plan.features.add(Feature::kPagingWrite);
      plan.features.add(Feature::kGuestPagingVerification);
      break;
    case Theme::kFullLog: plan.features.add(Feature::kPml); break;
  }
  plan.levels = random_levels(random, plan.features);
  plan.chaos = features_.has(Feature::kChaos) && random.one_in(24);
  plan.stores = features_.has(Feature::kStores) && random.coin();
  plan.faults = features_.has(Feature::kFaults) && !plan.chaos && random.coin();
  plan.contexts = 1 + static_cast<unsigned>(random.below(4));
  plan.pages = 1 + static_cast<unsigned>(random.below(random.coin() ? 4 : 14));
  plan.requests = 8 + static_cast<unsigned>(random.below(random.coin() ? 12 : 53));
  return plan;
}

void StreamGenerator::add_contexts(Random& random, const Plan& plan, Stream& stream) {
  stream.contexts.clear();
  levels_.clear();
  mmu::Context first = random_context(random, plan.features, plan.levels);
  if (plan.levels.guest < 4) {
    first.cr4 &= ~cr4::kPcide.mask();
  } else if (random.coin()) {
    first.cr4 |= cr4::kPcide.mask();
  }
  if (plan.theme == Theme::kFullLog && first.controls.pml) {
    first.eptp |= eptp::kAccessedDirty.mask();
    first.pml_index = random.coin() ? 0xffff : 0x200;
  }
  stream.contexts.push_back(first);
  levels_.push_back(plan.levels);
  while (stream.contexts.size() < plan.contexts) {
    const std::size_t from = random.below(stream.contexts.size());
    mmu::Context context = stream.contexts[from];
    Levels levels = levels_[from];
    switch (random.pick(kChanges)) {
      case Change::kVpid: context.vpid = static_cast<std::uint16_t>(random.next() | 1); break;
      case Change::kTables:
        if (cr4::kPcide.any(context.cr4) && random.coin()) {
          context.cr3 ^= random.bit_of(bits(11, 0));
        } else {
          context.vpid = static_cast<std::uint16_t>(context.vpid ^ random.bit_of(0xfffe));
        }
        move_tables(random, levels, context);
        break;
      case Change::kEpt:
        if (!context.ept_enabled) continue;
        set_frame(context.eptp,
                  random.one_in(8) ? 0 : random_frame(random, context.cpu.maxphyaddr));
        break;
      case Change::kNoEpt:
        if (!context.ept_enabled) continue;
        turn_ept_off(context);
        levels.ept = 0;
        if (random.coin()) context.vpid = 0;
        break;
      case Change::kControls: change_controls(random, plan.features, context); break;
      case Change::kRights: change_rights(random, plan.features, context); break;
      case Change::kStale: move_tables(random, levels, context); break;
      case Change::kAnother:
        levels = random_levels(random, plan.features);
        context = random_context(random, plan.features, levels, first.cpu);
        if (levels.guest < 4) context.cr4 &= ~cr4::kPcide.mask();
        break;
    }
    stream.contexts.push_back(context);
    levels_.push_back(levels);
  }
  const bool shadow_stacks = std::ranges::any_of(stream.contexts, [](const mmu::Context& context) {
    return context.cpu.supervisor_shadow_stack;
  });
  for (mmu::Context& context : stream.contexts) {
    context.cpu.supervisor_shadow_stack = shadow_stacks;
  }
}

/// Tables for a number of pages, most of them near one another. What one page's tables are, those
/// after it find and go on with.
void StreamGenerator::add_pages(Random& random, const Plan& plan, Stream& stream) {
  pages_.clear();
  scratch_.image = std::move(stream.image);
  scratch_.image.clear();
  scratch_.planted.clear();
  while (pages_.size() < plan.pages) {
    StreamPage page{.context = static_cast<unsigned>(random.below(stream.contexts.size()))};
    const Levels levels = levels_[page.context];
    scratch_.context = stream.contexts[page.context];
    page.request = random_request(random, plan.features, scratch_.context, levels);
    if (!pages_.empty() && !random.one_in(4)) {
      const StreamPage& near = pages_[random.below(pages_.size())];
      const unsigned top = offset_bits(levels, 2) + 8;
      if (!page.request.linear) {
        page.request.address = near.gpa & bits(guest_physical_width(scratch_.context, levels) - 1,
                                               random.coin() ? 0 : 12);
      } else if (near.request.linear && levels_[near.context].legacy() == levels.legacy()) {
        const std::array<unsigned, 5> reach{11, 12, offset_bits(levels, 2) - 1, top, top + 9};
        page.request.address = with_other_bits(
            random, near.request.address,
            levels.legacy() ? std::min(31u, random.pick(reach)) : random.pick(reach),
            random.coin() ? 0 : 12);
      }
    }
    const unsigned room = 4096 - static_cast<unsigned>(page.request.address & 4095);
    page.request.size = static_cast<std::uint8_t>(std::min<unsigned>(page.request.size, room));
    scratch_.request = page.request;

    Shape shape = random_shape(random, plan.features, levels, scratch_.context);
    shape.share_frames = plan.chaos;
    if (random.coin()) shape.all_rights = true;
    TableBuilder builder(random, plan.features, shape, scratch_);
    builder.extend();
    page.gpa = builder.gpa();
    page.spots = builder.spots();
    follow_theme(random, plan.theme, levels, page.spots);
    if (plan.faults && random.one_in(3)) {
      plant_fault(random, levels, page.spots, scratch_);
      page.request = scratch_.request;
    }
    stream.contexts[page.context] = scratch_.context;
    // What a fault takes from a processor it takes from all contexts.
    for (mmu::Context& context : stream.contexts) context.cpu = scratch_.context.cpu;
    pages_.push_back(std::move(page));
  }
  stream.image = std::move(scratch_.image);
  stream.planted = scratch_.planted;
}

/// Changes the entries that translate a page.
void StreamGenerator::follow_theme(Random& random, Theme theme, Levels levels,
                                   const std::vector<Spot>& spots) {
  if (theme == Theme::kNone || levels.ept == 0 || !scratch_.request.linear) return;
  // Low levels most often: what is above them may be cached.
  const auto guest_level = static_cast<unsigned>(
      std::min(random.below(levels.guest + 1), random.below(levels.guest + 1)));
  const bool execute_only = scratch_.context.cpu.execute_only && random.coin();
  const unsigned ept_level = 1 + static_cast<unsigned>(random.below(levels.ept));
  const bool flags_set = !random.one_in(3);
  const auto change = [&](const Spot& spot, std::uint64_t set, std::uint64_t clear) {
    spot.set(scratch_, (spot.get(scratch_) & ~clear) | set);
  };
  for (const Spot& spot : spots) {
    const mmu::Place place = spot.place;
    if (place.spp_level != 0) continue;
    const bool final = place.guest_level == 0;
    if (place.is_guest_entry()) {
      const bool clean = spot.leaf && random.coin();
      if (flags_set) change(spot, bits(5, 5), clean ? bits(6, 6) : 0);
      continue;
    }
    switch (theme) {
      case Theme::kNone: break;
      case Theme::kMissingRights:
        if (place.guest_level != guest_level) break;
        if (!final && spot.leaf) change(spot, 0, bits(1, 1));
        if (!final || place.ept_level != ept_level) break;
        change(spot, execute_only ? bits(2, 2) : 0, execute_only ? bits(1, 0) : bits(1, 1));
        break;
      case Theme::kVerification:
        if (!spot.leaf) break;
        if (final) {
          change(spot, random.coin() ? bits(57, 57) : 0, bits(57, 57));
        } else {
          const bool lacks = place.guest_level == std::max(guest_level, 1u);
          change(spot, lacks ? bits(1, 1) : bits(58, 58), lacks ? bits(58, 58) : 0);
        }
        break;
      case Theme::kFullLog:
        change(spot, bits(8, 8) | (spot.leaf ? bits(9, 9) : 0), 0);
        if (final && spot.leaf && random.coin()) change(spot, 0, bits(9, 9));
        break;
    }
  }
}

void StreamGenerator::add_requests(Random& random, const std::vector<StreamPage>& pages,
                                   Stream& stream) {
  const unsigned idle = random.pick(std::array<unsigned, 4>{0, 0, 10, 120});
  for (StreamRequest& request : stream.requests) {
    // The first pages most often.
    const std::size_t index = std::min(random.below(pages.size()), random.below(pages.size()));
    const StreamPage& page = pages[index];
    request = {.context = page.context,
               .request = page.request,
               .gap = static_cast<unsigned>(random.below(idle + 1))};
    mmu::Request& access = request.request;
    if (random.coin()) continue;
    constexpr std::array kAccesses{AccessKind::kRead, AccessKind::kWrite, AccessKind::kFetch,
                                   AccessKind::kReadModifyWrite};
    const bool shadow_stack = mmu::is_shadow_stack_access(access);
    if (!shadow_stack || random.one_in(3)) access.access = random.pick(kAccesses);
    if (access.linear && random.one_in(3)) access.user = !access.user;
    access.address ^= random.next() & bits(11, 3);
    if (random.one_in(8)) access.address = with_other_bits(random, access.address, 14, 12);
    const unsigned room = 4096 - static_cast<unsigned>(access.address & 4095);
    access.size = static_cast<std::uint8_t>(std::min<unsigned>(access.size, room));
    // Another context on the same address.
    if (!random.one_in(6)) continue;
    const auto other = static_cast<unsigned>(random.below(stream.contexts.size()));
    if (!mmu::check(stream.contexts[other], access)) request.context = other;
  }
}

void StreamGenerator::make(std::uint64_t number, Stream& stream) {
  // Apart from the sequences of single cases.
  Random random(seed_ ^ 0x73747265616d73, number);
  const Plan plan = random_plan(random);
  stream.origin = plan.chaos ? "chaos" : "stream";
  stream.events.clear();
  add_contexts(random, plan, stream);
  add_pages(random, plan, stream);
  if (plan.chaos) {
    for (std::uint64_t count = random.below(6); count > 0 && !stream.image.empty(); --count) {
      stream.image[random.below(stream.image.size())].value ^= random.bit_of(~std::uint64_t{0});
    }
  }
  stream.requests.assign(plan.requests, {});
  add_requests(random, pages_, stream);
  drop_what_is_refused(stream);
  add_events(random, pages_, plan.stores, stream);

  constexpr std::array<unsigned, 6> kLatencies{1, 2, 4, 8, 8, 30};
  constexpr std::array<unsigned, 4> kStalls{0, 0, 2, 9};
  stream.timing = {
      .seed = random.next(),
      .latency = random.pick(kLatencies),
      .random_latency = random.coin(),
      .stall = random.pick(kStalls),
      .clock_always = random.one_in(8),
      .in_flight = random.one_in(4) ? 1 + static_cast<unsigned>(random.below(4)) : 16u};
}

}  // namespace eptsim::tb
