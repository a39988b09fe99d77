#include <gtest/gtest.h>
#include <tlm_utils/passthrough_target_socket.h>
#include <tlm_utils/simple_initiator_socket.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <systemc>
#include <vector>

#include "mmu_model/modules/memory_module.hpp"
#include "mmu_model/tests/machine_bench.hpp"
#include "mmu_model/walker/model_walker.hpp"

/// The walker between stand-ins for its neighbours.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7000;

/// A memory that takes each request `delay` cycles late and says so only then.
class SlowToTake final : public sc_core::sc_module {
 public:
  tlm_utils::passthrough_target_socket<SlowToTake, kSocketWidth, MemoryProtocol> requester{
      "requester"};

  SlowToTake(const sc_core::sc_module_name& name, const Timeline& timeline, Dram& dram,
             unsigned delay)
      : sc_module(name), timeline_(timeline), dram_(dram), delay_(delay) {
    requester.register_nb_transport_fw(this, &SlowToTake::from_requester);
    SC_HAS_PROCESS(SlowToTake);
    SC_METHOD(take);
    sensitive << due_;
    dont_initialize();
  }

 private:
  tlm::tlm_sync_enum from_requester(MemoryTransaction& transaction, tlm::tlm_phase&,
                                    sc_core::sc_time&) {
    transaction_ = &transaction;
    due_.notify(timeline_.until(transaction.requested + delay_ - 1));
    return tlm::TLM_ACCEPTED;
  }
  void take() {
    MemoryTransaction& transaction = *transaction_;
    transaction.taken = transaction.requested + delay_;
    tlm::tlm_phase phase = tlm::END_REQ;
    sc_core::sc_time none;
    requester->nb_transport_bw(transaction, phase, none);
    transaction.answer = {transaction.request.id,
                          dram_.read64(arch::Hpa(transaction.request.address))};
    transaction.answered = transaction.taken + 4;
    phase = tlm::BEGIN_RESP;
    requester->nb_transport_bw(transaction, phase, none);
  }

  const Timeline& timeline_;
  Dram& dram_;
  unsigned delay_;
  MemoryTransaction* transaction_ = nullptr;
  sc_core::sc_event due_;
};

/// Asks a walker for walks, and keeps the answers in the order in which they come.
class WalkRequester final : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<WalkRequester, kSocketWidth, WalkProtocol> walker{"walker"};

  WalkRequester(const sc_core::sc_module_name& name, std::vector<WalkTransaction*> transactions)
      : sc_module(name), transactions_(std::move(transactions)) {
    walker.register_nb_transport_bw(this, &WalkRequester::from_walker);
    SC_HAS_PROCESS(WalkRequester);
    SC_THREAD(run);
  }

  std::vector<const WalkTransaction*> answered;

 private:
  void run() {
    for (WalkTransaction* transaction : transactions_) {
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      sc_core::sc_time none;
      walker->nb_transport_fw(*transaction, phase, none);
    }
  }
  tlm::tlm_sync_enum from_walker(WalkTransaction& transaction, tlm::tlm_phase& phase,
                                 sc_core::sc_time&) {
    EXPECT_EQ(phase, tlm::BEGIN_RESP);
    answered.push_back(&transaction);
    return tlm::TLM_COMPLETED;
  }

  std::vector<WalkTransaction*> transactions_;
};

TEST(WalkerModule, WaitsForAMemoryThatTakesRequestsLate) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  for (unsigned level = 1; level <= 4; ++level) tables.set(tables.guest_entry(kGva, level), kA);
  const WalkContext context(tables.context);
  const Timeline timeline(false);
  Dram dram(1ull << 46);
  load(dram, tables);
  WalkTransaction transaction;
  transaction.request = {.tag = 3, .context = &context, .request = access(AccessKind::kRead, kGva)};
  transaction.requested = 20;
  WalkRequester requester("requester", {&transaction});
  WalkerModule walker("walker", timeline, std::make_unique<ModelWalker>());
  SlowToTake memory("memory", timeline, dram, 3);
  requester.walker.bind(walker.requester);
  walker.memory.bind(memory.requester);
  sc_core::sc_start();
  ASSERT_EQ(requester.answered.size(), 1u);
  EXPECT_EQ(transaction.response.tag, 3u);
  EXPECT_EQ(transaction.response.cycles, 24u * (3 + 4 + 1) + 1);
  EXPECT_EQ(transaction.answered, 20 + 24u * 8 + 2);
  EXPECT_EQ(walker.counters().cycles, 24u * 8 + 1);
  EXPECT_EQ(walker.counters().guest_cycles + walker.counters().ept_cycles, 24u * 8);
}

TEST(WalkerModule, RequestsWaitAtTheDoorInTheOrderOfTheirCycles) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  for (unsigned level = 1; level <= 4; ++level) tables.set(tables.guest_entry(kGva, level), kA);
  const WalkContext context(tables.context);
  const Timeline timeline(false);
  Dram dram(1ull << 46);
  load(dram, tables);
  WalkTransaction late, early, middle;
  for (WalkTransaction* each : {&late, &early, &middle}) {
    each->request = {.context = &context, .request = access(AccessKind::kRead, kGva)};
  }
  late.requested = 500;
  early.requested = 10;
  middle.requested = 20;
  WalkRequester requester("requester", {&late, &early, &middle});
  WalkerModule walker("walker", timeline, std::make_unique<ModelWalker>());
  MemoryHierarchy hierarchy(plain_memory(4), 1, 1);
  MemoryModule memory("memory", timeline, dram, hierarchy, 1);
  requester.walker.bind(walker.requester);
  walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  EXPECT_EQ(requester.answered, (std::vector<const WalkTransaction*>{&early, &middle, &late}));
  EXPECT_EQ(early.answered, 10u + 122);
  EXPECT_EQ(middle.answered, 133u + 122);  // taken in the cycle after the first response left
  EXPECT_EQ(late.answered, 500u + 122);
}

/// Guest-physical requests, each a page that four references find, before a walker of several
/// walks. The first is for page 0, and so on.
class SeveralWalksBench {
 public:
  explicit SeveralWalksBench(const std::vector<Cycle>& requested,
                             const WalkerConfiguration& configuration = {.walks = 4})
      : requester_("requester", transactions_of(requested)),
        walker("walker", timeline, std::make_unique<ModelWalker>(configuration), configuration) {
    for (std::uint64_t page = 0; page < 8; ++page) {
      tables_.map_ept(kFirstPage + page * 0x1000, 0x7'0000'0000 + page * 0x1000, PageSize::k4K);
    }
    load(dram, tables_);
    requester_.walker.bind(walker.requester);
  }
  static constexpr std::uint64_t kFirstPage = 0x40'0000'0000;

  /// Gives `number` the tag and the context that it asks with.
  WalkTransaction& set(std::size_t number, std::uint32_t tag) {
    transactions[number].request.tag = tag;
    return transactions[number];
  }
  /// Lets it log pages.
  void let_log(std::size_t number) { transactions[number].request.context = &logging_context; }
  void let_raise_exceptions(std::size_t number) {
    transactions[number].request.context = &exception_context;
  }

  const Timeline timeline{false};
  Dram dram{1ull << 46};
  std::vector<WalkTransaction> transactions;

 private:
  std::vector<WalkTransaction*> transactions_of(const std::vector<Cycle>& requested) {
    transactions.resize(requested.size());
    std::vector<WalkTransaction*> all;
    for (std::size_t i = 0; i < requested.size(); ++i) {
      transactions[i].request = {.context = &context,
                                 .request = {.address = kFirstPage + i * 0x1000, .linear = false}};
      transactions[i].requested = requested[i];
      all.push_back(&transactions[i]);
    }
    return all;
  }
  static Context changed(Context context, void (*change)(Context&)) {
    change(context);
    return context;
  }

  WalkTables tables_{4, 4};

 public:
  const WalkContext context{tables_.context};
  const WalkContext logging_context{changed(tables_.context, [](Context& raw) {
    raw.eptp |= 0x40;
    raw.controls.pml = true;
    raw.pml_address = 0x1000;
  })};
  const WalkContext exception_context{changed(tables_.context, [](Context& raw) {
    raw.controls.ept_violation_ve = true;
    raw.ve_info_address = 0x2000;
  })};

 private:
  WalkRequester requester_;

 public:
  WalkerModule walker;
};

TEST(WalkerModule, HasSeveralWalksInFlight) {
  SeveralWalksBench bench({10, 10, 10, 10, 10});
  MemoryHierarchy hierarchy(plain_memory(20), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(bench.transactions[i].answered, 10 + i + 4u * 21 + 2) << "a cycle later each";
    EXPECT_EQ(bench.transactions[i].response.outcome.hpa, 0x7'0000'0000 + i * 0x1000);
  }
  // The engine follows the fourth's last answer in the cycle in which the fifth is ready.
  EXPECT_EQ(bench.transactions[4].answered, bench.transactions[0].answered + 1 + 4u * 21 + 2 + 1);
  EXPECT_EQ(bench.walker.counters().walks, 5u);
}

TEST(WalkerModule, RequestsOfOneCycleGoInByTheirTags) {
  SeveralWalksBench bench({10, 10, 10});
  bench.set(0, 9);
  bench.set(1, 3);
  bench.set(2, 5);
  MemoryHierarchy hierarchy(plain_memory(20), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  EXPECT_EQ(bench.transactions[1].answered, 10u + 4 * 21 + 2);
  EXPECT_EQ(bench.transactions[2].answered, 11u + 4 * 21 + 2);
  EXPECT_EQ(bench.transactions[0].answered, 12u + 4 * 21 + 2);
  EXPECT_EQ(bench.transactions[0].response.tag, 9u);
}

TEST(WalkerModule, WhatMayLogAPageGoesAlone) {
  SeveralWalksBench bench({10, 11, 12, 13, 14});
  bench.let_log(1);
  MemoryHierarchy hierarchy(plain_memory(20), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  constexpr Cycle kWalk = 4 * 21 + 2;
  const std::vector<WalkTransaction>& walks = bench.transactions;
  EXPECT_EQ(walks[0].answered, 10 + kWalk);
  // Four reads, and as many accessed flags; beside it nothing.
  EXPECT_EQ(walks[1].answered, walks[0].answered + 1 + 8 * 21 + 2);
  EXPECT_EQ(walks[2].answered, walks[1].answered + 1 + kWalk) << "it overtakes no one";
  EXPECT_EQ(walks[3].answered, walks[2].answered + 1);
  EXPECT_EQ(walks[4].answered, walks[3].answered + 1);
}

TEST(WalkerModule, WalksThatShareALogGoAloneOnlyIfTheyHaveSomethingToLog) {
  SeveralWalksBench bench({10, 10, 10, 500, 501, 502});
  std::uint16_t index = 511;
  for (std::size_t i = 0; i < 6; ++i) {
    bench.let_log(i);
    WalkTransaction& transaction = bench.set(i, static_cast<std::uint32_t>(i));
    transaction.pml_index = &index;
    transaction.request.request.access = i == 2 || i == 4 ? AccessKind::kRead : AccessKind::kWrite;
    if (i >= 3) transaction.request.request.address = SeveralWalksBench::kFirstPage;
  }
  MemoryHierarchy hierarchy(plain_memory(20), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  const std::vector<WalkTransaction>& walks = bench.transactions;
  for (const WalkTransaction& walk : walks) {
    EXPECT_EQ(walk.response.outcome.kind, OutcomeKind::kTranslated);
  }
  // Three at a time as far as the leaf, and each again with its flags: four for the first, one for
  // the others, whose upper entries it has flagged; and an entry of the log for a write.
  EXPECT_EQ(walks[0].answered, 10u + 4 * 21 + 2 + 2 + 1 + 9 * 21 + 2);
  EXPECT_EQ(walks[1].answered, walks[0].answered + 1 + 6 * 21 + 2);
  EXPECT_EQ(walks[2].answered, walks[1].answered + 1 + 5 * 21 + 2);
  EXPECT_EQ(walks[0].response.references, 8u);
  EXPECT_EQ(walks[0].response.cycles, 4u * 21 + 1 + 9 * 21 + 1);
  EXPECT_EQ(bench.walker.counters().walks, 6u);
  EXPECT_EQ(bench.walker.counters().log_restarts, 3u);
  // All that the rest would set is set: they go side by side.
  EXPECT_EQ(walks[4].answered, walks[3].answered + 1);
  EXPECT_EQ(walks[5].answered, walks[4].answered + 1);
  EXPECT_EQ(index, 509u);
  EXPECT_EQ(bench.dram.read64(arch::Hpa(0x1000 + 8 * 511)), SeveralWalksBench::kFirstPage);
  EXPECT_EQ(bench.dram.read64(arch::Hpa(0x1000 + 8 * 510)), SeveralWalksBench::kFirstPage + 0x1000);
}

TEST(WalkerModule, ALogThatIsFullEndsAWalkThatSharesItAtOnce) {
  SeveralWalksBench bench({10});
  std::uint16_t index = 0xffff;
  bench.let_log(0);
  bench.set(0, 0).pml_index = &index;
  MemoryHierarchy hierarchy(plain_memory(20), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  EXPECT_EQ(bench.transactions[0].response.outcome.kind, OutcomeKind::kPmlFull);
  EXPECT_EQ(bench.walker.counters().log_restarts, 0u);
  EXPECT_EQ(index, 0xffffu);
}

TEST(WalkerModule, WhatMayRaiseAVirtualizationExceptionGoesAlone) {
  SeveralWalksBench bench({10, 10, 10});
  for (std::size_t i = 0; i < 3; ++i) {
    bench.set(i, static_cast<std::uint32_t>(i));
    if (i != 2) bench.let_raise_exceptions(i);
  }
  MemoryHierarchy hierarchy(plain_memory(20), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  constexpr Cycle kWalk = 4 * 21 + 2;
  EXPECT_EQ(bench.transactions[0].answered, 10 + kWalk);
  EXPECT_EQ(bench.transactions[1].answered, 10 + 2 * kWalk + 1);
  EXPECT_EQ(bench.transactions[2].answered, 10 + 3 * kWalk + 2);
}

TEST(WalkerModule, InvalidationsGoInOneACycleAndNoRequestBesideThem) {
  const WalkerConfiguration configuration = {.walks = 2, .nested_tlb = 4};
  SeveralWalksBench bench({10, 500}, configuration);
  bench.transactions[1].request.request = bench.transactions[0].request.request;
  const InvalidationScope elsewhere = {.guest_physical_mappings = true, .gpa = 0};
  for (int i = 0; i < 3; ++i) bench.walker.invalidate(elsewhere, 10);
  MemoryHierarchy hierarchy(plain_memory(20), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  EXPECT_EQ(bench.transactions[0].answered, 13u + 4 * 21 + 3) << "taken when all three were";
  EXPECT_EQ(bench.transactions[1].response.references, 0u) << "crossed by none, it has filled";
}

TEST(WalkerModule, AnInvalidationCrossesTheWalksThatAreInFlight) {
  const WalkerConfiguration configuration = {.walks = 2, .nested_tlb = 4};
  SeveralWalksBench bench({10, 500}, configuration);
  bench.transactions[1].request.request = bench.transactions[0].request.request;
  bench.walker.invalidate({.guest_physical_mappings = true, .gpa = 0}, 40);
  MemoryHierarchy hierarchy(plain_memory(20), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  EXPECT_EQ(bench.transactions[1].response.references, 4u);
}

TEST(WalkerModule, CountsWhatEachArrayWasAsked) {
  const WalkerConfiguration configuration = {
      .walks = 1, .combined = {0, 0, 2, 0, 2}, .ept = {0, 0, 4, 4, 4}, .nested_tlb = 8};
  SeveralWalksBench bench({10, 1000, 2000}, configuration);
  bench.transactions[2].request.request = bench.transactions[0].request.request;
  MemoryHierarchy hierarchy(plain_memory(20), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  const WalkerCounters& counters = bench.walker.counters();
  const auto expect = [](const TlbCounters& array, std::uint64_t accesses, std::uint64_t hits) {
    EXPECT_EQ(array.accesses, accesses);
    EXPECT_EQ(array.hits, hits);
    EXPECT_EQ(array.misses, accesses - hits);
  };
  expect(counters.nested_tlb, 3, 1);
  expect(counters.ept[2], 2, 1);  // asked first, by both that the nested TLB did not answer
  expect(counters.ept[3], 1, 0);
  expect(counters.ept[4], 1, 0);
  for (const TlbCounters& array : counters.combined) expect(array, 0, 0);
}

/// What the look-ups of `walks` walks of one page count, one after the other.
WalkerCounters counted_look_ups(const WalkTables& tables, std::uint64_t gva, unsigned walks) {
  const WalkerConfiguration configuration = {.combined = {0, 0, 2, 0, 2}};
  const WalkContext context(tables.context);
  const Timeline timeline(false);
  Dram dram(1ull << 46);
  load(dram, tables);
  std::vector<WalkTransaction> transactions(walks);
  std::vector<WalkTransaction*> all;
  for (WalkTransaction& each : transactions) {
    each.request = {.context = &context, .request = access(AccessKind::kRead, gva)};
    each.requested = 10 + 1000 * all.size();
    all.push_back(&each);
  }
  WalkRequester requester("requester", all);
  WalkerModule walker("walker", timeline, std::make_unique<ModelWalker>(configuration),
                      configuration);
  MemoryHierarchy hierarchy(plain_memory(4), 1, 1);
  MemoryModule memory("memory", timeline, dram, hierarchy, 1);
  requester.walker.bind(walker.requester);
  walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  return walker.counters();
}

TEST(WalkerModule, CountsTheCombinedArraysThatThereAre) {
  WalkTables tables(4, 0);
  tables.map(kGva);
  const WalkerCounters counters = counted_look_ups(tables, kGva, 3);
  EXPECT_EQ(counters.combined[2].accesses, 3u);
  EXPECT_EQ(counters.combined[2].hits, 2u);
  EXPECT_EQ(counters.combined[3].accesses, 0u) << "there is none";
  EXPECT_EQ(counters.combined[4].accesses, 1u);
  EXPECT_EQ(counters.combined[4].misses, 1u);
}

TEST(WalkerModule, CountsTheCombinedArraysThatThePagingModeHas) {
  const WalkerCounters counters = counted_look_ups(thirty_two_bit_page(), kThirtyTwoBitPage, 2);
  EXPECT_EQ(counters.combined[2].accesses, 2u);
  EXPECT_EQ(counters.combined[2].hits, 1u);
  EXPECT_EQ(counters.combined[4].accesses, 0u);
}

/// A memory that answers every request of a walker in one cycle, in which they all hold, and says
/// so in the reverse of the order of the slots.
class AllAtOnce final : public sc_core::sc_module {
 public:
  tlm_utils::passthrough_target_socket<AllAtOnce, kSocketWidth, MemoryProtocol> requester{
      "requester"};

  AllAtOnce(const sc_core::sc_module_name& name, const Timeline& timeline, Dram& dram)
      : sc_module(name), timeline_(timeline), dram_(dram) {
    requester.register_nb_transport_fw(this, &AllAtOnce::from_requester);
    SC_HAS_PROCESS(AllAtOnce);
    SC_METHOD(answer);
    sensitive << due_;
    dont_initialize();
  }

 private:
  tlm::tlm_sync_enum from_requester(MemoryTransaction& transaction, tlm::tlm_phase& phase,
                                    sc_core::sc_time&) {
    transaction.taken = transaction.requested;
    taken_.push_back(&transaction);
    due_.notify(timeline_.until(transaction.taken + 20));
    phase = tlm::END_REQ;
    return tlm::TLM_UPDATED;
  }
  void answer() {
    std::vector<MemoryTransaction*> answered;
    answered.swap(taken_);
    std::ranges::sort(answered, std::ranges::greater{},
                      [](const MemoryTransaction* each) { return each->request.id; });
    for (MemoryTransaction* const each : answered) {
      MemoryTransaction& transaction = *each;
      transaction.answer = {transaction.request.id,
                            dram_.read64(arch::Hpa(transaction.request.address))};
      transaction.answered = timeline_.now() + 1;
      tlm::tlm_phase phase = tlm::BEGIN_RESP;
      sc_core::sc_time none;
      requester->nb_transport_bw(transaction, phase, none);
    }
  }

  const Timeline& timeline_;
  Dram& dram_;
  std::vector<MemoryTransaction*> taken_;
  sc_core::sc_event due_;
};

TEST(WalkerModule, AnswersOfOneCycleComeByTheirIdsAndOneACycle) {
  SeveralWalksBench bench({10, 10, 10});
  for (std::size_t i = 0; i < 3; ++i) bench.set(i, static_cast<std::uint32_t>(i));
  AllAtOnce memory("memory", bench.timeline, bench.dram);
  bench.walker.memory.bind(memory.requester);
  sc_core::sc_start();
  const std::vector<WalkTransaction>& walks = bench.transactions;
  EXPECT_EQ(walks[1].answered, walks[0].answered + 1);
  EXPECT_EQ(walks[2].answered, walks[1].answered + 1);
  // What an answer waited counts as its memory's.
  const WalkerCounters& counters = bench.walker.counters();
  EXPECT_EQ(counters.cycles, counters.ept_cycles + 3u);
}

/// A unit with two walks of one reference each, that answers the later one first.
class TwoWalks final : public WalkerUnit {
 public:
  void reset() override { outputs_ = {.request_ready = true}; }
  const WalkerOutputs& outputs() const override { return outputs_; }
  const WalkerOutputs& tick(const WalkerInputs& inputs) override {
    if (inputs.memory_ready) ++issued_;
    if (inputs.response_ready) outputs_.response.reset();
    if (inputs.request) tags_.push_back(inputs.request->tag);
    if (inputs.answer) values_[inputs.answer->id] = inputs.answer->value;
    outputs_.request_ready = tags_.size() < 2;
    outputs_.memory.reset();
    if (issued_ < tags_.size()) {
      outputs_.memory = MemoryRequest{
          .id = static_cast<std::uint8_t>(issued_), .address = 8 * issued_ + 8, .place = {1, 0}};
    }
    if (values_.size() == 2 && answered_ < 2 && !outputs_.response) {
      const std::uint8_t walk = answered_++ == 0 ? 1 : 0;
      outputs_.response =
          WalkResponse{.tag = tags_[walk], .outcome = {.hpa = values_[walk]}, .references = 1};
    }
    return outputs_;
  }

 private:
  WalkerOutputs outputs_;
  std::vector<std::uint32_t> tags_;
  std::size_t issued_ = 0;
  std::map<std::uint8_t, std::uint64_t> values_;
  unsigned answered_ = 0;
};

class TwoWalksBench {
 public:
  explicit TwoWalksBench(Cycle second_requested) {
    dram.write64(arch::Hpa(8), 0xaaa);
    dram.write64(arch::Hpa(16), 0xbbb);
    first.request = {.tag = 5, .context = &context};
    second.request = {.tag = 5, .context = &context};
    first.requested = 10;
    second.requested = second_requested;
    requester.walker.bind(walker.requester);
  }
  void expect_answers(Cycle second_answered) const {
    EXPECT_EQ(requester.answered, (std::vector<const WalkTransaction*>{&second, &first}));
    EXPECT_EQ(first.response.outcome.hpa, 0xaaau);
    EXPECT_EQ(second.response.outcome.hpa, 0xbbbu);
    EXPECT_EQ(first.response.tag, 5u);
    EXPECT_EQ(second.answered, second_answered);
    EXPECT_EQ(first.answered, second_answered + 1);
    EXPECT_EQ(walker.counters().walks, 2u);
    EXPECT_EQ(walker.counters().guest_references, 2u);
  }

  const WalkContext context{WalkTables(4, 4).context};
  const Timeline timeline{false};
  Dram dram{1 << 20};
  WalkTransaction first, second;
  WalkRequester requester{"requester", {&first, &second}};
  WalkerModule walker{"walker", timeline, std::make_unique<TwoWalks>()};
};

TEST(WalkerModule, AnswersOfSeveralWalksReachWhoAsked) {
  TwoWalksBench bench(10);
  MemoryHierarchy hierarchy(plain_memory(4), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  // Taken in 10 and 11, asked of memory in 11 and 12, answered in 15 and 16.
  bench.expect_answers(17);
  EXPECT_EQ(bench.walker.counters().matrix[1][0].cycles, 5u + 5);
}

TEST(WalkerModule, ARequestForLaterIsNotTakenWhileAnotherWalks) {
  TwoWalksBench bench(13);
  MemoryHierarchy hierarchy(plain_memory(4), 1, 1);
  MemoryModule memory("memory", bench.timeline, bench.dram, hierarchy, 1);
  bench.walker.memory.bind(memory.requesters[0]);
  sc_core::sc_start();
  // Asked of memory in 11 and 14, answered in 15 and 18.
  bench.expect_answers(19);
}

TEST(WalkerModule, SeveralWalksWaitForAMemoryThatTakesRequestsLate) {
  TwoWalksBench bench(11);
  SlowToTake memory("memory", bench.timeline, bench.dram, 3);
  bench.walker.memory.bind(memory.requester);
  sc_core::sc_start();
  // Offered to memory in 11, taken in 14, the second in 15 and 18; answered in 18 and 22.
  bench.expect_answers(23);
  EXPECT_EQ(bench.walker.counters().matrix[1][0].cycles, 8u + 8);
}

}  // namespace
}  // namespace eptsim::mmu::test
