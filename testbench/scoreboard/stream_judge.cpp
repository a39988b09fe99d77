#include "testbench/scoreboard/stream_judge.hpp"

#include <algorithm>

#include "ept/arch/registers.hpp"
#include "testbench/oracle_adapter.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {

namespace {

constexpr const char* kStepMachine = "step machine";
constexpr const char* kOracle = "oracle";
constexpr const char* kModel = "clocked model";
constexpr const char* kPorts = "the ports' rules";

Space space_of(const mmu::WalkContext& context) {
  const mmu::Context& raw = context.raw;
  Space space{.vpid = raw.vpid};
  if (arch::cr4::kPcide.any(raw.cr4)) space.pcid = static_cast<std::uint16_t>(raw.cr3 & 0xfff);
  if (raw.ept_enabled) space.ept_root = raw.eptp & bits(51, 12);
  return space;
}

/// Whether both read the same guest tables in the same way.
bool same_guest_tables(const mmu::WalkContext& a, const mmu::WalkContext& b) {
  const mmu::Context& x = a.raw;
  const mmu::Context& y = b.raw;
  constexpr std::uint64_t kMode =
      arch::cr4::kPae.mask() | arch::cr4::kPse.mask() | arch::cr4::kLa57.mask();
  const bool same_cr3 = ((x.cr3 ^ y.cr3) & bits(51, 5)) == 0;
  return same_cr3 && ((x.cr4 ^ y.cr4) & kMode) == 0 &&
         ((x.cr0 ^ y.cr0) & arch::cr0::kPg.mask()) == 0 &&
         ((x.efer ^ y.efer) & (arch::efer::kLma.mask() | arch::efer::kNxe.mask())) == 0 &&
         a.pdptes == b.pdptes && x.controls.hlat == y.controls.hlat &&
         x.hlat_pointer == y.hlat_pointer && x.hlat_prefix_size == y.hlat_prefix_size;
}

/// Whether both read the same EPT, and find the same entries malformed. Rights are worked out by
/// the walk that uses an entry, so mode-based execute control may differ; but `absent_to_some`.
bool same_ept(const mmu::WalkContext& a, const mmu::WalkContext& b) {
  const mmu::Controls& x = a.raw.controls;
  const mmu::Controls& y = b.raw.controls;
  return a.raw.ept_enabled == b.raw.ept_enabled && a.raw.eptp == b.raw.eptp &&
         x.paging_write == y.paging_write && x.sub_page_permission == y.sub_page_permission &&
         x.guest_paging_verification == y.guest_paging_verification;
}

/// With mode-based execute control the entry would be present: a hit may skip it, and then nobody
/// finds it absent.
bool absent_to_some(const mmu::Outcome& outcome) {
  return outcome.reason == mmu::Reason::kEptNotPresent && (outcome.entry & bits(10, 10)) != 0;
}

constexpr std::uint64_t flags_of(mmu::Place place) {
  return place.is_guest_entry() ? bits(6, 5) : bits(9, 8);
}

/// Whether the reference is the same, but for flags that others may have set.
bool same(const mmu::Reference& expected, const mmu::Reference& got, bool but_flags) {
  const std::uint64_t ignored = but_flags ? flags_of(expected.place) : 0;
  return expected.place == got.place && expected.address == got.address &&
         ((expected.value ^ got.value) & ~ignored) == 0;
}

using References = std::vector<mmu::Reference>;

/// Whether `got` from `begin` to `end` is what is left of `expected` when some are left out.
bool is_part(const References& expected, const References& got, std::size_t end, bool but_flags) {
  std::size_t i = 0;
  for (std::size_t k = 0; k < end; ++k, ++i) {
    while (i < expected.size() && !same(expected[i], got[k], but_flags)) ++i;
    if (i == expected.size()) return false;
  }
  return true;
}

std::string text_of(const References& references) {
  std::string text;
  for (const mmu::Reference& reference : references) {
    text += (text.empty() ? "" : ", ") + name(reference.place) + " " + hex(reference.address);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

StreamJudge::StreamJudge(Voices voices)
    : voices_(std::move(voices)),
      slots_(voices_.configuration.walks),
      driver_(*voices_.model, voices_.device ? voices_.device->unit.get() : nullptr, slots_),
      coverage_(voices_.configuration) {
  tally_.in_flight.resize(slots_ + 1);
}

/// Whether there are requests, and all contexts and requests may be walked.
bool StreamJudge::prepare(const Stream& stream) {
  if (stream.requests.empty()) return false;
  stream_ = &stream;
  contexts_.clear();
  states_.clear();
  templates_.clear();
  driver_.memory().load(stream.image);
  mixed_sizes_ = mixed_execute_ = false;
  not_in_device_.clear();
  for (const mmu::Context& raw : stream.contexts) {
    if (mmu::check(raw)) return false;
    mmu::WalkContext& context = contexts_.emplace_back(raw);
    if (mmu::load_pdptes(context, driver_.memory())) return false;
    states_.push_back(state_of(raw));
    mixed_sizes_ = mixed_sizes_ || context.wide_guest_entries != contexts_[0].wide_guest_entries;
    mixed_execute_ = mixed_execute_ || raw.controls.mode_based_execute !=
                                           stream.contexts[0].controls.mode_based_execute;
    Footprint footprint{.space = space_of(context)};
    footprint.guest_step = context.wide_guest_entries ? 9 : 10;
    footprint.guest_levels = std::min(context.guest_levels, 4u);
    while (!same_guest_tables(contexts_[footprint.guest_kind], context)) ++footprint.guest_kind;
    while (!same_ept(contexts_[footprint.ept_kind], context)) ++footprint.ept_kind;
    templates_.push_back(std::move(footprint));
  }
  for (const StreamRequest& request : stream.requests) {
    const mmu::Context& raw = stream.contexts[request.context];
    if (mmu::check(raw, request.request)) return false;
    if (!voices_.device || !not_in_device_.empty()) continue;
    asked_.context = raw;
    asked_.request = request.request;
    not_in_device_ = voices_.device->unsupported(asked_).value_or("");
  }
  with_device_ = voices_.device && not_in_device_.empty();
  walks_.assign(stream.requests.size(), {});
  remembrance_.clear();
  coverage_.begin(with_device_ || !voices_.device);
  counted_ = {};
  counted_.in_flight.resize(slots_ + 1);
  finding_.reset();
  return true;
}

std::optional<StreamFinding> StreamJudge::check_alone(const Stream& stream) {
  if (!prepare(stream)) return std::nullopt;
  return run(stream);
}

std::optional<StreamFinding> StreamJudge::check(const Stream& stream) {
  if (!prepare(stream)) {
    ++tally_.not_run;
    return std::nullopt;
  }
  auto result = run(stream);
  if (result) return result;
  ++tally_.streams;
  tally_.walks += counted_.walks;
  tally_.references += counted_.references;
  tally_.lookups += counted_.lookups;
  tally_.hits += counted_.hits;
  tally_.writes += counted_.writes;
  tally_.failed_swaps += counted_.failed_swaps;
  tally_.invalidations += counted_.invalidations;
  tally_.stores += counted_.stores;
  tally_.judged += counted_.judged;
  tally_.stale += counted_.stale;
  tally_.overtaken += counted_.overtaken;
  tally_.cycles += counted_.cycles;
  for (unsigned i = 0; i <= slots_; ++i) tally_.in_flight[i] += counted_.in_flight[i];
  if (with_device_) {
    tally_.device_walks += counted_.walks;
  } else if (!not_in_device_.empty()) {
    ++tally_.not_in_device[not_in_device_];
  }
  return result;
}

std::optional<StreamFinding> StreamJudge::run(const Stream& stream) {
  StreamDriver::Result result = driver_.run(stream, contexts_, with_device_, *this);
  counted_.cycles += result.compared;
  if (!finding_ && !result.differences.empty()) {
    finding_ = StreamFinding{.finding = {.expected = result.of_second ? kModel : kPorts,
                                         .got = result.of_second ? voices_.device->name : kModel,
                                         .differences = std::move(result.differences),
                                         .cycle = result.cycle,
                                         .so_far = {}},
                             .walk = {},
                             .walks = {}};
  }
  if (finding_) {
    for (unsigned walk = 0; walk < walks_.size(); ++walk) {
      if (walks_[walk].in_flight || finding_->walk == walk) {
        finding_->walks.emplace_back(walk, walks_[walk].recording);
      }
    }
  }
  return std::move(finding_);
}

void StreamJudge::found(const char* expected, const std::string& got, unsigned walk,
                        std::vector<Difference> differences, mmu::Cycle now) {
  if (finding_ || differences.empty()) return;
  finding_ = StreamFinding{.finding = {.expected = expected,
                                       .got = got,
                                       .differences = std::move(differences),
                                       .cycle = now,
                                       .so_far = {}},
                           .walk = walk,
                           .walks = {}};
}

void StreamJudge::request_taken(unsigned walk, mmu::Cycle now) {
  const StreamRequest& request = stream_->requests[walk];
  WalkState& state = walks_[walk];
  state.in_flight = true;
  state.taken_at = now;
  coverage_.request_taken(walk, now);
  state.footprint = templates_[request.context];
  const mmu::WalkContext& context = contexts_[request.context];
  if (request.request.linear && arch::cr0::kPg.any(context.raw.cr0)) {
    state.footprint.linear = request.request.address;
  }
  state.expected = walk_uncached(context, request.request, driver_.memory(), state.footprint);
  state.relied = remembrance_.stale(state.footprint);
  if (mixed_execute_ && absent_to_some(state.expected.outcome)) {
    state.relied = {.linear = true, .guest_physical = true};
  }
  if (!state.relied.any()) ask_oracle(walk);
  remembrance_.walked(state.footprint, state.relied);
  ++counted_.in_flight[std::ranges::count_if(
      walks_, [](const WalkState& other) { return other.in_flight; })];
}

/// Of memory as it is, what the step machine has said.
void StreamJudge::ask_oracle(unsigned walk) {
  const StreamRequest& request = stream_->requests[walk];
  const WalkState& state = walks_[walk];
  TrialMemory trial(driver_.memory());
  const oracle::Memory memory{
      .read64 = [&](std::uint64_t address) { return trial.read64(arch::Hpa(address)); },
      .write64 = [&](std::uint64_t address,
                     std::uint64_t value) { trial.write64(arch::Hpa(address), value); }};
  const oracle::Result result =
      voices_.oracle(states_[request.context], access_of(request.request), memory);
  const mmu::TranslateResult answer{
      .outcome = state.expected.outcome,
      .second = {},
      .address = request.request.address,
      .references = static_cast<unsigned>(state.expected.recording.references.size()),
      .pml_index = state.expected.pml_index};
  Differences differences;
  compare(result, answer, differences);
  compare(result, state.expected.recording, differences);
  found(kOracle, kStepMachine, walk, differences.take(), state.taken_at);
}

void StreamJudge::word_changed(std::uint64_t word, bool as_ept, bool as_guest) {
  remembrance_.changed(word, as_ept, as_guest);
  for (WalkState& state : walks_) {
    if (!state.in_flight) continue;
    const bool reads = std::ranges::any_of(state.footprint.reads, [&](const auto& read) {
      return read.word == word && (read.ept ? as_ept : as_guest);
    });
    if (!reads) continue;
    state.overtaken = true;
    remembrance_.lost_track(state.footprint);
  }
}

void StreamJudge::storing(const Word& word) {
  ++counted_.stores;
  if (driver_.memory().read64(arch::Hpa(word.address)) == word.value) return;
  word_changed(word.address, true, true);
}

/// Flags that a walk sets change nothing for those who read the entry as it does.
void StreamJudge::written(unsigned walk, const mmu::MemoryRequest& request) {
  const std::uint64_t word = request.address & ~std::uint64_t{7};
  for (unsigned other = 0; other < walks_.size(); ++other) {
    WalkState& state = walks_[other];
    if (!state.in_flight || other == walk) continue;
    state.flags_meanwhile = state.flags_meanwhile || state.footprint.reads_word(word);
  }
  if (request.kind == mmu::StepKind::kWrite) {
    word_changed(word, true, true);
  } else {
    const bool guest = request.place.is_guest_entry();
    word_changed(word, guest, !guest || (mixed_sizes_ && request.size == 4));
  }
}

void StreamJudge::carried_out(unsigned walk, const mmu::MemoryRequest& request, std::uint64_t found,
                              mmu::Cycle now) {
  WalkState& state = walks_[walk];
  coverage_.memory_taken(walk, now);
  switch (request.kind) {
    case mmu::StepKind::kRead:
      state.recording.references.push_back({request.place, request.address, found});
      ++counted_.references;
      break;
    case mmu::StepKind::kCompareExchange:
      coverage_.flags_updated(flag_update_of(request, found));
      if (found != request.expected) {
        ++state.failed_swaps;
        ++counted_.failed_swaps;
        break;
      }
      [[fallthrough]];
    case mmu::StepKind::kWrite:
      state.recording.writes.push_back({request.address, request.size, request.desired});
      ++counted_.writes;
      written(walk, request);
      break;
    default: break;
  }
}

void StreamJudge::looked_up(unsigned walk, const mmu::CacheLookup& lookup, mmu::Cycle now) {
  coverage_.looked_up(walk, lookup, now);
  const bool hit =
      (lookup.combined ? lookup.combined_level : lookup.nested_level | lookup.ept_level) != 0;
  ++counted_.lookups;
  counted_.hits += hit;
  walks_[walk].hit = walks_[walk].hit || hit;
}

void StreamJudge::invalidated(const StreamEvent& event, mmu::Cycle now) {
  coverage_.invalidated(event.kind, *event.invalidation, remembrance_.held(), now);
  ++counted_.invalidations;
  remembrance_.invalidated(*event.invalidation);
}

/// Whether the walk would end alike with the flags that others have set since it began.
bool StreamJudge::same_without_flags(WalkState& state, const StreamRequest& request) {
  Footprint unused;
  const UncachedWalk now =
      walk_uncached(contexts_[request.context], request.request, driver_.memory(), unused);
  Differences differences;
  mmu::Outcome before = state.expected.outcome;
  before.entry = now.outcome.entry;
  before.dirty = now.outcome.dirty;
  compare(before, now.outcome, differences);
  return differences.empty();
}

void StreamJudge::compare_outcome(const WalkState& state, const mmu::WalkResponse& response,
                                  Differences& differences) const {
  mmu::Outcome expected = state.expected.outcome;
  // A flag that was set after the entry was cached need not be known.
  const bool may_know_less = state.hit || state.flags_meanwhile;
  if (may_know_less && (!response.outcome.dirty || state.flags_meanwhile)) {
    expected.dirty = response.outcome.dirty;
  }
  if (may_know_less &&
      ((expected.entry ^ response.outcome.entry) & ~flags_of(expected.place)) == 0) {
    expected.entry = response.outcome.entry;
  }
  compare(expected, response.outcome, differences);
  differences.number("pml_index", state.expected.pml_index, response.pml_index);
}

/// Those that no hit spared, in order; after a refusal on a hit, all of them anew.
void StreamJudge::compare_references(const WalkState& state, Differences& differences) const {
  const References& expected = state.expected.recording.references;
  const References& got = state.recording.references;
  const bool but_flags = state.flags_meanwhile;
  if (state.failed_swaps != 0) return;
  bool right = false;
  if (!state.hit) {
    right = expected.size() == got.size() && is_part(expected, got, got.size(), but_flags);
  } else {
    right = is_part(expected, got, got.size(), but_flags);
    if (!right && state.expected.outcome.kind != mmu::OutcomeKind::kTranslated &&
        got.size() >= expected.size()) {
      const std::size_t first = got.size() - expected.size();
      right = is_part(expected, got, first, but_flags) &&
              std::equal(expected.begin(), expected.end(),
                         got.begin() + static_cast<std::ptrdiff_t>(first),
                         // The walk itself may have set flags before it began again.
                         [](const auto& a, const auto& b) { return same(a, b, true); });
    }
  }
  if (!right) {
    differences.word(state.hit ? "references (a part of)" : "references", text_of(expected),
                     text_of(got));
  }
}

/// Flags that the walk was to set are set, by whomever, and it has written nothing else.
void StreamJudge::compare_writes(const WalkState& state, Differences& differences) {
  for (const mmu::MemoryWrite& write : state.expected.recording.writes) {
    const std::uint64_t word =
        driver_.memory().read64(arch::Hpa(write.address & ~std::uint64_t{7}));
    const std::uint64_t value = word >> (8 * (write.address & 7));
    if ((write.value & ~value & (bits(6, 5) | bits(9, 8))) == 0) continue;
    differences.hex("memory afterwards, " + hex(write.address), write.value, value);
    return;
  }
  // What others have set of an entry's flags it carries along.
  const std::uint64_t ignored = state.flags_meanwhile ? bits(6, 5) | bits(9, 8) : 0;
  for (const mmu::MemoryWrite& write : state.recording.writes) {
    const auto same = [&](const mmu::MemoryWrite& other) {
      return other.address == write.address && other.size == write.size &&
             ((other.value ^ write.value) & ~ignored) == 0;
    };
    if (std::ranges::any_of(state.expected.recording.writes, same)) continue;
    differences.word("writes", "none such to " + hex(write.address), hex(write.value));
    return;
  }
}

void StreamJudge::responded(unsigned walk, const mmu::WalkResponse& response, mmu::Cycle now) {
  WalkState& state = walks_[walk];
  state.in_flight = false;
  ++counted_.walks;
  Differences differences;
  differences.number("references", state.recording.references.size(), response.references);
  if (response.cycles > now - state.taken_at) {
    differences.number("cycles, at most", now - state.taken_at, response.cycles);
  }
  bool judged = false;
  if (state.relied.any()) {
    ++counted_.stale;
  } else if (state.overtaken ||
             (state.flags_meanwhile && !same_without_flags(state, stream_->requests[walk]))) {
    ++counted_.overtaken;
  } else {
    ++counted_.judged;
    judged = true;
    compare_outcome(state, response, differences);
    compare_references(state, differences);
    compare_writes(state, differences);
  }
  coverage_.responded(walk, response, judged ? &state.expected.recording : nullptr, now);
  found(kStepMachine, kModel, walk, differences.take(), now);
}

}  // namespace eptsim::tb
